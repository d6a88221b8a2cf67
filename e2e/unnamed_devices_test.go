package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
)

// settles runs a method that is to settle soon, however the browser keeps its
// devices to itself.
func (p *page) settles(method, args, as string) entry {
	p.t.Helper()
	began, err := evaluate[int64](p, "Date.now()")
	if err != nil {
		p.t.Fatal(err)
	}
	p.start(method, args)
	e := p.expect(as)[0]
	if took := time.Duration(e.At-began) * time.Millisecond; took > 2*time.Second {
		p.t.Errorf("%s: %s took %v", p.account, method, took)
	}
	return e
}

// inUse holds that the devices in use are known.
func (p *page) inUse(want string) {
	p.t.Helper()
	p.settles("getDevices", "undefined", "getDevices()")
	if got := p.value(`rtc.getDevices().then((d) => [d.audioIn, d.video].map((l) => l.filter((x) => x.active && x.label).length).join())`); got != want {
		p.t.Errorf("%s: of microphones and cameras %s are in use, want %s", p.account, got, want)
	}
}

// A browser may keep to itself which devices there are: nothing waits for it.
func TestDevicesNotNamed(t *testing.T) {
	s := startServer(t)
	b := asksPeople(t)
	app := application(t, s)
	alice, bob := device(t, b, app, s, "alice", ""), device(t, b, app, s, "bob", "")
	bob.permit("microphone", browser.PermissionSettingGranted)
	bob.permit("camera", browser.PermissionSettingGranted)
	microphone := bob.value(`navigator.mediaDevices.enumerateDevices().then((all) => all.filter((d) => d.kind === "audioinput").at(-1).deviceId)`)
	for _, p := range []*page{alice, bob} {
		p.run(`navigator.mediaDevices.enumerateDevices = () => new Promise(() => {})`)
	}
	alice.permit("camera", browser.PermissionSettingGranted)
	alice.permit("microphone", browser.PermissionSettingDenied)
	e := alice.settles("call", `{userId: "bob", type: 2}`, "call() failed")
	if got := arg[string](t, e); got != "100" {
		t.Errorf("a microphone that is denied gives %s", e.Args)
	}
	alice.permit("microphone", browser.PermissionSettingGranted)
	alice.settles("call", `{userId: "bob", type: 2, attachment: {room: 7}}`, "call()")
	bob.expect("onInvited")
	bob.settles("accept", "undefined", "accept()")
	bob.expect("onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	alice.seesAndHears(10)
	bob.seesAndHears(10)
	bob.settles("switchDevice", fmt.Sprintf(`"microphoneId", %q`, microphone), "switchDevice()")
	bob.settles("switchDevice", `"speakerId", "default"`, "switchDevice()")
	bob.inUse("1,1")
}

// Firefox names no devices to a window without the focus.
func TestFirefoxWithoutFocus(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	f := startFirefoxWith(t, `user_pref("media.devices.unfocused.enabled", false);`)
	alice := inFirefox(t, f, app, s, "alice", "")
	bob := inFirefox(t, f, app, s, "bob", "")
	alice.until("has no focus", "!document.hasFocus()")
	alice.run(`window.named = false; void navigator.mediaDevices.enumerateDevices().then(() => { named = true; })`)
	alice.settles("call", `{userId: "bob", type: 2, attachment: {room: 7}}`, "call()")
	bob.expect("onInvited")
	bob.settles("accept", "undefined", "accept()")
	bob.expect("onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	alice.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	alice.inUse("1,1")
	alice.settles("switchDevice", `"speakerId", "default"`, "switchDevice()")
	if alice.value("String(named)") != "false" {
		t.Error("Firefox names its devices without the focus")
	}
	hangUp(alice, bob)
	bob.calls("alice", 2)
	alice.expect("onInvited")
	alice.settles("accept", "undefined", "accept()")
}
