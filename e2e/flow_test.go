package e2e_test

import (
	"fmt"
	"testing"
	"time"
)

// TestFlow goes through the sections of the flow in each pair that has a Firefox; the
// other tests do so in Chromium.
func TestFlow(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	browser, firefox := startBrowser(t), startFirefox(t)
	inChromium := func(t *testing.T, account string) *page { return device(t, browser, app, s, account, "") }
	inFirefox := func(t *testing.T, account string) *page { return inFirefox(t, firefox, app, s, account, "") }
	for _, pair := range []struct {
		name           string
		caller, callee func(t *testing.T, account string) *page
	}{
		{"chromium-firefox", inChromium, inFirefox},
		{"firefox-chromium", inFirefox, inChromium},
		{"firefox-firefox", inFirefox, inFirefox},
	} {
		t.Run(pair.name, func(t *testing.T) {
			alice, bob := pair.caller(t, "alice-"+pair.name), pair.callee(t, "bob-"+pair.name)
			carol := inChromium(t, "carol-"+pair.name)
			unanswered(t, alice, bob)
			answered(t, alice, bob, carol)
			onAnotherDevice(alice, bob, pair.callee(t, "bob-"+pair.name))
		})
	}
}

// unanswered: call, cancel; reject; time-out on both sides (1.1 to 1.3, 1.5, 1.9).
func unanswered(t *testing.T, alice, bob *page) {
	t.Helper()
	alice.calls(bob.account, 2)
	bob.expect("onInvited")
	alice.does("cancel")
	bob.expect("onUserCancel")
	bob.record(2)
	alice.expect("onMessageSent")
	alice.record(2)
	alice.expect("cancel()")

	alice.calls(bob.account, 1)
	bob.expect("onInvited")
	bob.does("reject")
	alice.expect("onUserReject", "onMessageSent")
	alice.record(3)
	bob.record(3)
	bob.expect("reject()")

	alice.run("rtc.setCallTimeout(2000)")
	alice.calls(bob.account, 1)
	began := bob.expect("onInvited")[0]
	took(t, "the caller's time-out", began, alice.timedOut("callTimeOut"), 2*time.Second)
	alice.expect("onMessageSent")
	alice.record(4)
	bob.timedOut("beCallTimeOut")
	bob.record(4)
	alice.run("rtc.setCallTimeout(60_000)")
}

// answered: accept, pictures and sound, busy, hang-up (1.4, 1.6, 1.7, 1.10).
func answered(t *testing.T, alice, bob, carol *page) {
	t.Helper()
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	bob.seesAndHears(30)
	carol.calls(bob.account, 1)
	carol.expect("onUserBusy", "onMessageSent")
	carol.record(5)
	bob.record(5)
	hangUp(bob, alice)
}

// onAnotherDevice: another device of the callee answers, or rejects (1.8).
func onAnotherDevice(alice, desk, phone *page) {
	alice.calls(desk.account, 1)
	desk.expect("onInvited")
	phone.until("rings", `log.at(-1)?.name === "onInvited"`)
	phone.does("accept")
	desk.expect("onOtherClientAccept")
	alice.expect("onUserAccept")
	alice.hears()
	phone.hears()
	alice.does("hangup")
	phone.until("is idle", "rtc.callStatus === 0")
	desk.record(1)
	alice.skip()

	alice.calls(desk.account, 1)
	desk.expect("onInvited")
	desk.does("reject")
	phone.until("stops ringing", fmt.Sprintf("log.some((e) => e.name === %q) && rtc.callStatus === 0", "onOtherClientReject"))
	alice.expect("onUserReject")
}
