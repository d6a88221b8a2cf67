package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

const (
	// patience bounds every wait of a test.
	patience = 15 * time.Second
	// asPeal has the test's binary be the command.
	asPeal = "PEAL_TEST_AS_COMMAND"
	secret = "0123456789abcdef0123456789abcdef"
	callID = "019a0000-0000-7000-8000-000000000001"
)

func TestMain(m *testing.M) {
	if os.Getenv(asPeal) != "" {
		main()
	}
	os.Exit(postgres.Main(m))
}

// peal runs a command line to its end.
func peal(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = run(args, streams{strings.NewReader(""), &o, &e})
	return code, o.String(), e.String()
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"dev", "--help"}, {"serve", "-h"}, {"token", "--help"}, {"version", "--help"}, {"call", "--help"}, {"answer", "--help"}, {"echo", "--help"}, {"bench", "--help"}, {"doctor", "--help"}, {"key", "--help"}, {"key", "new", "--help"}, {"key", "list", "--help"}, {"help", "key", "revoke"}, {"hook", "--help"}, {"hook", "listen", "--help"}, {"help", "hook", "listen"}, {"help"}, {"help", "serve"}, {"help", "call"}} {
		code, out, err := peal(args...)
		if code != exitOK || !strings.Contains(out, "Usage: peal") || err != "" {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, err)
		}
		if strings.Contains(out, "${") {
			t.Errorf("%v: holds a variable: %s", args, out)
		}
	}
}

func TestVersion(t *testing.T) {
	_, want, _ := peal("version")
	for _, args := range []string{"version", "--version"} {
		if code, out, _ := peal(args); code != exitOK || !strings.HasPrefix(out, "peal ") || out != want {
			t.Errorf("%s: exit code %d, %q", args, code, out)
		}
	}
}

// Only to a server that has no tokens to give it is said what it needs instead.
func TestDevTokens(t *testing.T) {
	for status, hinted := range map[int]bool{http.StatusNotFound: true, http.StatusBadRequest: false, http.StatusBadGateway: false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/ws" {
				w.WriteHeader(http.StatusUpgradeRequired) // As a server does, which this is.
				return
			}
			w.WriteHeader(status)
		}))
		code, _, complaint := peal("ice", "--server", s.URL, "--account", "a")
		s.Close()
		if code != exitFailed || strings.Contains(complaint, "needs --token") != hinted {
			t.Errorf("%d: exit code %d, %s", status, code, complaint)
		}
	}
}

// The page of the connection doctor names the flags of a peal dev, and no other.
func TestDoctorPageKnowsDev(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "web", "doctor", "src", "flags.ts"))
	if err != nil {
		t.Fatal(err)
	}
	list, _, _ := strings.Cut(string(text), "];")
	_, help, _ := peal("dev", "--help")
	flags := regexp.MustCompile(`"(--[a-z-]+)"`).FindAllStringSubmatch(list, -1)
	if len(flags) < 5 {
		t.Fatalf("found %v", flags)
	}
	for _, flag := range flags {
		if !regexp.MustCompile(flag[1] + `[ =\n]`).MatchString(help) {
			t.Errorf("peal dev has no %s", flag[1])
		}
	}
}

