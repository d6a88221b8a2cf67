package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	// leaveMost is how long the other side waits for a page that ended: 10 s of grace, and what
	// browsers on a busy machine take. For a page that ends without a word it waits 30 s at least.
	leaveMost = 29 * time.Second
	// slowPage is how late a slow page comes. The page before lives on until then.
	slowPage = 3 * time.Second
)

// elsewhere serves another page, and a slow one.
func elsewhere(t *testing.T) string {
	t.Helper()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-time.After(slowPage):
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>elsewhere</title>")
	}))
	t.Cleanup(other.Close)
	return other.URL
}

// goes has the page's browser load another address.
func (p *page) goes(url string) error {
	if p.firefox != nil {
		return p.firefox.navigate(url)
	}
	return chromedp.Do(p.ctx, chromedp.Navigate(url))
}

// clicks clicks on a link to another address.
func (p *page) clicks(url string) error {
	_, err := evaluate[chromedp.Void](p, fmt.Sprintf(`(() => {
		const link = document.body.appendChild(document.createElement("a"));
		link.href = %q;
		setTimeout(() => link.click());
	})()`, url))
	return err
}

// reloads loads the page again.
func (p *page) reloads() error {
	if p.firefox != nil {
		return p.firefox.reload()
	}
	return chromedp.Do(p.ctx, chromedp.Reload())
}

// closes closes the page's tab.
func (p *page) closes() error {
	if p.firefox != nil {
		return p.firefox.close()
	}
	// Chromium may take longer than the 5 s that chromedp waits. The other side shows that it is done.
	if err := chromedp.Cancel(p.ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// resumes loads the page again, in a video call that goes on by that.
func (p *page) resumes(s *server) {
	p.t.Helper()
	if err := p.reloads(); err != nil {
		p.t.Fatal(err)
	}
	p.seen = 0
	p.run(fmt.Sprintf("login(%q, %q, %q, {resume: true})", s.url(), p.account, s.token(p.account)))
	p.expect("onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
}

const slowLink = "clicks on a slow link"

// farewells are the ways in which a person ends a page.
func farewells(elsewhere string) map[string]func(*page) error {
	return map[string]func(*page) error{
		"goes elsewhere":   func(p *page) error { return p.goes(elsewhere) },
		"clicks on a link": func(p *page) error { return p.clicks(elsewhere) },
		slowLink:           func(p *page) error { return p.clicks(elsewhere + "/slow") },
		"reloads":          (*page).reloads,
		"closes the tab":   (*page).closes,
	}
}

// However a page ends, in whichever browser, the other side is not left waiting.
func TestEndsOfAPage(t *testing.T) {
	t.Run("Chromium", func(t *testing.T) {
		browser := startBrowser(t)
		endPages(t, func(app *httptest.Server, s *server, account string) *page {
			return device(t, browser, app, s, account, "")
		})
	})
	t.Run("Firefox", func(t *testing.T) {
		firefox := startFirefox(t)
		endPages(t, func(app *httptest.Server, s *server, account string) *page {
			return inFirefox(t, firefox, app, s, account, "")
		})
	})
}

// endPages has one page in a call end in each way, all at the same time.
func endPages(t *testing.T, open func(app *httptest.Server, s *server, account string) *page) {
	t.Helper()
	s := startServer(t)
	app, browser := application(t, s), startBrowser(t)
	ways := farewells(elsewhere(t))
	leaves, stays := make(map[string]*page), make(map[string]*page)
	for way := range ways {
		leaves[way] = open(app, s, "one who "+way)
		stays[way] = device(t, browser, app, s, "the other of "+way, "")
		talk(t, stays[way], leaves[way], 1)
		stays[way].hears()
	}
	for way, leave := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			if err := leave(leaves[way]); err != nil {
				t.Fatal(err)
			}
			stays[way].misses(leaveMost)
		})
	}
}

// misses waits until a page receives that the other side is lost, from now on.
func (p *page) misses(most time.Duration) {
	p.t.Helper()
	began := time.Now()
	told := p.expectWithin(time.Minute, "onUserDisconnect", "onCallEnd")
	if d := time.UnixMilli(told[1].At).Sub(began); d > most {
		p.t.Errorf("%s waits for %s, want %s at most", p.account, d, most)
	}
	p.record(1)
}

// A person quits the browser, with all of its windows.
func TestQuittingTheBrowser(t *testing.T) {
	s := startServer(t)
	app, browser := application(t, s), startBrowser(t)
	chromium, firefox := startBrowser(t), startFirefox(t)
	for name, one := range map[string]struct {
		leaves *page
		quit   func() error
	}{
		"Chromium": {device(t, chromium, app, s, "chromium", ""), func() error { return chromedp.Cancel(chromium) }},
		"Firefox":  {inFirefox(t, firefox, app, s, "firefox", ""), firefox.quit},
	} {
		t.Run(name, func(t *testing.T) {
			stays := device(t, browser, app, s, "the other of "+name, "")
			talk(t, stays, one.leaves, 1)
			stays.hears()
			if err := one.quit(); err != nil {
				t.Fatal(err)
			}
			stays.misses(leaveMost)
		})
	}
}

// A page that Chromium kept, and brings back as it was, is online again. Firefox keeps no page
// that has a WebSocket.
func TestBackToAPage(t *testing.T) {
	_, alice, bob := pair(t, "")
	bob.run("window.kept = true")
	if err := bob.goes(elsewhere(t)); err != nil {
		t.Fatal(err)
	}
	bob.run("void setTimeout(() => history.back())")
	bob.until("is the same page as before", "window.kept")
	bob.until("is online", "connects > 1")
	talk(t, alice, bob, 1)
	bob.hears()
	hangUp(alice, bob)
}
