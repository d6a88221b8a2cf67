package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// secretMaker is a command whose output nobody else may read.
	secretMaker = regexp.MustCompile(`/dev/u?random|openssl (rand|gen|req|ecparam)|peal token|peal key new|PEAL_SECRET=|"secret":`)
	// fileWriter writes what a command makes to a file; => and -> are no such thing.
	fileWriter = regexp.MustCompile(`(^|[^=\-0-9&>])>>? *[\w./~$"-]|\btee\b| -out | -keyout `)
)

// readable finds the lines of a text that write a secret where others on the machine may
// read it, and counts those that write one as they should.
func readable(text string) (bad []string, good int) {
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		made := secretMaker.FindStringIndex(line)
		if made == nil || !fileWriter.MatchString(line) {
			continue
		}
		if strings.Contains(line[:made[0]], "umask 077") {
			good++
			continue
		}
		bad = append(bad, line)
	}
	return bad, good
}

func TestReadable(t *testing.T) {
	for line, want := range map[string]bool{
		"head -c 32 /dev/urandom | base64 > secret":                                         true,
		"head -c 32 /dev/urandom | base64 >secret":                                          true,
		"head -c 32 /dev/urandom | base64 | tee secret":                                     true,
		"openssl rand -base64 32 > secret":                                                  true,
		"openssl rand -out secret -base64 32":                                               true,
		"openssl rand -base64 32 \\\n  > secret":                                            true,
		"openssl rand -base64 32 > secret; umask 077":                                       true,
		"openssl req -x509 -keyout key.pem -out cert.pem":                                   true,
		"echo PEAL_SECRET=$s >> .env":                                                       true,
		`echo '{"secret": "x"}' > peal.json`:                                                true,
		"peal key new --name crm --scope read > key":                                        true,
		"peal token --account alice > token":                                                true,
		"(umask 077; head -c 32 /dev/urandom | base64 > secret)":                            false,
		"umask 077 && openssl rand -base64 32 > secret":                                     false,
		"Make one by `openssl rand -base64 32`.":                                            false,
		"PEAL_SECRET=$(cat secret) ./peal serve 2>&1":                                       false,
		`const f = (secret) => g({"secret": 1})`:                                            false,
		"go test ./... > log":                                                               false,
		"peal ice --server http://127.0.0.1:7325 --token \"$(peal token --account alice)\"": false,
	} {
		if bad, _ := readable(line); (len(bad) > 0) != want {
			t.Errorf("%q: %v, want %v", line, bad, want)
		}
	}
}

// No text that people copy commands from has them write a secret that others on the
// machine can read.
func TestSecretsAreWrittenUnreadable(t *testing.T) {
	texts := map[string]string{}
	for _, command := range []string{"dev", "serve", "ice", "doctor", "bench", "token", "call", "answer", "echo", "version", "key", "key new", "inspect", "hook listen"} {
		_, texts["peal "+command+" --help"], _ = peal(append(strings.Fields(command), "--help")...)
	}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "node_modules" || path != root && strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		if ext := filepath.Ext(path); entry.IsDir() || ext != ".md" && ext != ".sh" && ext != ".yml" && entry.Name() != "Makefile" {
			return nil
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, text := range texts {
		bad, good := readable(text)
		found += good
		for _, line := range bad {
			t.Errorf("%s: write secrets after umask 077: %s", name, line)
		}
	}
	// README and getting started, in two languages, and the help of serve.
	if found < 5 {
		t.Errorf("found %d places where a secret is written, of 5", found)
	}
}
