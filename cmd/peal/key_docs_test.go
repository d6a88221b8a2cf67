package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shellBlock is a block of commands of a page, and inlineKey a command in its text that lists keys as
// another user.
var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	inlineKey  = regexp.MustCompile("`([^`\n]+peal key list[^`\n]*)`")
)

// keyShell runs commands of a page as a user does: in a folder, with peal on the path.
type keyShell struct {
	t           *testing.T
	dir, prefix string
}

// run runs commands, and returns what they print.
func (s *keyShell) run(commands string) string {
	s.t.Helper()
	shell := exec.CommandContext(s.t.Context(), "bash", "-e", "-c", s.prefix+commands)
	shell.Dir = s.dir
	shell.Env = append(os.Environ(), asPeal+"=1", "PATH="+s.dir+":"+os.Getenv("PATH"))
	out, err := shell.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return string(out)
}

// keep runs commands, and keeps a variable that they export for those that follow.
func (s *keyShell) keep(commands, variable string) (value string) {
	s.t.Helper()
	out := s.run(commands + "\necho \"kept ${" + variable + "}\"")
	_, value, _ = strings.Cut(strings.TrimSpace(out[strings.LastIndex(out, "kept "):]), " ")
	s.prefix += fmt.Sprintf("export %s='%s'\n", variable, value)
	return value
}

// TestKeyDocs runs the commands about API keys of the page about the server API.
func TestKeyDocs(t *testing.T) {
	for _, file := range []string{"server-api.md", "server-api.zh-CN.md"} {
		t.Run(strings.TrimSuffix(file, ".md"), func(t *testing.T) { runKeyDocs(t, file) })
	}
}

func runKeyDocs(t *testing.T, file string) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "build", file))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], "peal key") || strings.Contains(block[1], "PEAL_API_KEYS") {
			blocks = append(blocks, block[1])
		}
	}
	if len(blocks) != 4 {
		t.Fatalf("the page has %d blocks about keys: %q", len(blocks), blocks)
	}
	s := &keyShell{t: t, dir: t.TempDir()}
	program, err := filepath.Abs(os.Args[0])
	if err == nil {
		err = os.Symlink(program, filepath.Join(s.dir, "peal"))
	}
	if err != nil {
		t.Fatal(err)
	}
	p := dev(t, filepath.Join(s.dir, "peal-data"))
	want := func(status int, key string) {
		t.Helper()
		if got := p.asks(key); got != status {
			t.Errorf("a key opens with %d, want %d", got, status)
		}
	}
	first := s.keep(blocks[0], "KEY")
	want(http.StatusOK, first)
	second := s.keep(blocks[1], "NEW_KEY")
	want(http.StatusOK, second)
	keysAre(t, s.run("peal key list"), "good", "good")
	if now := s.keep(blocks[2], "KEY"); now != second {
		t.Error("after the replacement KEY is another than NEW_KEY")
	}
	want(http.StatusUnauthorized, first)
	want(http.StatusOK, second)
	inline := inlineKey.FindAllStringSubmatch(string(text), -1)
	if len(inline) != 2 {
		t.Errorf("the text has %d commands about keys: %q", len(inline), inline)
	}
	for _, command := range inline {
		// As the user of a unit, and in a container.
		here := strings.NewReplacer("sudo -u peal ", "", "/var/lib/peal", "peal-data", "docker compose exec peal /usr/bin/peal", "peal")
		keysAre(t, s.run(here.Replace(command[1])), "revoked", "good")
	}
	settings, key, _ := strings.Cut(strings.TrimSpace(s.run(blocks[3]+`echo "$PEAL_API_KEYS $KEY"`)), " ")
	p = startProgram(t, os.Args[0], "", []string{asPeal + "=1", "PEAL_API_KEYS=" + settings}, []string{
		"dev", "--addr", "127.0.0.1:0", "--turn-addr", "off", "--data", t.TempDir(),
	})
	want(http.StatusOK, key)
	want(http.StatusUnauthorized, second)
}

// keysAre holds the states of the two keys of the page in a list of keys.
func keysAre(t *testing.T, list string, first, second string) {
	t.Helper()
	if !regexp.MustCompile(`(?m)^backend .*` + first + `.*\nbackend-2 .*` + second).MatchString(list) {
		t.Errorf("the list is\n%s, want %s and %s", list, first, second)
	}
}
