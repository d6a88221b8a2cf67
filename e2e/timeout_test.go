package e2e_test

import (
	"fmt"
	"testing"
	"time"
)

// took holds a time between two entries to what was asked for, with slack for
// a busy machine.
func took(t *testing.T, what string, from, to entry, want time.Duration) {
	t.Helper()
	if d := time.Duration(to.At-from.At) * time.Millisecond; d < want-500*time.Millisecond || d > want+5*time.Second {
		t.Errorf("%s took %s, want %s", what, d, want)
	}
}

// timedOut takes both spellings of the event.
func (p *page) timedOut(side string) entry {
	p.t.Helper()
	told := p.expect("onCallingTimeOut", "onCallingTimeout")
	for _, e := range told {
		if got := arg[string](p.t, e); got != side {
			p.t.Errorf("%s: %s gave %q, want %q", p.account, e.Name, got, side)
		}
	}
	return told[0]
}

// Nobody answers: the server ends it on both sides after the time that the
// caller set, and there is one record.
func TestCallerSetsTheTimeOut(t *testing.T) {
	_, alice, bob := pair(t, "")
	alice.run("rtc.setCallTimeout(2000)")
	alice.calls("bob", 1)
	began := bob.expect("onInvited")[0]
	took(t, "the caller's time-out", began, alice.timedOut("callTimeOut"), 2*time.Second)
	alice.expect("onMessageSent")
	alice.record(4)
	took(t, "the callee's", began, bob.timedOut("beCallTimeOut"), 2*time.Second)
	bob.record(4)
	alice.idle()
	bob.idle()

	// It holds until it is set again.
	alice.calls("bob", 1)
	began = bob.expect("onInvited")[0]
	took(t, "the time-out of the next call", began, alice.timedOut("callTimeOut"), 2*time.Second)
	alice.expect("onMessageSent")
	alice.record(4)
	bob.timedOut("beCallTimeOut")
	bob.record(4)
	alice.idle()
	bob.idle()
	alice.run("rtc.setCallTimeout(30_000)")
	alice.calls("bob", 1)
	bob.expect("onInvited")
	bob.until("has rung for longer than the call before", "Date.now() - log.at(-1).at > 3000")
	for _, p := range []*page{alice, bob} {
		if got := p.log()[p.seen:]; len(got) > 0 {
			t.Errorf("%s gets an event although it rings on:%s", p.account, p.history())
		}
	}
	alice.does("cancel")
}

// A device's own time-out stops that device alone. The caller hears of it in no
// way, also where it was the last: the call rings on until the caller's own time
// is over. It can be set before the invitation and inside onInvited.
func TestCalleeSetsTheTimeOut(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	alice := device(t, browser, app, s, "alice", "")
	desk, phone := device(t, browser, app, s, "bob", ""), device(t, browser, app, s, "bob", "")
	desk.run("rtc.setCallTimeout(1500)")
	phone.run(`rtc.once("onInvited", () => rtc.setCallTimeout(4000)); void 0`)
	alice.run("rtc.setCallTimeout(8000)")
	alice.calls("bob", 2)
	began := desk.expect("onInvited")[0]
	phone.expect("onInvited")
	took(t, "the first device's time-out", began, desk.timedOut("beCallTimeOut"), 1500*time.Millisecond)
	desk.idle()
	for _, e := range alice.log()[alice.seen:] {
		// This look may come late on a busy machine. The server sends her own time-out 8 s after
		// the ring.
		if e.At < began.At+7000 {
			t.Errorf("the caller hears about a device that stopped:%s", alice.history())
		}
	}
	took(t, "the last device's", began, phone.timedOut("beCallTimeOut"), 4*time.Second)
	phone.idle()
	took(t, "the caller's", began, alice.timedOut("callTimeOut"), 8*time.Second)
	alice.expect("onMessageSent")
	alice.record(4)
	phone.record(4)
	desk.record(4)
	alice.idle()
	phone.idle()
}

// Two minutes is the most; more is cut to that, and said.
func TestTimeOutIsClamped(t *testing.T) {
	_, alice, bob := pair(t, "")
	alice.run("rtc.setCallTimeout(120001)")
	if e := arg[struct{ Code, Message string }](t, alice.expect("onError")[0]); e.Code != "100" || e.Message == "" {
		t.Errorf("onError gave %+v", e)
	}
	alice.calls("bob", 1)
	bob.expect("onInvited")
	bob.run("rtc.setCallTimeout(999999)")
	bob.expect("onError")
	bob.does("reject") // Taken all the same: it rings, and can be declined.
	alice.expect("onUserReject")
}

// An account that logs in while its invitation lives rings at once; an
// invitation that is over never rings.
func TestOfflineInvitation(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	alice := device(t, browser, app, s, "alice", "")
	alice.calls("bob", 2) // A callee who is offline is no error.
	alice.does("cancel")
	alice.expect("onMessageSent")
	alice.record(2)
	alice.expect("cancel()")
	alice.calls("bob", 2)

	bob := open(t, browser, app.URL)
	bob.account = "bob"
	at := time.Now()
	bob.run(fmt.Sprintf("login(%q, %q, %q)", s.url(), "bob", s.token("bob")))
	bob.until("rings", "rtc.callStatus === 2")
	if late := time.Since(at); late > 5*time.Second {
		t.Errorf("it rang %s after the login", late)
	}
	bob.does("accept")
	alice.expect("onUserAccept")
	alice.seesAndHears(30)
	bob.seesAndHears(30)
	rings := 0
	for _, e := range bob.log() {
		if e.Name == "onInvited" {
			rings++
		}
	}
	if rings != 1 {
		t.Errorf("it rang for %d invitations, want 1:%s", rings, bob.history())
	}
}
