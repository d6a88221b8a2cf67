package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rewrite replaces a file as careful programs do.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// accepts tells whether a server takes a token that is signed by a secret.
func (p *process) accepts(secret string) bool {
	p.t.Helper()
	_, token, _ := peal("token", "--account", "alice", "--secret", secret)
	code, _, _ := peal("ice", "--server", p.url, "--token", strings.TrimSpace(token))
	return code == exitOK
}

// TestReload: SIGHUP has the keys, the certificate and the log level read again, and ends
// no server, whatever it finds.
func TestReload(t *testing.T) {
	first, second := dev(t, t.TempDir(), "--tls"), dev(t, t.TempDir(), "--tls")
	made := func(p *process, name string) string {
		for i, arg := range p.cmd.Args {
			if arg == "--data" {
				text, err := os.ReadFile(filepath.Join(p.cmd.Args[i+1], name))
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
		}
		return ""
	}
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	rewrite(t, certificate, made(first, "tls-cert.pem"))
	rewrite(t, key, made(first, "tls-key.pem"))
	const next = "abcdef0123456789abcdef0123456789"
	file := write(t, `{"secret": "`+secret+`", "log": {"level": "info"}}`)
	p := startProcess(t, "https", []string{
		"serve", "--addr", "127.0.0.1:0", "--turn-addr", "127.0.0.1:0", "--data", t.TempDir(), "--config", file,
		"--tls-cert", certificate, "--tls-key", key,
	})
	serial := func() string { return p.answer("", "/").TLS.PeerCertificates[0].SerialNumber.String() }
	was := serial()
	reload := func(settings, says string) {
		t.Helper()
		before := strings.Count(p.log.String(), says)
		rewrite(t, file, settings)
		p.signal(syscall.SIGHUP)
		for deadline := time.Now().Add(patience); strings.Count(p.log.String(), says) == before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it does not say %q:\n%s", says, p.log)
			}
		}
	}

	reload(`{"secret": `, "cannot reload")
	reload(`{"secret": "short"}`, "cannot reload")
	if !strings.Contains(p.log.String(), "the secret has 5 bytes") {
		t.Errorf("the log says\n%s", p.log)
	}
	rewrite(t, key, "half of a renewal")
	reload(`{"secret": "`+next+`"}`, "cannot reload")
	if serial() != was {
		t.Error("serves a certificate that is damaged")
	}
	rewrite(t, certificate, made(second, "tls-cert.pem"))
	rewrite(t, key, made(second, "tls-key.pem"))
	if serial() != was {
		t.Error("serves the new certificate before it was asked to")
	}
	reload(`{"secret": "`+next+`", "keys": {"old": "`+secret+`"}, "log": {"level": "debug"}, "limits": {"devices": 3}}`, "restart_for=limits-devices")
	if serial() == was {
		t.Error("serves the old certificate")
	}
	if !strings.Contains(p.log.String(), "settings reloaded") {
		t.Errorf("the log does not say that the others hold:\n%s", p.log)
	}
	if strings.Contains(p.log.String(), secret) || strings.Contains(p.log.String(), next) {
		t.Errorf("the log holds a secret:\n%s", p.log)
	}
	if code := p.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.log)
	}

	// The keys and the level, where no other change hides the result.
	rewrite(t, file, `{"secret": "`+secret+`", "log": {"level": "info"}}`)
	p = startProcess(t, "http", []string{"serve", "--addr", "127.0.0.1:0", "--turn-addr", "off", "--data", t.TempDir(), "--config", file})
	if !p.accepts(secret) || p.accepts(next) {
		t.Fatal("the first secret is not the one that holds")
	}
	reload(`{"secret": "`+next+`", "log": {"level": "warn"}}`, "settings reloaded")
	if p.accepts(secret) || !p.accepts(next) {
		t.Error("goes by the old secret")
	}
	if code := p.end(syscall.SIGTERM); code != exitOK || strings.Contains(p.log.String(), "server stopped") {
		t.Errorf("exit code %d; at level warn the log says\n%s", code, p.log)
	}
}

