package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// An account that rings, calls or is in a call is busy for everyone else, and receives nothing of a
// further call but its record; free again, it can be called.
func TestBusyInEachState(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	alice, bob, carol := device(t, browser, app, s, "alice", ""), device(t, browser, app, s, "bob", ""), device(t, browser, app, s, "carol", "")
	refused := func(callee *page) {
		t.Helper()
		carol.calls(callee.account, 2)
		if who := arg[string](t, carol.expect("onUserBusy", "onMessageSent")[0]); who != callee.account {
			t.Errorf("onUserBusy gave %q", who)
		}
		carol.record(5)
		callee.record(5)
		carol.idle()
	}
	alice.calls("bob", 1)
	refused(alice) // Calling.
	bob.expect("onInvited")
	refused(bob) // Ringing.
	bob.does("accept")
	bob.expect("accept()", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	alice.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	refused(bob) // In a call.
	refused(alice)

	// My own account is busy on another device: no call, no record, code 116.
	laptop := device(t, browser, app, s, "alice", "")
	laptop.wantStatuses("it is told of the busy invitations that there were", 5, 5)
	laptop.skip()
	laptop.run(`did("call", {userId: "carol", type: 1})`)
	if code := arg[string](t, laptop.expect("call() failed")[0]); code != "116" {
		t.Errorf("calling while another device of mine is in a call gives %s", code)
	}
	laptop.idle()
	hangUp(bob, alice)
	laptop.record(1)
	talk(t, carol, bob, 1)
	hangUp(carol, bob)
	if seen := carol.log()[carol.seen:]; len(seen) > 0 {
		t.Errorf("carol was told more:%s", carol.history())
	}
}

// Other devices of the account learn within a second which device answered or declined, and only
// for the call that they rang for.
func TestElsewhereWithinASecond(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	alice := device(t, browser, app, s, "alice", "")
	desk, phone := device(t, browser, app, s, "bob", ""), device(t, browser, app, s, "bob", "")
	for _, act := range []struct{ method, event string }{{"accept", "onOtherClientAccept"}, {"reject", "onOtherClientReject"}} {
		alice.calls("bob", 1)
		desk.expect("onInvited")
		phone.expect("onInvited")
		phone.does(act.method)
		done := slices.IndexFunc(phone.log(), func(e entry) bool { return e.Name == act.method+"()" })
		told := desk.expect(act.event)[0]
		late := told.At - phone.log()[done].At
		t.Logf("%s came after %d ms", act.event, late)
		if late > 1000+5000 { // With the slack that every time has on a busy machine.
			t.Errorf("%s came %d ms late", act.event, late)
		}
		desk.until("is idle", "rtc.callStatus === 0")
		if act.method == "accept" {
			alice.until("is in the call", "rtc.callStatus === 3")
			alice.does("hangup")
		}
		alice.until("is idle", "rtc.callStatus === 0")
		phone.until("is idle", "rtc.callStatus === 0")
		for _, p := range []*page{alice, desk, phone} {
			p.until("has the record", `log.some((e) => e.name === "onmsg")`)
			p.run("log.length = 0")
			p.seen = 0
		}
	}
}

// The code of an error says what is wrong with a page's request.
func TestArgumentCodes(t *testing.T) {
	_, alice, bob := pair(t, "")
	for _, tt := range []struct{ call, code string }{
		{`call({userId: "bob"})`, "106"},
		{`call({userId: "bob", type: 4})`, "106"},
		{`call({type: 1})`, "100"},
		{`call({userId: "alice", type: 1})`, "100"},
		{`call({userId: "bob", type: 1, attachment: "x".repeat(5000)})`, "100"},
		{`groupCall({userIds: ["bob"], type: 1})`, "100"},
		{`groupInvite({userIds: ["bob"]})`, "118"},
		{`enableLocalAudio(true)`, "103"},
		{`setAudioMute(true, "bob")`, "105"},
	} {
		got, err := evaluate[string](alice, fmt.Sprintf(`rtc.%s.then(() => "done", (e) => e.code)`, tt.call))
		if err != nil || got != tt.code {
			t.Errorf("%s gives %q, %v, want %s", tt.call, got, err, tt.code)
		}
		alice.idle()
	}
	// The callbacks run before the promise settles; a promise may be ignored.
	order, err := evaluate[string](alice, `new Promise((done) => {
		const seen = [];
		rtc.call({userId: "bob", type: "1", success: () => seen.push("success"), failed: () => seen.push("failed")}).then(() => { seen.push("resolved");
			rtc.call({userId: "bob", type: 1, failed: (e) => seen.push("failed " + e.code)}).catch(() => { seen.push("rejected"); done(seen.join()); }); });
	})`)
	if err != nil || order != "success,resolved,failed 20002,rejected" {
		t.Errorf("callbacks and promises come as %q, %v", order, err)
	}
	bob.expect("onInvited")
	alice.run(`rtc.accept({failed: () => {}}); void 0`) // Ignored: no unhandled rejection, which the page would note.
	if got, err := evaluate[string](alice, `rtc.groupInvite({userIds: []}).catch((e) => e.code)`); err != nil || got != "118" {
		t.Errorf("groupInvite while calling gives %q, %v", got, err)
	}
}

// How long people wait, over many calls in a row: printed, and never above the
// slack that everything has.
func TestHowLongItTakes(t *testing.T) {
	_, alice, bob := pair(t, "")
	const calls, slack = 15, 5 * time.Second
	took := map[string][]time.Duration{}
	between := func(what string, from, to entry) {
		t.Helper()
		d := time.Duration(to.At-from.At) * time.Millisecond
		took[what] = append(took[what], d)
		if d > slack {
			t.Errorf("%s took %s", what, d)
		}
	}
	begin := func(p *page, method, args string) entry {
		t.Helper()
		p.run(fmt.Sprintf(`log.push({name: "begin", args: [], at: Date.now()}); void did(%q, %s)`, method, args))
		return p.expect("begin")[0]
	}
	for range calls {
		call := begin(alice, "call", `{userId: "bob", type: 1}`)
		between("call to ringing", call, bob.expect("onInvited")[0])
		alice.expect("call()")
		accept := begin(bob, "accept", "{}")
		entered := bob.expect("accept()", "onJoinChannel", "onUserEnter", "onAudioAvailable")
		joined := alice.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable")
		between("accept to onUserAccept", accept, joined[0])
		between("accept to onUserEnter, caller", accept, joined[2])
		between("accept to onUserEnter, callee", accept, entered[2])
		hangup := begin(alice, "hangup", "{}")
		between("hangup to onCallEnd", hangup, bob.expect("onUserLeave", "onCallEnd")[1])
		alice.record(1)
		alice.expect("hangup()")
		bob.record(1)
		alice.idle()
		bob.idle()
	}
	var lines []string
	for what, all := range took {
		slices.Sort(all)
		lines = append(lines, fmt.Sprintf("%-31s p50 %4d ms, p95 %4d ms, max %4d ms", what,
			all[len(all)/2].Milliseconds(), all[len(all)*95/100].Milliseconds(), all[len(all)-1].Milliseconds()))
	}
	slices.Sort(lines)
	t.Logf("over %d calls on this machine:\n%s", calls, strings.Join(lines, "\n"))
}
