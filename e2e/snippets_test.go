package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// snippet is one fenced block of a page for people.
type snippet struct {
	file     string
	language string
	use      string // The second word after the fence: what a test does with it.
	text     string
}

var fence = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\w+))?\n(.*?)^```$")

// snippets are all blocks of the pages that people start with, which a test
// must know what to do with.
func snippets(t *testing.T) []snippet {
	t.Helper()
	var all []snippet
	names := []string{"README*.md", "docs/start/getting-started*.md", "docs/start/migration*.md"}
	for _, guide := range guides(t) {
		names = append(names, "docs/build/tasks/"+guide+"*.md")
	}
	for _, name := range names {
		files, err := filepath.Glob(filepath.Join("..", name))
		if err != nil || len(files) != 2 {
			t.Fatalf("%s: found %v, %v, want it in two languages", name, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			short, err := filepath.Rel("..", file)
			if err != nil {
				t.Fatal(err)
			}
			short = strings.TrimPrefix(short, "docs/")
			for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
				all = append(all, snippet{short, m[1], m[2], m[3]})
			}
		}
	}
	return all
}

// used gives the snippets of one use, and fails where there is none.
func used(t *testing.T, use string) []snippet {
	t.Helper()
	var some []snippet
	for _, s := range snippets(t) {
		if s.use == use {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		t.Fatalf("no snippet is marked %q", use)
	}
	return some
}

// Nothing stands in these pages that no test looks at, but for what says so.
func TestEverySnippetHasAUse(t *testing.T) {
	for _, s := range snippets(t) {
		known := []string{"token", "page", "component", "shown", "first", "module", "five", "guide", "checked"}
		if s.language != "sh" && !slices.Contains(known, s.use) {
			t.Errorf("%s: a %s block has the use %q, of which no test knows:\n%s", s.file, s.language, s.use, s.text)
		}
	}
}

// Each command that the docs print is one that the program knows.
func TestShellSnippets(t *testing.T) {
	help := map[string]string{}
	for _, command := range []string{"dev", "serve", "token", "ice"} {
		out, err := exec.Command(binary, command, "--help").CombinedOutput()
		if err != nil {
			t.Fatalf("peal %s --help: %v", command, err)
		}
		help[command] = string(out)
	}
	peal := regexp.MustCompile(`(?:\./peal|go run \./cmd/peal|\bpeal) (\w+)((?:[^\n]|\\\n)*)`)
	flag := regexp.MustCompile(`--[a-z-]+`)
	for _, s := range snippets(t) {
		if s.language != "sh" {
			continue
		}
		text := strings.ReplaceAll(s.text, "\\\n", " ")
		for _, m := range peal.FindAllStringSubmatch(text, -1) {
			if help[m[1]] == "" {
				t.Errorf("%s: there is no peal %s", s.file, m[1])
			}
			for _, f := range flag.FindAllString(m[2], -1) {
				if !strings.Contains(help[m[1]], f+"=") && !strings.Contains(help[m[1]], f+" ") {
					t.Errorf("%s: peal %s has no %s", s.file, m[1], f)
				}
			}
		}
		if strings.Contains(text, "make ") {
			if out, err := exec.Command("make", "-C", "..", "-n", "help").CombinedOutput(); err != nil {
				t.Errorf("make: %v %s", err, out)
			}
		}
	}
}

// The token snippets, in every language, make tokens that a real server takes.
func TestTokenSnippets(t *testing.T) {
	const secret = "a secret of more than thirty-two bytes"
	addr := freeAddr(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	serve := exec.CommandContext(ctx, binary, "serve", "--addr", addr, "--turn-addr", "off", "--data", t.TempDir())
	serve.Env = append(os.Environ(), "PEAL_SECRET="+secret)
	log := &buffer{}
	serve.Stdout, serve.Stderr = log, log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serve.Process.Kill(); _ = serve.Wait() }()
	eventually(t, toStart, "the server is ready", func() bool {
		r, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	programs := map[string][]string{"go": {"main.go", "go", "run"}, "js": {"main.mjs", "node"}, "python": {"main.py", pythonWithJWT(t)}, "php": {"main.php", "php"}}
	for _, s := range used(t, "token") {
		t.Run(s.file+" "+s.language, func(t *testing.T) {
			how := programs[s.language]
			if how == nil {
				t.Fatalf("no way to run %s", s.language)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, how[0])
			linkModules(t, dir)
			if err := os.WriteFile(path, []byte(s.text), 0o600); err != nil {
				t.Fatal(err)
			}
			run := exec.CommandContext(ctx, how[1], append(how[2:], path)...)
			run.Env = append(os.Environ(), "PEAL_SECRET="+secret)
			run.Stderr = log
			out, err := run.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			if account := welcomed(ctx, t, "ws://"+addr+"/ws", strings.TrimSpace(string(out))); account != "alice" {
				t.Errorf("the server takes its token for %q", account)
			}
		})
	}
}

// pythonWithJWT finds the Python that has PyJWT. A Python of the person's own may come
// before the system's, which make setup gives it to.
func pythonWithJWT(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import jwt").Run() == nil {
			return python
		}
	}
	t.Fatal("no Python has PyJWT: run make setup, or pip install PyJWT")
	return ""
}

// linkModules gives the programs in a folder the packages of web/package.json.
func linkModules(t *testing.T, dir string) {
	t.Helper()
	modules, err := filepath.Abs("../web/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

// welcomed says hello, and gives the account that the server welcomes.
func welcomed(ctx context.Context, t *testing.T, url, token string) string {
	t.Helper()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"peal.v1.json"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	hello := map[string]any{"id": 1, "hello": map[string]any{"token": token, "deviceId": "d", "fresh": true}}
	if err := wsjson.Write(ctx, conn, hello); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Welcome struct{ Account string }
		Error   json.RawMessage
	}
	if err := wsjson.Read(ctx, conn, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error != nil {
		t.Errorf("refused: %s", answer.Error)
	}
	return answer.Welcome.Account
}

// serveSnippet serves a page of the guides as an application would, with a
// backend that makes tokens.
func serveSnippet(t *testing.T, s *server, page string) *httptest.Server {
	t.Helper()
	html := strings.ReplaceAll(page, "https://calls.example.com", s.url())
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			fmt.Fprint(w, s.token(r.URL.Query().Get("account")))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, html)
	}))
	t.Cleanup(app.Close)
	return app
}

// The pages of the guides work as they stand there: two tabs of each call each other.
func TestPageSnippets(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	for _, one := range append(used(t, "page"), used(t, "component")...) {
		app := serveSnippet(t, s, one.text)
		tab := func(account string) *page {
			p := open(t, browser, app.URL+"/?account="+account)
			p.account = account + " in " + one.file
			p.until("is logged in", `!/…|^$/.test(document.getElementById("state").textContent)`)
			return p
		}
		alice, bob := tab("alice"), tab("bob")
		// A call that cannot be made leaves the page as it was, but for saying so.
		loggedIn := alice.stateLine()
		alice.run(`document.getElementById("call").click(); void 0`)
		alice.until("says that nobody can be called", fmt.Sprintf(`document.getElementById("state").textContent !== %q && !document.getElementById("call").hidden`, loggedIn))
		alice.run(`document.getElementById("who").value = "bob"; document.getElementById("call").click(); void 0`)
		bob.until("is called", `document.getElementById("state").textContent.includes("alice")`)
		bob.run(`document.getElementById("accept").click(); void 0`)
		for _, p := range []*page{alice, bob} {
			p.until("sees the other one", `document.querySelector("#them video")?.getVideoPlaybackQuality().totalVideoFrames > 10`)
			p.until("sees itself", `document.querySelector("#me video")?.videoWidth > 0`)
		}
		inCall := map[*page]string{alice: alice.stateLine(), bob: bob.stateLine()}
		alice.run(`document.getElementById("end").click(); void 0`)
		for p, before := range inCall {
			p.until("says that it is over", fmt.Sprintf(`document.getElementById("state").textContent !== %q && !document.querySelector("#them video")`, before))
		}
		for _, p := range []*page{alice, bob} {
			p.run(`location.href = "about:blank"; void 0`)
		}
	}
}

// stateLine is what a page of the guides says.
func (p *page) stateLine() string {
	p.t.Helper()
	text, err := evaluate[string](p, `document.getElementById("state").textContent`)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// What the README shows works: the component by a script tag, and the typed core
// as a module.
func TestReadmeSnippets(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	for _, first := range used(t, "first") {
		html := "<!doctype html>" + strings.ReplaceAll(first.text, "http://127.0.0.1:7325", s.url())
		app := serveSnippet(t, s, strings.ReplaceAll(html, "confirm(", "((text) => true)("))
		alice, bob := open(t, browser, app.URL), open(t, browser, app.URL)
		alice.account, bob.account = "alice in "+first.file, "bob in "+first.file
		alice.run(`start("alice")`)
		bob.run(`start("bob")`)
		alice.run(`rtc.call({ userId: "bob", type: 2 })`)
		for _, p := range []*page{alice, bob} {
			p.until("sees the other one", `document.querySelector("#remote video")?.getVideoPlaybackQuality().totalVideoFrames > 10`)
		}
		alice.run(`rtc.hangup()`)
		bob.until("is idle", "rtc.callStatus === 0")
		alice.run("rtc.logout()")
		bob.run("rtc.logout()")
	}
	for _, module := range used(t, "module") {
		code := strings.ReplaceAll(module.text, "http://127.0.0.1:7325", s.url())
		code = strings.ReplaceAll(code, "fetchTokenFromYourBackend()", `fetch("/token?account=dave").then((r) => r.text())`)
		app := serveSnippet(t, s, `<!doctype html><div id="local"></div><div id="remote"></div><script type="module">`+code+`window.call = call;</script>`)
		callee := device(t, browser, application(t, s), s, "bob", "")
		page := open(t, browser, app.URL)
		page.account = "dave in " + module.file
		callee.until("is called", "rtc.callStatus === 2")
		callee.does("accept")
		page.until("sees the other one", `document.querySelector("#remote video")?.getVideoPlaybackQuality().totalVideoFrames > 10`)
		callee.does("hangup")
		page.until("is told of the end", `window.call.end?.reason === "completed"`)
		callee.run("rtc.logout()")
	}
}