// write makes a file of settings.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peal.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRefuses: a refusal takes one line, with what to do about it.
func TestRefuses(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"unknown command", []string{"dance"}, exitUsage, "unknown command dance"},
		{"unknown flag", []string{"dev", "--loud"}, exitUsage, "--loud"},
		{"bad duration", []string{"serve", "--timing-ring", "soon"}, exitUsage, "soon"},
		{"no account", []string{"token"}, exitUsage, "--account"},
		{"no secret", []string{"serve"}, exitFailed, "openssl rand"},
		{"short secret", []string{"serve", "--secret", "x"}, exitFailed, "at least 32"},
		{"bad address", []string{"dev", "--addr", "here"}, exitUsage, "HOST:PORT"},
		{"no command", []string{"dance", "--loud"}, exitUsage, "unknown command dance"},
		{"bad peers", []string{"dev", "--data", t.TempDir(), "--turn-allow-peer", "10.0.0.0/40"}, exitUsage, "give a CIDR"},
		{"loopback for the network", []string{"dev", "--data", t.TempDir(), "--addr", "0.0.0.0:0", "--turn-allow-peer", "127.0.0.0/8"}, exitUsage, "leave loopback out"},
		{"page of a file", []string{"dev", "--data", t.TempDir(), "--origins", "file://x"}, exitUsage, "http or https"},
		{"no certificate", []string{"serve", "--secret", secret, "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--turn-addr", "off", "--log-level", "error", "--tls-cert", "no.pem", "--tls-key", "no.pem"}, exitFailed, "no.pem"},
		{"no file", []string{"serve", "--config", "no.json"}, exitUsage, "no.json"},
		{"file of nonsense", []string{"serve", "--config", write(t, "addr: x")}, exitUsage, "JSON"},
		{"misspelt setting", []string{"serve", "--config", write(t, `{"tls": {"certificate": "x"}}`)}, exitUsage, "tls-certificate"},
		{"setting of another type", []string{"serve", "--config", write(t, `{"limits": {"devices": "many"}}`)}, exitUsage, "limits-devices"},
		{"bad audience", []string{"serve", "--secret", secret, "--token-audience", "peal "}, exitFailed, "token-audience is"},
		{"bad hsts", []string{"serve", "--secret", secret, "--hsts", "180 days"}, exitFailed, "hsts is"},
		{"bad setting", []string{"serve", "--config", write(t, `{"secret": "`+secret+`", "limits": {"devices": -1}}`)}, exitFailed, "above 0"},
		{"call of nobody", []string{"call", "--server", "http://127.0.0.1:1"}, exitUsage, "<callee>"},
		{"call by nobody", []string{"call", "bob", "--server", "http://127.0.0.1:1"}, exitUsage, "give --account (peal dev) or --token"},
		{"call for too long", []string{"call", "bob", "--ring-timeout", "5m", "--server", "http://127.0.0.1:1", "--account", "a"}, exitUsage, "--ring-timeout is 5m0s: give 1s to 2m"},
		{"no address", []string{"ice", "--server", "127.0.0.1:7325", "--account", "a"}, exitUsage, "give an address such as http://127.0.0.1:7325"},
		{"doctor of no address", []string{"doctor", "--server", "127.0.0.1:7325"}, exitUsage, "give its address"},
		{"call without a server", []string{"call", "bob", "--server", "http://127.0.0.1:1", "--account", "a"}, exitFailed, "connect"},
		{"no clip", []string{"answer", "--server", "http://127.0.0.1:1", "--token", "x", "--play", "no.ogg"}, exitFailed, "no.ogg"},
		{"a clip of nonsense", []string{"answer", "--server", "http://127.0.0.1:1", "--token", "x", "--play", write(t, "{}")}, exitFailed, "neither an Ogg"},
		{"a recording of nonsense", []string{"answer", "--server", "http://127.0.0.1:1", "--token", "x", "--record", "x.mp3"}, exitFailed, ".ogg"},
		{"token for too long", []string{"token", "--account", "a", "--secret", secret, "--ttl", "48h"}, exitFailed, "24h"},
		{"token of no time", []string{"token", "--account", "a", "--secret", secret, "--ttl", "0s"}, exitFailed, "--ttl is 0s: give 1s to 24h"},
		{"token of nobody", []string{"token", "--account", "", "--secret", secret}, exitFailed, "it has no sub"},
		{"token with a blank account", []string{"token", "--account", " a", "--secret", secret}, exitFailed, "printable text without blanks around it"},
		{"token with a long name", []string{"token", "--account", "a", "--secret", secret, "--name", strings.Repeat("n", 65)}, exitFailed, "name has 65 bytes, at most 64"},
		{"token with a picture by http", []string{"token", "--account", "a", "--secret", secret, "--avatar", "http://example.com/a.png"}, exitFailed, "avatar is not an https URL"},
		{"token of no server", []string{"token", "--account", "a", "--data", t.TempDir()}, exitFailed, "PEAL_SECRET"},
		{"hook of no secret", []string{"hook", "listen", "--secret", "sec"}, exitUsage, "--secret: this is no secret of a webhook"},
		{"hook at no address", []string{"hook", "listen", "--addr", "here"}, exitUsage, "--addr is \"here\": give HOST:PORT"},
		{"hook at nothing", []string{"hook"}, exitUsage, "expected"},
		{"token of two", []string{"token", "--account", "a", "--secret", secret, "--data", t.TempDir()}, exitFailed, "both"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, out, err := peal(test.args...)
			first, rest, _ := strings.Cut(err, "\n")
			if code != test.code || out != "" || !strings.HasPrefix(first, "peal: ") || !strings.Contains(first, test.says) {
				t.Errorf("exit code %d, %q, %q; want %d, saying %q", code, out, err, test.code, test.says)
			}
			if hinted := strings.HasPrefix(rest, "See "); hinted != (code == exitUsage) || strings.Count(rest, "\n") > 1 {
				t.Errorf("goes on with %q", rest)
			}
			if strings.Contains(err, secret) {
				t.Errorf("shows the secret: %s", err)
			}
		})
	}
}

