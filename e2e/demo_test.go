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
	alice.click("screen")
	bob.until("sees the whole screen", `(() => {
		const video = document.querySelector('[data-testid="remote-video"] video');
		return video && video.style.objectFit === "contain" && video.currentTime > 0.5;
	})()`)
	alice.until("shows its screen", `document.querySelector('[data-testid="screen"]').getAttribute("aria-pressed") === "true"`)
	alice.look("4-screen")
	bob.look("4-screen")
	alice.click("screen")
	alice.until("has its camera again", `document.querySelector('[data-testid="screen"]').getAttribute("aria-pressed") === "false"`)

	bob.click("hangup")
	alice.state("idle")
	bob.state("idle")
	alice.until("tells how it ended", `document.querySelector('[data-testid="outcome"]').textContent.trim() !== ""`)
	alice.look("5-after")
	bob.look("5-after")

	bob.types("peer-input", "alice")
	bob.click("call-audio")
	alice.state("called")
	alice.look("6-called")
	alice.click("reject")
	bob.state("idle")
	bob.look("7-declined")
}

// An audio call in which one asks for video: declined, taken back, agreed to.
func TestDemoAsksForVideo(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	alice := visit(t, browser, s, "alice", "en", 1280, 800)
	bob := visit(t, browser, s, "bob", "zh", 390, 844)
	alice.types("peer-input", "bob")
	alice.click("call-audio")
	bob.state("called")
	bob.click("accept")
	alice.state("connected")
	bob.state("connected")

	asked := `!document.querySelector('[data-testid="ask-video"]').hidden`
	alice.click("camera")
	bob.until("is asked", asked)
	alice.look("7-asking")
	bob.look("7-asked")
	bob.click("ask-video-no")
	alice.until("is told", `!document.querySelector('[data-testid="problem"]').hidden`)
	alice.look("8-declined")
	bob.until("is asked no more", "!("+asked+")")

	bob.click("camera")
	alice.until("is asked", asked)
	bob.click("camera")
	alice.until("is asked no more", "!("+asked+")")

	alice.click("camera")
	bob.until("is asked", asked)
	bob.click("ask-video-yes")
	for _, v := range []*visitor{alice, bob} {
		v.until("sees moving pictures", `(() => {
			const video = document.querySelector('[data-testid="remote-video"] video');
			return video && video.videoWidth > 0 && !document.querySelector('[data-testid="remote-video"]').hidden;
		})()`)
		v.look("9-video")
	}
	alice.click("hangup")
	bob.state("idle")
}

// Calls that were missed while nobody was there stand in the list at the next
// login, and are kept over a reload.
func TestDemoRecords(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	alice := visit(t, browser, s, "alice", "en", 1280, 800)
	alice.types("peer-input", "bob")
	alice.click("call-video")
	alice.state("calling")
	alice.until("rings", `document.getElementById("call-line").textContent === "Ringing…"`)
	alice.click("hangup")
	alice.state("idle")
	rows := `document.querySelectorAll('[data-testid="recent"] li').length`
	alice.until("lists its call once", rows+" === 1")

	bob := visit(t, browser, s, "bob", "zh", 390, 844)
	bob.until("lists the call that it missed", rows+` === 1 && document.querySelectorAll('[data-testid="recent"] li.missed').length === 1`)
	bob.run(`document.querySelector('[data-testid="recent"]').scrollIntoView()`)
	bob.look("10-missed")
	alice.look("10-recent")
	if err := chromedp.Do(bob.ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	bob.until("lists it after a reload", rows+" === 1")
	if err := chromedp.Do(bob.ctx, chromedp.Click(`[data-testid="recent"] li button`)); err != nil {
		t.Fatal(err)
	}
	alice.state("called")
	// On a phone that lies on its side all there is to press is in sight.
	if err := chromedp.Do(alice.ctx, chromedp.EmulateViewport(844, 390)); err != nil {
		t.Fatal(err)
	}
	alice.width = 844
	alice.until("has Decline in sight", `document.querySelector('[data-testid="reject"]').getBoundingClientRect().bottom <= window.innerHeight`)
	alice.look("11-called-on-its-side")
}

// The demo says why a name cannot be called, and shows no other message beside that.
func TestDemoRefusesNames(t *testing.T) {
	s := startServer(t)
	alice := visit(t, startBrowser(t), s, "alice", "en", 390, 844)
	alice.types("peer-input", "nobody")
	alice.click("call-audio")
	alice.until("rings", `document.getElementById("call-line").textContent === "Ringing…"`)
	alice.until("asks whether anybody is there", `document.getElementById("call-hint").textContent.includes("other page")`)
	alice.click("hangup")
	alice.until("tells how it ended", `!document.getElementById("outcome").hidden`)
	for _, name := range []string{"alice", "  "} {
		alice.run(`document.querySelector('[data-testid="peer-input"]').value = ""`)
		alice.types("peer-input", name)
		alice.click("call-video")
		alice.until("is told why not", `!document.getElementById("problem").hidden && document.getElementById("outcome").hidden`)
		alice.look("12-refused")
		alice.run(`document.getElementById("dismiss").click()`)
	}
}

// A server for real use says what it is, and has no form that could not work.
func TestDemoOfServe(t *testing.T) {
	s := serve(t, "--turn-addr", "off")
	browser := startBrowser(t)
	for _, lang := range []string{"en", "zh"} {
		v := &visitor{open(t, browser, s.url()+"/?as=alice&lang="+lang), 390, 844}
		v.account = lang
		if err := chromedp.Do(v.ctx, chromedp.EmulateViewport(v.width, v.height)); err != nil {
			t.Fatal(err)
		}
		v.state("serve")
		v.until("says what it is", `!document.querySelector('[data-testid="serve"]').hidden && document.getElementById("login").hidden && document.getElementById("idle").hidden`)
		v.look("13-serve")
		v.click("serve-doctor")
		v.until("comes to the doctor", `document.querySelector('[data-testid="verdict"]') !== null`)
	}
}
