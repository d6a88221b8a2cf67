package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// holdInvitation keeps a page's next invitation from the wire until letGo is called.
const holdInvitation = `(() => {
	const send = WebSocket.prototype.send;
	WebSocket.prototype.send = function (text) {
		if (!JSON.parse(text).invite) return send.call(this, text);
		WebSocket.prototype.send = send;
		window.letGo = () => send.call(this, text);
	};
})()`

// Both call each other at the same moment: they are connected, in one call.
func TestBothCall(t *testing.T) {
	_, alice, bob := pair(t, "")
	// Each invitation waits in its page until the other one is made: a page that is slow to
	// make its own would ring before that, and could not call any more.
	for _, p := range []*page{alice, bob} {
		p.run(holdInvitation)
	}
	alice.run(`void did("call", {userId: "bob", type: 2})`)
	bob.run(`void did("call", {userId: "alice", type: 2})`)
	for _, p := range []*page{alice, bob} {
		p.until("has made its invitation", "window.letGo")
	}
	for _, p := range []*page{alice, bob} {
		p.run("letGo()")
	}
	for _, p := range []*page{alice, bob} {
		p.expect("call()", "onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
		p.seesAndHears(30)
	}
	hangUp(alice, bob)
	talk(t, alice, bob, 1)
	hangUp(bob, alice)
}

// Two devices ring. One answers, the other is notified; the next time one
// declines; and a third person finds them busy.
func TestSeveralDevices(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	alice, carol := device(t, browser, app, s, "alice", ""), device(t, browser, app, s, "carol", "")
	desk, phone := device(t, browser, app, s, "bob", ""), device(t, browser, app, s, "bob", "")

	alice.calls("bob", 2)
	desk.expect("onInvited")
	phone.expect("onInvited")
	phone.does("accept")
	desk.expect("onOtherClientAccept")
	alice.expect("onUserAccept")
	alice.seesAndHears(30)
	phone.seesAndHears(30)

	carol.calls("bob", 1)
	carol.expect("onUserBusy", "onMessageSent")
	carol.record(5)
	carol.idle()
	// The busy account has the record, and hears nothing else of it.
	desk.record(5)
	phone.until("has the record", `log.at(-1).name === "onmsg"`)

	alice.does("hangup")
	alice.until("is idle", "rtc.callStatus === 0")
	phone.until("is idle", "rtc.callStatus === 0")
	desk.record(1)

	alice.skip()
	alice.calls("bob", 1)
	desk.expect("onInvited")
	desk.does("reject")
	phone.until("stops ringing", `log.some((e) => e.name === "onOtherClientReject") && rtc.callStatus === 0`)
}

// A page that is reloaded in a call goes on with it when it asks to, and ends
// it otherwise.
func TestReload(t *testing.T) {
	s, alice, bob := pair(t, "")
	reload := func(resume bool) {
		t.Helper()
		if err := chromedp.Do(bob.ctx, chromedp.Reload()); err != nil {
			t.Fatal(err)
		}
		bob.seen = 0
		bob.run(fmt.Sprintf("login(%q, %q, %q, {resume: %v})", s.url(), "bob", s.token("bob"), resume))
	}
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	reload(true)
	bob.expect("onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	bob.seesAndHears(30)
	alice.seesAndHears(30) // On the new connection: its counters started at zero.
	if pcs, err := evaluate[int](alice, "pcs.length"); err != nil || pcs != 2 {
		t.Errorf("the other side has made %d connections, %v, want 2", pcs, err)
	}
	reload(false)
	alice.until("is told that the other one is gone", `log.some((e) => e.name === "onUserDisconnect") && rtc.callStatus === 0`)
	bob.until("is idle", "rtc.callStatus === 0")
}

// A page on plain HTTP gets an error that says why there is no camera, before anybody rings.
func TestInsecurePage(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	// A name that is not localhost makes the very same page an insecure one.
	p := open(t, browser, strings.Replace(app.URL, "127.0.0.1", "insecure.test", 1))
	p.account = "alice"
	p.run(fmt.Sprintf("login(%q, %q, %q)", s.url(), "alice", s.token("alice")))
	p.run(`did("call", {userId: "bob", type: 2})`)
	e := p.expect("call() failed")[0]
	if text := string(e.Args[1]); !strings.Contains(text, "insecure_context") || !strings.Contains(text, "HTTPS") {
		t.Errorf("got %s", e.Args)
	}
	p.until("is idle", "rtc.callStatus === 0")
}