// A SIGHUP while it stops ends it no sooner.
func TestReloadOfADev(t *testing.T) {
	p := dev(t, t.TempDir(), "--log-level", "info")
	p.signal(syscall.SIGHUP)
	p.log.says(t, "settings reloaded")
	slow, _ := p.login("alice")
	p.signal(syscall.SIGTERM)
	p.log.says(t, "server stopping")
	p.signal(syscall.SIGHUP)
	_ = slow.CloseNow()
	_ = p.cmd.Wait() // The exit code tells.
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK || !strings.Contains(p.log.String(), "server stopped") {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
}

// TestDoubledSignal: a signal that is sent twice at once stops the server as one does.
func TestDoubledSignal(t *testing.T) {
	p := dev(t, t.TempDir(), "--log-level", "info")
	slow, _ := p.login("alice")
	p.signal(syscall.SIGTERM)
	p.log.says(t, "server stopping")
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGINT)
	time.Sleep(secondSignal / 2)
	_ = slow.CloseNow()
	_ = p.cmd.Wait() // The exit code tells.
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK || !strings.Contains(p.log.String(), "server stopped") {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
}

// TestLogPipeCloses: a server whose log nobody reads any more goes on.
func TestLogPipeCloses(t *testing.T) {
	address := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--addr", address, "--turn-addr", "off", "--data", t.TempDir(), "--secret", secret)
	cmd.Env = append(os.Environ(), asPeal+"=1")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, log: &output{}, url: "http://" + address}
	for seen := []byte(nil); !bytes.Contains(seen, []byte("server started")); {
		piece := make([]byte, 1024)
		n, err := log.Read(piece)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, piece[:n]...)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.signal(syscall.SIGHUP) // Each has a line written.
		time.Sleep(20 * time.Millisecond)
	}
	if got := p.answer("", "/healthz"); got.StatusCode != 200 {
		t.Errorf("it answers %s", got.Status)
	}
	if code := p.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestTerminalCloses: a call hangs up when its terminal is gone: by the signal of the
// terminal, also twice, and by its output that nobody reads any more.
func TestTerminalCloses(t *testing.T) {
	server := dev(t, t.TempDir())
	for name, closes := range map[string]func(p *process, out *os.File){
		"SIGHUP":        func(p *process, _ *os.File) { p.signal(syscall.SIGHUP) },
		"SIGHUP twice":  func(p *process, _ *os.File) { p.signal(syscall.SIGHUP); p.signal(syscall.SIGHUP) },
		"SIGTERM twice": func(p *process, _ *os.File) { p.signal(syscall.SIGTERM); p.signal(syscall.SIGTERM) },
		"the pipe":      func(_ *process, out *os.File) { _ = out.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			callee := strings.ReplaceAll(name, " ", "-")
			var heard output
			answered := make(chan int, 1)
			go func() {
				answered <- run([]string{"answer", "--auto", "--server", server.url, "--account", callee}, streams{strings.NewReader(""), &heard, &heard})
			}()
			heard.says(t, "Waiting for a call")
			read, written, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "call", callee, "--server", server.url, "--account", "caller-of-"+callee)
			cmd.Env = append(os.Environ(), asPeal+"=1")
			cmd.Stdout = written
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = written.Close()
			for seen := []byte(nil); !bytes.Contains(seen, []byte("Connected.")); {
				piece := make([]byte, 1024)
				n, err := read.Read(piece)
				if err != nil {
					t.Fatalf("%v after %s", err, seen)
				}
				seen = append(seen, piece[:n]...)
			}
			closes(&process{t: t, cmd: cmd}, read)
			_ = cmd.Wait() // The exit code tells.
			_ = read.Close()
			if code := cmd.ProcessState.ExitCode(); code != exitOK {
				t.Errorf("the caller ends by %s", cmd.ProcessState)
			}
			select {
			case code := <-answered:
				if code != exitOK || !strings.Contains(heard.String(), fmt.Sprintf("caller-of-%s hung up", callee)) {
					t.Errorf("the callee exits with %d, having said %s", code, heard.String())
				}
			case <-time.After(patience):
				t.Fatalf("the callee hears of no hang-up: %s", heard.String())
			}
		})
	}
}

// TestOneFile: what is played is not recorded over, whatever the file is called.
func TestOneFile(t *testing.T) {
	folder := t.TempDir()
	clip, link, hard := filepath.Join(folder, "a.ogg"), filepath.Join(folder, "link.ogg"), filepath.Join(folder, "hard.ogg")
	if err := os.WriteFile(clip, tone, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.ogg", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(clip, hard); err != nil {
		t.Fatal(err)
	}
	for _, record := range []string{clip, link, hard, folder + "/./a.ogg"} {
		for _, command := range [][]string{{"call", "bob"}, {"answer"}} {
			code, _, complaint := peal(append(command, "--server", "http://127.0.0.1:1", "--account", "alice", "--play", clip, "--record", record)...)
			if code != exitUsage || !strings.Contains(complaint, "--record: "+record+" is the file of --play") {
				t.Errorf("%s: exit code %d, %s", record, code, complaint)
			}
		}
	}
	if text, err := os.ReadFile(clip); err != nil || !bytes.Equal(text, tone) {
		t.Errorf("the file has %d bytes, %v", len(text), err)
	}
	if _, err := os.Stat(filepath.Join(folder, "new.ogg")); err == nil {
		t.Error("a file was made")
	}
}

// freeAddress is one on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
