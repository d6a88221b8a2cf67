package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// firefox is a running Firefox, driven by WebDriver BiDi: the few commands that
// the tests need, over its WebSocket.
type firefox struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn

	mu      sync.Mutex
	last    int
	waiting map[int]chan bidiAnswer
}

type bidiAnswer struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"`
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
}

// firefoxPrefs make its camera and microphone made up, let pages open them
// unasked, and have ICE use the loopback interface, on which the tests live.
const firefoxPrefs = `
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("media.volume_scale", "0.0");
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "");
user_pref("remote.prefs.recommended", true);
`

// trusts has a profile trust a certificate: for TURN over TLS nobody can be asked.
func trusts(t *testing.T, profile, certificate string) {
	t.Helper()
	for _, args := range [][]string{
		{"-N", "-d", "sql:" + profile, "--empty-password"},
		{"-A", "-d", "sql:" + profile, "-n", "server", "-t", "CP,,", "-i", certificate},
	} {
		if out, err := exec.Command("certutil", args...).CombinedOutput(); err != nil {
			t.Fatalf("certutil %v: %v: %s", args, err, out)
		}
	}
}

// startFirefox runs a Firefox for the length of a test, which trusts the
// certificates.
func startFirefox(t *testing.T, certificates ...string) *firefox {
	t.Helper()
	return startFirefoxWith(t, "", certificates...)
}

// startFirefoxWith is startFirefox with preferences that win over the usual ones.
func startFirefoxWith(t *testing.T, prefs string, certificates ...string) *firefox {
	t.Helper()
	path := os.Getenv("FIREFOX")
	for _, name := range []string{"firefox-esr", "firefox"} {
		if found, err := exec.LookPath(name); path == "" && err == nil {
			path = found
		}
	}
	if path == "" {
		t.Fatal("no Firefox found: install it (make setup) or set FIREFOX to its path")
	}
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPrefs+prefs), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range certificates {
		trusts(t, profile, c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), browserLife())
	t.Cleanup(cancel)
	process := exec.CommandContext(ctx, path, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile)
	// What it keeps besides its profile goes there too.
	process.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	said, err := process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	f := &firefox{t: t, ctx: ctx, waiting: make(map[int]chan bidiAnswer)}
	f.connect(endpoint(t, bufio.NewScanner(said)))
	return f
}

// endpoint reads where Firefox listens.
func endpoint(t *testing.T, said *bufio.Scanner) string {
	t.Helper()
	const announces = "WebDriver BiDi listening on "
	found := make(chan string, 1)
	go func() {
		for said.Scan() {
			if _, url, ok := strings.Cut(said.Text(), announces); ok {
				found <- url
			}
		}
		close(found)
	}()
	select {
	case url, ok := <-found:
		if ok {
			return url
		}
	case <-time.After(60 * time.Second):
	}
	t.Fatal("Firefox does not say where it listens")
	return ""
}

func (f *firefox) connect(url string) {
	f.t.Helper()
	conn, response, err := websocket.Dial(f.ctx, url+"/session", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if response.Body != nil {
		response.Body.Close()
	}
	conn.SetReadLimit(16 << 20)
	f.conn = conn
	f.t.Cleanup(func() { _ = conn.CloseNow() })
	go f.listen()
	if _, err := f.do("session.new", map[string]any{"capabilities": map[string]any{
		// The servers of the tests sign their own.
		"alwaysMatch": map[string]any{"acceptInsecureCerts": true},
	}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *firefox) listen() {
	for {
		var a bidiAnswer
		if err := wsjson.Read(f.ctx, f.conn, &a); err != nil {
			return
		}
		f.mu.Lock()
		waits := f.waiting[a.ID]
		delete(f.waiting, a.ID)
		f.mu.Unlock()
		if waits != nil {
			waits <- a
		}
	}
}

// do sends one command and gives its result.
func (f *firefox) do(method string, params any) (json.RawMessage, error) {
	waits := make(chan bidiAnswer, 1)
	f.mu.Lock()
	f.last++
	id := f.last
	f.waiting[id] = waits
	err := wsjson.Write(f.ctx, f.conn, map[string]any{"id": id, "method": method, "params": params})
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-waits:
		if a.Type == "error" {
			return nil, fmt.Errorf("%s: %s: %s", method, a.Error, a.Message)
		}
		return a.Result, nil
	case <-time.After(30 * time.Second):
		return nil, fmt.Errorf("%s is not answered", method)
	case <-f.ctx.Done():
		return nil, f.ctx.Err()
	}
}

func (f *firefox) quit() error {
	_, err := f.do("browser.close", map[string]any{})
	return err
}

// firefoxTab is one page in it.
type firefoxTab struct {
	firefox *firefox
	id      string
}

func (f *firefox) open(url string) (*firefoxTab, error) {
	r, err := f.do("browsingContext.create", map[string]any{"type": "tab"})
	if err != nil {
		return nil, err
	}
	var made struct{ Context string }
	if err := json.Unmarshal(r, &made); err != nil {
		return nil, err
	}
	tab := &firefoxTab{f, made.Context}
	return tab, tab.navigate(url)
}

func (b *firefoxTab) close() error {
	_, err := b.firefox.do("browsingContext.close", map[string]any{"context": b.id})
	return err
}

func (b *firefoxTab) navigate(url string) error {
	_, err := b.firefox.do("browsingContext.navigate", map[string]any{"context": b.id, "url": url, "wait": "complete"})
	return err
}

func (b *firefoxTab) reload() error {
	_, err := b.firefox.do("browsingContext.reload", map[string]any{"context": b.id, "wait": "complete"})
	return err
}

// click is a real one, with which the person takes part in the page.
func (b *firefoxTab) click() error {
	_, err := b.firefox.do("input.performActions", map[string]any{"context": b.id, "actions": []map[string]any{{
		"type": "pointer", "id": "mouse", "actions": []map[string]any{
			{"type": "pointerMove", "x": 5, "y": 5}, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0},
		},
	}}})
	return err
}

// evaluate gives the value of a script as JSON, once its promise has settled.
func (b *firefoxTab) evaluate(script string) (json.RawMessage, error) {
	quoted, err := json.Marshal(script)
	if err != nil {
		return nil, err
	}
	r, err := b.firefox.do("script.evaluate", map[string]any{
		"expression":   fmt.Sprintf("(async () => JSON.stringify(await (0, eval)(%s)) ?? 'null')()", quoted),
		"target":       map[string]any{"context": b.id},
		"awaitPromise": true,
	})
	if err != nil {
		return nil, err
	}
	var done struct {
		Type   string
		Result struct{ Value string }
		// Of what was thrown.
		ExceptionDetails struct{ Text string }
	}
	if err := json.Unmarshal(r, &done); err != nil {
		return nil, err
	}
	if done.Type != "success" {
		return nil, fmt.Errorf("exception %q", done.ExceptionDetails.Text)
	}
	return json.RawMessage(done.Result.Value), nil
}
