package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// permit sets what the page may open, as a person does in the browser's settings.
func (p *page) permit(device string, to browser.PermissionSetting) {
	p.t.Helper()
	origin, err := evaluate[string](p, "location.origin")
	if err != nil {
		p.t.Fatal(err)
	}
	c := chromedp.FromContext(p.ctx)
	if _, err := cdp.Call(p.ctx, c.Browser, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: device}, Setting: to, Origin: origin, BrowserContextID: c.BrowserContextID,
	}); err != nil {
		p.t.Fatal(err)
	}
}

// asksPeople has the browser decide about devices by the permissions that are set.
func asksPeople(t *testing.T) context.Context {
	t.Helper()
	return startBrowser(t, chromedp.Flag("use-fake-ui-for-media-stream", false))
}

// failed takes the error of a method that failed, and holds its text.
func (p *page) failed(method, code string, says ...string) {
	p.t.Helper()
	e := p.expect(method + "() failed")[0]
	text := fmt.Sprintf("%s", e.Args)
	if got := arg[string](p.t, e); got != code {
		p.t.Errorf("%s: %s failed with %s, want %s", p.account, method, text, code)
	}
	for _, word := range says {
		if !strings.Contains(text, word) {
			p.t.Errorf("%s: %s failed with %s, which does not say %q", p.account, method, text, word)
		}
	}
}

// A caller without its devices gets the error before anybody rings.
func TestCallerWithoutDevices(t *testing.T) {
	s := startServer(t)
	b := asksPeople(t)
	app := application(t, s)
	alice, bob := device(t, b, app, s, "alice", ""), device(t, b, app, s, "bob", "")

	alice.permit("microphone", browser.PermissionSettingDenied)
	alice.permit("camera", browser.PermissionSettingGranted)
	alice.run(`did("call", {userId: "bob", type: 1})`)
	alice.failed("call", "100", "microphone_denied")
	alice.idle()

	alice.permit("microphone", browser.PermissionSettingGranted)
	alice.permit("camera", browser.PermissionSettingDenied)
	alice.run(`did("call", {userId: "bob", type: 2})`)
	alice.failed("call", "100", "camera_denied")
	alice.idle()
	if n := len(bob.log()); n != 0 {
		t.Errorf("the callee is told of calls that never were:%s", bob.history())
	}

	// Without the camera an audio call works.
	bob.permit("microphone", browser.PermissionSettingGranted)
	talk(t, alice, bob, 1)
	alice.hears()
	hangUp(alice, bob)
}

// A callee whose microphone is denied gets the error, and rings on; one whose
// camera is denied answers by sound, and says so.
func TestCalleeWithoutDevices(t *testing.T) {
	s := startServer(t)
	b := asksPeople(t)
	app := application(t, s)
	alice, bob := device(t, b, app, s, "alice", ""), device(t, b, app, s, "bob", "")
	alice.permit("microphone", browser.PermissionSettingGranted)
	alice.permit("camera", browser.PermissionSettingGranted)
	bob.permit("microphone", browser.PermissionSettingDenied)
	bob.permit("camera", browser.PermissionSettingDenied)
	alice.calls("bob", 2)
	bob.expect("onInvited")
	bob.does("accept")
	bob.failed("accept", "100", "microphone_denied")
	bob.until("rings on", "rtc.callStatus === 2")
	if n := len(alice.log()); n != alice.seen {
		t.Errorf("the caller is told of an answer that was none:%s", alice.history())
	}
	bob.permit("microphone", browser.PermissionSettingGranted)
	bob.does("accept")
	alice.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	bob.until("is in the call and told of its camera", `log.some((e) => e.name === "accept()") && log.some((e) => e.name === "onError" && e.args[0].message.includes("camera_denied"))`)
	bob.seesAndHears(30) // The caller's picture.
	alice.hears()
	if got := alice.log()[alice.seen:]; len(got) > 0 {
		t.Errorf("a callee without a camera shows as more than sound:%s", alice.history())
	}
}

// On a machine that has no devices at all, and one where another program has
// the camera.
func TestNoDevices(t *testing.T) {
	s := startServer(t)
	b := startBrowser(t, chromedp.Flag("use-fake-device-for-media-stream", false))
	app := application(t, s)
	alice := device(t, b, app, s, "alice", "")
	for _, kind := range []int{1, 2} {
		alice.run(fmt.Sprintf(`did("call", {userId: "bob", type: %d})`, kind))
		alice.failed("call", "114", "microphone")
		alice.idle()
	}
	if lists, err := evaluate[map[string][]any](alice, "rtc.getDevices()"); err != nil || len(lists["video"])+len(lists["audioIn"]) != 0 {
		t.Errorf("getDevices gave %v, %v", lists, err)
	}
	alice.run(`navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("taken", "NotReadableError"))`)
	alice.run(`did("call", {userId: "bob", type: 2})`)
	alice.failed("call", "100", "in_use", "another program")
	alice.idle()
}
