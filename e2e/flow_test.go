package e2e_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"
)

// TestFlow goes through the sections of the flow in each pair that has a Firefox; the
// other tests do so in Chromium.
func TestFlow(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	inChromium, pairs := browserPairs(t, s, app)
	for _, pair := range pairs[1:] {
		t.Run(pair.name, func(t *testing.T) {
			alice, bob := pair.caller(t, "alice-"+pair.name), pair.callee(t, "bob-"+pair.name)
			carol := inChromium(t, "carol-"+pair.name)
			unanswered(t, alice, bob)
			answered(t, alice, bob, carol)
			onAnotherDevice(alice, bob, pair.callee(t, "bob-"+pair.name))
		})
	}
}

// opens logs an account in, in a browser of one kind.
type opens func(t *testing.T, account string) *page

// browserPair is a browser that calls, and one that is called.
type browserPair struct {
	name           string
	caller, callee opens
}

// browserPairs are all pairs of the two browsers, those with a Firefox last.
func browserPairs(t *testing.T, s *server, app *httptest.Server) (inChromium opens, pairs []browserPair) {
	t.Helper()
	browser, firefox := startBrowser(t), startFirefox(t)
	inChromium = func(t *testing.T, account string) *page { return device(t, browser, app, s, account, "") }
	inFirefox := func(t *testing.T, account string) *page { return inFirefox(t, firefox, app, s, account, "") }
	return inChromium, []browserPair{
		{"chromium-chromium", inChromium, inChromium},
		{"chromium-firefox", inChromium, inFirefox},
		{"firefox-chromium", inFirefox, inChromium},
		{"firefox-firefox", inFirefox, inFirefox},
	}
}

// unanswered: call, cancel; reject; time-out on both sides (1.1 to 1.3, 1.5, 1.9).
func unanswered(t *testing.T, alice, bob *page) {
	t.Helper()
	cancelled(alice, bob, 2)
	rejected(alice, bob, 1)

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
	// Two tabs of one Firefox are one browser, which tells of a record once.
	eventually(alice.t, 20*time.Second, "the callee's browser has the record", func() bool {
		filed := `log.some((e) => e.name === "onmsg" && e.args[0].attach.type === 1 && e.args[0].attach.status === 1)`
		atDesk, _ := evaluate[bool](desk, filed)
		atPhone, _ := evaluate[bool](phone, filed)
		return atDesk || atPhone
	})
	desk.skip()
	alice.skip()

	alice.calls(desk.account, 1)
	desk.expect("onInvited")
	desk.does("reject")
	phone.until("stops ringing", fmt.Sprintf("log.some((e) => e.name === %q) && rtc.callStatus === 0", "onOtherClientReject"))
	alice.expect("onUserReject")
}