func TestToken(t *testing.T) {
	data := t.TempDir()
	kept, err := auth.KeepSecret(filepath.Join(data, devSecretFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		keys auth.Keys
		card auth.Card
	}{
		{[]string{"--secret", secret}, auth.Keys{"main": auth.Secret(secret)}, auth.Card{}},
		{[]string{"--secret", secret, "--key-id", "k2", "--ttl", "1h"}, auth.Keys{"k2": auth.Secret(secret)}, auth.Card{}},
		{[]string{"--data", data}, auth.Keys{devKeyID: kept}, auth.Card{}},
		{
			[]string{"--data", data, "--name", "Alice Example", "--avatar", "https://example.com/alice.png"},
			auth.Keys{devKeyID: kept},
			auth.Card{Name: "Alice Example", Avatar: "https://example.com/alice.png"},
		},
	} {
		code, out, complaint := peal(append([]string{"token", "--account", "alice"}, test.args...)...)
		v, err := auth.NewVerifier(test.keys, 0)
		if err != nil {
			t.Fatal(err)
		}
		if who, err := v.Verify(strings.TrimSpace(out), time.Now()); code != exitOK || err != nil || who.Account != "alice" || who.Card != test.card {
			t.Errorf("%v: exit code %d, %v, %v, %s", test.args, code, who, err, complaint)
		}
	}
}

// process is a peal of its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log *output
	url string
}

// output collects what a process says, and finds the address in it.
type output struct {
	mu     sync.Mutex
	text   bytes.Buffer
	scheme string // Of a peal serve, which logs its address alone.
	found  chan string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(p)
	if o.found != nil {
		if _, after, ok := strings.Cut(o.text.String(), "Peal is ready: "); ok {
			if url, rest, _ := strings.Cut(after, "\n"); strings.Contains(rest, "Ctrl+C") {
				o.found <- url
				o.found = nil
			}
		}
		if _, after, ok := strings.Cut(o.text.String(), `msg="server started" addr=`); ok && o.scheme != "" {
			if addr, _, whole := strings.Cut(after, " "); whole {
				o.found <- o.scheme + "://" + addr
				o.found = nil
			}
		}
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// dev runs a peal dev in a process of its own. What flags say comes before what it says.
func dev(t *testing.T, data string, flags ...string) *process {
	t.Helper()
	return startProcess(t, "", append([]string{"dev", "--addr", "127.0.0.1:0", "--turn-addr", "127.0.0.1:0", "--data", data}, flags...))
}

// serving runs a peal serve likewise; scheme is what it serves by.
func serving(t *testing.T, scheme string, flags ...string) *process {
	t.Helper()
	return startProcess(t, scheme, append([]string{
		"serve", "--addr", "127.0.0.1:0", "--turn-addr", "127.0.0.1:0", "--data", t.TempDir(), "--secret", secret,
	}, flags...))
}

func startProcess(t *testing.T, scheme string, args []string) *process {
	t.Helper()
	return startProgram(t, os.Args[0], scheme, []string{asPeal + "=1"}, args)
}

// startProgram starts a build of the command, and waits until it serves.
func startProgram(t *testing.T, path, scheme string, env, args []string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	found := make(chan string, 1)
	p := &process{t: t, log: &output{scheme: scheme, found: found}}
	p.cmd = exec.CommandContext(ctx, path, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.end(syscall.SIGKILL)
		}
	})
	select {
	case p.url = <-found:
	case <-time.After(patience):
		t.Fatalf("does not start:\n%s", p.log)
	}
	return p
}

