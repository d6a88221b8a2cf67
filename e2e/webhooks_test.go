package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// webhookPage are the shell blocks of docs/build/webhooks.md, as a new user pastes them into terminals:
// on ports of their own, and with commands that fail where the server refuses.
type webhookPage struct {
	server, listen string
	commands       []string
}

func readWebhookPage(t *testing.T, file, addr, receiver string) (p webhookPage) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "build", file))
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer(
		"127.0.0.1:7325", addr, "127.0.0.1:7380", receiver, "curl -s", "curl -s --fail-with-body",
		"peal dev", "exec peal dev --turn-addr off --addr "+addr+" --data "+t.TempDir(),
		"peal hook listen", "exec peal hook listen --addr "+receiver)
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		block := here.Replace(m[3])
		switch {
		case m[1] != "sh":
		case m[2] == "server":
			p.server = block
		case m[2] == "listen":
			p.listen = block
		default:
			p.commands = append(p.commands, block)
		}
	}
	return p
}

// startShell runs a block that goes on until the end of the test.
func startShell(t *testing.T, block string) *buffer {
	t.Helper()
	shown := &buffer{}
	shell := inShell(t, block)
	shell.Stdout, shell.Stderr = shown, shown
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = shell.Process.Kill()
		_ = shell.Wait()
	})
	return shown
}

func inShell(t *testing.T, block string) *exec.Cmd {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "bash", "-c", block)
	shell.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	return shell
}

// TestWebhooksPage does what the page says, from the first command to the last: a new user
// receives the record of a call.
func TestWebhooksPage(t *testing.T) {
	for _, file := range []string{"webhooks.md", "webhooks.zh-CN.md"} {
		t.Run(file, func(t *testing.T) {
			addr, receiver := freeAddr(t), freeAddr(t)
			p := readWebhookPage(t, file, addr, receiver)
			server := startShell(t, p.server)
			eventually(t, toStart, "the server is ready", func() bool { return strings.Contains(server.String(), "Peal is ready") })
			paste := regexp.MustCompile(`(?m)^export .*\n`).FindString(server.String())
			listener := startShell(t, paste+p.listen)
			eventually(t, toStart, "the receiver listens", func() bool { return strings.Contains(listener.String(), "Listening") })
			called := false
			for _, block := range p.commands {
				out, err := inShell(t, paste+block).Output()
				if err != nil {
					t.Fatalf("%s: %v\n%s\n%s", block, err, out, listener)
				}
				if strings.HasPrefix(block, "peal ") {
					called = true
					eventually(t, time.Minute, "the record comes", func() bool {
						return regexp.MustCompile(`call\.ended .*"alice" and "bob"  completed`).MatchString(listener.String())
					})
					continue
				}
				wantAnswers(t, block, out, called)
			}
			if !called || len(p.commands) < 9 {
				t.Errorf("of the page %d blocks ran:\n%s", len(p.commands), listener)
			}
		})
	}
}

// wantAnswers holds that commands answered with JSON, and with what the page promises.
func wantAnswers(t *testing.T, block string, out []byte, called bool) {
	t.Helper()
	if len(out) == 0 {
		t.Errorf("%s: no answer", block)
	}
	for answers := json.NewDecoder(bytes.NewReader(out)); ; {
		var answer map[string]any
		err := answers.Decode(&answer)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", block, err, out)
		}
	}
	for command, want := range map[string]string{"/test": `"delivered":true`, "/rotate": `"secret":"whsec_`, "/events?": `"call.ended"`} {
		if strings.Contains(block, command) && !strings.Contains(string(out), want) && (called || command == "/test") {
			t.Errorf("%s: %s, want %s", block, out, want)
		}
	}
}
