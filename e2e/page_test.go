package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium found: install it (make setup) or set CHROMIUM to its path")
	return ""
}

// startBrowser runs a Chromium whose camera and microphone are made up but
// whose media is real. More options come last, and win.
func startBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.NoSandbox,
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("host-resolver-rules", "MAP insecure.test 127.0.0.1"),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("mute-audio", true),
		chromedp.WindowSize(1280, 800),
	)
	options = append(options, more...)
	ctx, cancel := context.WithTimeout(context.Background(), browserLife())
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// application serves the page of an application whose origin is not the
// server's, as in real life.
func application(t *testing.T, s *server) *httptest.Server {
	t.Helper()
	app := httptest.NewServer(pageOf(t, s))
	t.Cleanup(app.Close)
	return app
}

// pageOf is that page, with the component of a server.
func pageOf(t *testing.T, s *server) http.Handler {
	t.Helper()
	page, err := os.ReadFile("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	html := strings.Replace(string(page), "</html>",
		fmt.Sprintf(`<script src="%s/sdk/peal.umd.js"></script></html>`, s.url()), 1)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, html)
	})
}

// page is one device: a tab in a browser context of its own, in Chromium, or in
// Firefox where that is set.
type page struct {
	t       *testing.T
	ctx     context.Context
	firefox *firefoxTab
	account string
	seen    int // How many log entries were waited for.
}

// open loads the application in a fresh browser context.
func open(t *testing.T, browser context.Context, url string) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &page{t: t, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	p.follow()
	return p
}

// follow has a test fail for what the page itself finds wrong, and shows what
// the page saw when a test fails.
func (p *page) follow() {
	t := p.t
	t.Cleanup(func() {
		if failures, err := evaluate[[]string](p, "window.failures ?? []"); err == nil && len(failures) > 0 {
			t.Errorf("%s: the page saw %v", p.account, failures)
		}
		if t.Failed() {
			t.Logf("%s: %s", p.account, p.history())
			if said, err := evaluate[string](p, diagnosis); err == nil {
				t.Logf("%s: %s", p.account, said)
			}
		}
	})
}

// device opens the application and logs in.
func device(t *testing.T, browser context.Context, app *httptest.Server, s *server, account, query string) *page {
	t.Helper()
	return deviceWith(t, browser, app, s, account, s.token(account), query)
}

// deviceWith is device with a token of the test's own.
func deviceWith(t *testing.T, browser context.Context, app *httptest.Server, s *server, account, token, query string) *page {
	t.Helper()
	p := open(t, browser, app.URL+"/"+query)
	p.account = account
	p.run(fmt.Sprintf("login(%q, %q, %q)", s.url(), account, token))
	p.run(`rtc.setupLocalView(document.getElementById("local"))`)
	return p
}

// evaluate gives the value of an expression, waiting for its promise.
func evaluate[T any](p *page, expression string) (T, error) {
	if p.firefox == nil {
		return chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	}
	var value T
	text, err := p.firefox.evaluate(expression)
	if _, nothing := any(value).(chromedp.Void); err == nil && !nothing {
		err = json.Unmarshal(text, &value)
	}
	return value, err
}

// run evaluates an expression for what it does.
func (p *page) run(expression string) {
	p.t.Helper()
	if _, err := evaluate[chromedp.Void](p, expression); err != nil {
		p.t.Fatalf("%s: %s: %v", p.account, expression, err)
	}
}

// until waits for a condition in the page, or for its promise to come true.
func (p *page) until(what, condition string) {
	p.t.Helper()
	eventually(p.t, 20*time.Second, p.account+": "+what, func() bool {
		ok, err := evaluate[bool](p, "(async () => !!(await ("+condition+")))()")
		return err == nil && ok
	})
}

// entry is one line of a page's log: an event, or a method that settled.
type entry struct {
	Name string            `json:"name"`
	Args []json.RawMessage `json:"args"`
	At   int64             `json:"at"`
}

func (p *page) log() []entry {
	p.t.Helper()
	all, err := evaluate[[]entry](p, "log")
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func (p *page) history() string {
	all, err := evaluate[[]entry](p, "log")
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "\n  %d %s %s", e.At%100_000, e.Name, e.Args)
	}
	return b.String()
}

// expect waits until the log goes on with exactly these names, in this order.
// What follows later is for the next expect.
func (p *page) expect(names ...string) []entry {
	p.t.Helper()
	return p.expectWithin(20*time.Second, names...)
}

// expectWithin is expect for what takes its time.
func (p *page) expectWithin(most time.Duration, names ...string) []entry {
	p.t.Helper()
	var next []entry
	eventually(p.t, most, fmt.Sprintf("%s sees %v", p.account, names), func() bool {
		next = p.log()[p.seen:]
		return len(next) >= len(names)
	})
	next = next[:len(names)]
	for i, name := range names {
		if next[i].Name != name {
			p.t.Fatalf("%s saw %s, want %v%s", p.account, next[i].Name, names, p.history())
		}
	}
	p.seen += len(names)
	return next
}

// skip passes over all that is in the log.
func (p *page) skip() {
	p.t.Helper()
	p.seen = len(p.log())
}

// numbers are what the browser itself says of the newest peer connection.
type numbers struct {
	Frames   int     `json:"frames"`
	Energy   float64 `json:"energy"`
	Pairs    int     `json:"pairs"`
	Sent     int     `json:"sent"`
	Received int     `json:"received"`
	Local    string  `json:"local"`
	Remote   string  `json:"remote"`
	By       string  `json:"by"` // How the relay is reached.
	State    string  `json:"state"`
}

func (p *page) stats() numbers {
	p.t.Helper()
	n, err := evaluate[numbers](p, "stats()")
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// seesAndHears waits for decoded frames and for sound.
func (p *page) seesAndHears(frames int) {
	p.t.Helper()
	eventually(p.t, 30*time.Second, fmt.Sprintf("%s decodes %d frames and hears something", p.account, frames), func() bool {
		n := p.stats()
		return n.Frames >= frames && n.Energy > 0
	})
}

func (p *page) hears() {
	p.t.Helper()
	eventually(p.t, 30*time.Second, p.account+" hears something", func() bool { return p.stats().Energy > 0 })
}
