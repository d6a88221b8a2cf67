package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// visitor is a person at the demo page.
type visitor struct {
	*page
	width, height int64
}

func visit(t *testing.T, browser context.Context, s *server, account, lang string, width, height int64) *visitor {
	t.Helper()
	p := open(t, browser, fmt.Sprintf("%s/?as=%s&lang=%s", s.url(), account, lang))
	p.account = account
	v := &visitor{p, width, height}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	v.state("idle")
	return v
}

func (v *visitor) click(testid string) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.Click(`[data-testid="`+testid+`"]`)); err != nil {
		v.t.Fatalf("%s clicks %s: %v", v.account, testid, err)
	}
}

func (v *visitor) types(testid, text string) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.SendKeys(`[data-testid="`+testid+`"]`, text)); err != nil {
		v.t.Fatalf("%s types into %s: %v", v.account, testid, err)
	}
}

func (v *visitor) state(name string) {
	v.t.Helper()
	v.until("is "+name, fmt.Sprintf("document.body.dataset.state === %q", name))
}

// look takes a picture for people to look at, where SCREENSHOTS names a
// folder, and holds in any case that nothing sticks out of the page.
func (v *visitor) look(name string) {
	v.t.Helper()
	v.until("fits its width", "document.documentElement.scrollWidth <= window.innerWidth")
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		v.t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, v.account, v.width))
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		v.t.Fatal(err)
	}
}

// Two people at the demo page: a call accepted, muted, hung up; one declined.
// One at a desk in English, one at a phone in Chinese.
func TestDemo(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	alice := visit(t, browser, s, "alice", "en", 1280, 800)
	bob := visit(t, browser, s, "bob", "zh", 390, 844)
	alice.look("1-idle")
	bob.look("1-idle")

	alice.types("peer-input", "bob")
	alice.click("call-video")
	alice.state("calling")
	bob.state("called")
	alice.look("2-calling")
	bob.look("2-called")

	bob.click("accept")
	alice.state("connected")
	bob.state("connected")
	for _, v := range []*visitor{alice, bob} {
		v.until("sees moving pictures", `(() => {
			const video = document.querySelector('[data-testid="remote-video"] video');
			return video && video.videoWidth > 0 && video.currentTime > 0.5;
		})()`)
		v.until("shows the duration", `/0:0\d/.test(document.querySelector('[data-testid="duration"]').textContent)`)
	}
	alice.click("mute")
	alice.until("is muted", `document.querySelector('[data-testid="mute"]').getAttribute("aria-pressed") === "true"`)
	bob.click("camera")
	alice.look("3-connected")
	bob.look("3-connected")

	bob.click("hangup")
	alice.state("idle")
	bob.state("idle")
	alice.until("tells how it ended", `document.querySelector('[data-testid="outcome"]').textContent.trim() !== ""`)
	alice.look("4-after")
	bob.look("4-after")

	bob.types("peer-input", "alice")
	bob.click("call-audio")
	alice.state("called")
	alice.look("5-called")
	alice.click("reject")
	bob.state("idle")
	bob.look("6-declined")
}