// end sends a signal and waits for the exit code.
func (p *process) end(signal os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // The exit code tells.
	return p.cmd.ProcessState.ExitCode()
}

// login says hello as a device and returns the socket with the welcome.
func (p *process) login(account string) (*websocket.Conn, string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/dev/token", strings.NewReader(`{"account":"`+account+`"}`))
	if err != nil {
		p.t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	var body struct{ Token string }
	if err := json.NewDecoder(w.Body).Decode(&body); err != nil {
		p.t.Fatal(err)
	}
	socket, _, err := websocket.Dial(ctx, p.url+"/ws", &websocket.DialOptions{Subprotocols: []string{"peal.v1.json"}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = socket.CloseNow() })
	return socket, ask(p.t, socket, `{"id":1,"hello":{"token":"`+body.Token+`","deviceId":"d"}}`)
}

func ask(t *testing.T, socket *websocket.Conn, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := socket.Write(ctx, websocket.MessageText, []byte(command)); err != nil {
		t.Fatal(err)
	}
	_, text, err := socket.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDev: calls outlive the process that kept them, however it ends.
func TestDev(t *testing.T) {
	data := t.TempDir()
	first := dev(t, data)
	alice, _ := first.login("alice")
	if got := ask(t, alice, `{"id":2,"invite":{"callId":"`+callID+`","callee":"bob","type":"CALL_TYPE_AUDIO","offer":"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}}`); !strings.Contains(got, "CALL_STATE_RINGING") {
		t.Fatalf("invited: %s", got)
	}
	code, _, complaint := peal("dev", "--addr", "127.0.0.1:0", "--data", data)
	if code != exitFailed || !strings.Contains(complaint, "in use by another peal process") {
		t.Errorf("a second one: exit code %d, %s", code, complaint)
	}
	first.end(syscall.SIGKILL)

	second := dev(t, data)
	again, welcome := second.login("alice")
	if !strings.Contains(welcome, callID) || !strings.Contains(welcome, "CALL_STATE_RINGING") {
		t.Errorf("after the kill: %s", welcome)
	}
	if got := ask(t, again, `{"id":2,"cancel":{"callId":"`+callID+`"}}`); !strings.Contains(got, "REASON_CANCELLED") {
		t.Errorf("cancelled: %s", got)
	}
	_ = again.CloseNow()
	if code := second.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("after SIGTERM: exit code %d\n%s", code, second.log)
	}
}

// TestSecondSignal: a second signal ends the program without waiting for slow clients.
func TestSecondSignal(t *testing.T) {
	p := dev(t, t.TempDir())
	// It will not answer the end of its connection, which is waited for.
	slow, _ := p.login("alice")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, text, err := slow.Read(ctx); err != nil || !strings.Contains(string(text), "shutting_down") {
		t.Fatalf("read %s, %v", text, err)
	}
	time.Sleep(secondSignal + secondSignal/5)
	begun := time.Now()
	p.end(syscall.SIGTERM)
	if took := time.Since(begun); took > 2*time.Second || p.cmd.ProcessState.Success() {
		t.Errorf("ended after %s: %s", took, p.cmd.ProcessState)
	}
}

// TestSettingsFile: flags come before the environment, that before the file.
func TestSettingsFile(t *testing.T) {
	// Each bad value is named in the complaint about it, which shows where it came from.
	file := write(t, `{"secret": "`+secret+`", "addr": "file-addr", "turn": {"announce": "file-ip"}, "trusted_proxies": ["file-cidr"], "keys": {"old": "file-key"}}`)
	t.Setenv("PEAL_TURN_ANNOUNCE", "env-ip")
	t.Setenv("PEAL_TRUSTED_PROXIES", "env-cidr")
	code, _, complaint := peal("serve", "--config", file, "--trusted-proxies", "flag-cidr")
	for _, want := range []string{`"file-addr"`, `"env-ip"`, `"flag-cidr"`, `"old"`} {
		if !strings.Contains(complaint, want) {
			t.Errorf("exit code %d, %s, which does not name %s", code, complaint, want)
		}
	}
}
