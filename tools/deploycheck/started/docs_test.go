package started_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// block is a part of the page: what a test does with it, and its text.
var block = regexp.MustCompile("(?ms)^```\\w+ (\\w+)\n(.*?)^```$")

// page are the blocks of a page by their use, in order.
func page(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "run", file))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	for _, b := range block.FindAllStringSubmatch(string(text), -1) {
		blocks[b[1]] = append(blocks[b[1]], b[2])
	}
	return blocks
}

// TestPagesAgree: both languages have the same commands.
func TestPagesAgree(t *testing.T) {
	english, chinese := page(t, "cluster.md"), page(t, "cluster.zh-CN.md")
	comment := regexp.MustCompile(`(?m)^ *#.*\n`)
	for use, least := range map[string]int{"superuser": 6, "nats": 1, "chart": 1, "backup": 1, "restore": 1} {
		if len(english[use]) < least {
			t.Errorf("%d blocks for %s", len(english[use]), use)
		}
		for i, text := range english[use] {
			if i >= len(chinese[use]) || comment.ReplaceAllString(text, "") != comment.ReplaceAllString(chinese[use][i], "") {
				t.Errorf("%s, block %d differs", use, i)
			}
		}
	}
}

// TestPageDatabase runs the statements of the page, and then the copy and its restoration, by the
// roles that they make.
func TestPageDatabase(t *testing.T) {
	c := prepare(t)
	port := c.port("127.0.0.1:5432")
	env := []string{"PATH=" + c.programs + ":" + os.Getenv("PATH"), "PGHOST=" + c.folder, "PGPORT=" + port, "PGUSER=postgres"}
	data := c.initialized(t, "primary", env)
	c.primary = launch(t, syscall.SIGQUIT, c.asPostgres(env, "postgres", "-D", data, "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories="+c.folder, "-c", "port="+port))
	c.answers(t, "127.0.0.1", port)
	sql := func(user, database, text string) string {
		file := filepath.Join(c.folder, "page.sql")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(do(t, c.asPostgres(env, "psql", "-v", "ON_ERROR_STOP=1", "-At", "-U", user, "-d", database, "-f", file)))
	}
	page := page(t, "cluster.md")
	for _, text := range page["superuser"] {
		sql("postgres", "postgres", text)
	}
	if got := sql("peal", "peal", "SHOW default_transaction_isolation"); got != "read committed" {
		t.Errorf("the role has %q", got)
	}
	// What the nodes do is what the owner may.
	sql("peal", "peal", "CREATE TABLE calls (id text); INSERT INTO calls VALUES ('1');")
	shell := func(text string) {
		c := c.asPostgres(append(env, "BACKUP_URL=postgres:///peal?user=peal_backup"), "/bin/sh", "-euc", text)
		do(t, c)
	}
	shell(page["backup"][0])
	shell(page["restore"][0])
	if got := sql("peal", "peal_restored", "UPDATE calls SET id = '2' RETURNING id"); !strings.HasPrefix(got, "2") {
		t.Errorf("the copy has %q", got)
	}
	reader := c.asPostgres(env, "psql", "-U", "peal_backup", "-d", "peal", "-c", "DELETE FROM calls")
	if out, err := reader.CombinedOutput(); err == nil || !strings.Contains(string(out), "permission denied") {
		t.Errorf("the role of copies deletes: %v %s", err, out)
	}
}

// TestPageNATS: NATS takes the settings of the page.
func TestPageNATS(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"server.pem", "server.key", "ca.pem"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(certificate(t)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair := certificate(t)
	for _, name := range []string{"server.pem", "server.key"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(pair), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(folder, "nats.conf")
	text := strings.ReplaceAll(page(t, "cluster.md")["nats"][0], "/etc/nats", folder)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("nats-server", "-t", "-c", file)
	check.Env = append(os.Environ(), "PEAL_NATS_PASSWORD=n12")
	do(t, check)
}

// TestPageSettings: each flag and each variable of the page is one of peal.
func TestPageSettings(t *testing.T) {
	c := prepare(t)
	help := do(t, exec.Command(c.binary, "serve", "--help")) + do(t, exec.Command(c.binary, "doctor", "--help"))
	flag, variable := regexp.MustCompile(`--[a-z][a-z-]+[a-z]`), regexp.MustCompile(`\bPEAL_[A-Z_]+`)
	known := append(flag.FindAllString(help, -1), variable.FindAllString(help, -1)...)
	// Of other programs: kubectl, helm, PostgreSQL's, the compose file.
	theirs := []string{
		"--from-env-file", "--values", "--format", "--file", "--owner", "--no-owner", "--role", "--exit-on-error", "--dbname", "PEAL_NATS_PASSWORD",
	}
	for _, file := range []string{"cluster.md", "cluster.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "run", file))
		if err != nil {
			t.Fatal(err)
		}
		found := append(flag.FindAllString(string(text), -1), variable.FindAllString(string(text), -1)...)
		if len(found) < 20 {
			t.Errorf("%s names %v", file, found)
		}
		for _, name := range found {
			if !slices.Contains(known, name) && !slices.Contains(theirs, name) {
				t.Errorf("%s has %s, which nobody knows", file, name)
			}
		}
	}
}
