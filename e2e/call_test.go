package e2e_test

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// pair is alice and bob, each in a browser context of their own.
func pair(t *testing.T, query string) (s *server, alice, bob *page) {
	t.Helper()
	s = startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	return s, device(t, browser, app, s, "alice", query), device(t, browser, app, s, "bob", query)
}

// arg is an event's first argument.
func arg[T any](t *testing.T, e entry) (v T) {
	t.Helper()
	if err := json.Unmarshal(e.Args[0], &v); err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	return v
}

func (p *page) calls(callee string, kind int) {
	p.t.Helper()
	p.run(fmt.Sprintf(`did("call", {userId: %q, type: %d, attachment: {room: 7}})`, callee, kind))
	p.expect("call()")
}

func (p *page) does(method string) {
	p.t.Helper()
	p.run(fmt.Sprintf("did(%q)", method))
}

// talk brings two people into a call, holding the order of events.
func talk(t *testing.T, caller, callee *page, kind int) {
	t.Helper()
	caller.calls(callee.account, kind)
	invited := arg[struct {
		Invitor    string         `json:"invitor"`
		UserIDs    []string       `json:"userIds"`
		Type       int            `json:"type"`
		FromGroup  bool           `json:"isFromGroup"`
		Attachment map[string]int `json:"attachment"`
	}](t, callee.expect("onInvited")[0])
	if invited.Invitor != caller.account || invited.Type != kind || invited.FromGroup || invited.Attachment["room"] != 7 {
		t.Errorf("onInvited gave %+v", invited)
	}
	callee.does("accept")
	callee.expect("accept()", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	accepted := caller.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	if who := arg[string](t, accepted[0]); who != callee.account {
		t.Errorf("onUserAccept gave %q", who)
	}
	if kind == 2 {
		caller.expect("onCameraAvailable")
		callee.expect("onCameraAvailable")
	}
}

// hangUp ends the call by one side, and checks the events of both pages.
func hangUp(by, other *page) {
	by.t.Helper()
	by.does("hangup")
	other.expect("onUserLeave", "onCallEnd")
	by.record(1)
	by.expect("hangup()")
	other.record(1)
	by.idle()
	other.idle()
}

// record takes the record that comes with an ending.
func (p *page) record(status int) {
	p.t.Helper()
	e := p.expect("onmsg")[0]
	m := arg[struct {
		Type   string `json:"type"`
		Attach struct {
			Status int `json:"status"`
		} `json:"attach"`
	}](p.t, e)
	if m.Type != "g2" || m.Attach.Status != status {
		p.t.Errorf("%s got the record %s, want a g2 of status %d", p.account, e.Args[0], status)
	}
}

// idle holds that nothing is left of a call: no state, no picture, no device open.
func (p *page) idle() {
	p.t.Helper()
	p.until("is idle", `rtc.callStatus === 0 && !document.querySelector("video") && pcs.every((pc) => pc.connectionState === "closed")`)
}

func TestVideoCall(t *testing.T) {
	_, alice, bob := pair(t, "")
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	bob.seesAndHears(30)
	for _, p := range []*page{alice, bob} {
		p.until("shows both pictures as they should be", `(() => {
			const local = document.querySelector("#local video"), remote = document.querySelector("#remote video");
			return local.muted && local.playsInline && local.style.transform === "scaleX(-1)" && local.videoWidth > 0 &&
				remote.playsInline && remote.style.transform === "" && remote.videoWidth > 0;
		})()`)
	}
	hangUp(bob, alice)
	talk(t, bob, alice, 2)
	alice.seesAndHears(30)
	bob.seesAndHears(30)
	hangUp(bob, alice)
}

func TestRelayOnly(t *testing.T) {
	_, alice, bob := pair(t, "?relay")
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	bob.seesAndHears(30)
	for _, p := range []*page{alice, bob} {
		if n := p.stats(); n.Local != "relay" || n.Remote != "relay" {
			t.Errorf("%s: media flows from %s to %s, want relay to relay", p.account, n.Local, n.Remote)
		}
	}
	hangUp(alice, bob)
}

func TestAudioCall(t *testing.T) {
	_, alice, bob := pair(t, "")
	talk(t, alice, bob, 1)
	alice.hears()
	bob.hears()
	if n := alice.stats(); n.Frames != 0 {
		t.Errorf("an audio call decoded %d frames", n.Frames)
	}
	alice.run(`did("muteLocalAudio", true)`)
	alice.expect("muteLocalAudio()")
	bob.expect("onAudioMuted")
	alice.run(`did("muteLocalAudio", false)`)
	alice.expect("muteLocalAudio()")
	bob.expect("onAudioMuted")
	hangUp(alice, bob)
}

// cancelled has caller call callee and give up.
func cancelled(caller, callee *page, kind int) {
	caller.t.Helper()
	caller.calls(callee.account, kind)
	callee.expect("onInvited")
	caller.does("cancel")
	callee.expect("onUserCancel")
	callee.record(2)
	caller.expect("onMessageSent")
	caller.record(2)
	caller.expect("cancel()")
}

// rejected has caller call callee, who declines.
func rejected(caller, callee *page, kind int) {
	caller.t.Helper()
	caller.calls(callee.account, kind)
	callee.expect("onInvited")
	callee.does("reject")
	caller.expect("onUserReject", "onMessageSent")
	caller.record(3)
	callee.record(3)
	callee.expect("reject()")
}

// Cancelled, rejected, and called again after each.
func TestUnanswered(t *testing.T) {
	_, alice, bob := pair(t, "")
	for _, kind := range []int{1, 2} {
		cancelled(alice, bob, kind)
		alice.idle()
		bob.idle()
		rejected(bob, alice, kind)
		alice.idle()
		bob.idle()
	}
	talk(t, alice, bob, 2)
	bob.seesAndHears(30)
	hangUp(alice, bob)
}

// Each method that the state does not allow fails with its code.
func TestStateCodes(t *testing.T) {
	_, alice, bob := pair(t, "")
	fails := func(p *page, method, code string) {
		t.Helper()
		got, err := evaluate[string](p, fmt.Sprintf(`rtc[%q](%s).then(() => "done", (e) => e.code)`, method,
			map[bool]string{true: `{userId: "carol", type: 1}`}[method == "call"]))
		if err != nil || got != code {
			t.Errorf("%s: %s gives %q, %v, want %s", p.account, method, got, err, code)
		}
	}
	for method, code := range map[string]string{
		"hangup": "20005", "leave": "20009", "cancel": "20013", "accept": "20017", "reject": "20021", "switchCallType": "20025",
	} {
		fails(alice, method, code)
	}
	alice.calls("bob", 1)
	bob.expect("onInvited")
	for method, code := range map[string]string{
		"call": "20002", "leave": "20010", "accept": "20018", "reject": "20022", "switchCallType": "20026",
	} {
		fails(alice, method, code)
	}
	for method, code := range map[string]string{
		"call": "20003", "leave": "20011", "cancel": "20015", "switchCallType": "20027",
	} {
		fails(bob, method, code)
	}
	bob.does("accept")
	bob.expect("accept()")
	alice.expect("onUserAccept")
	for method, code := range map[string]string{"call": "20004", "cancel": "20016", "accept": "20020", "reject": "20024"} {
		fails(alice, method, code)
		fails(bob, method, code)
	}
	bob.does("leave")
	alice.until("is idle", "rtc.callStatus === 0")
}

// Before the callee accepts, nothing of it reaches the caller: no answer, no
// candidate, no connectivity check.
func TestNothingBeforeTheAcceptance(t *testing.T) {
	_, alice, bob := pair(t, "")
	alice.calls("bob", 2)
	bob.expect("onInvited")
	// Once the callee has set its answer and gathered, checks could run.
	bob.until("has prepared its answer", `pcs.length === 1 && pcs[0].iceGatheringState === "complete"`)
	alice.until("has gathered", `pcs[0].iceGatheringState === "complete"`)
	for range 20 {
		if n := bob.stats(); n.Pairs != 0 || n.Sent != 0 {
			t.Fatalf("the callee has sent %d checks over %d pairs before it accepted", n.Sent, n.Pairs)
		}
		if n := alice.stats(); n.Received != 0 {
			t.Fatalf("the caller has received %d checks", n.Received)
		}
	}
	for _, p := range []*page{alice, bob} {
		if used, err := evaluate[bool](p, `pcs[0].calls.some((c) => c === "addIceCandidate" || c === "setRemoteDescription answer")`); err != nil || used {
			t.Errorf("%s used the other side's candidates or answer before the acceptance (%v)", p.account, err)
		}
	}
	bob.does("accept")
	alice.seesAndHears(30)
	bob.seesAndHears(30)
}

// The server is killed in a call and started again: media goes on, the pages
// reconnect, the hang-up works, and there is one record.
func TestServerRestart(t *testing.T) {
	s, alice, bob := pair(t, "")
	talk(t, alice, bob, 2)
	alice.seesAndHears(30)
	s.stop(syscall.SIGKILL)
	before := alice.stats().Frames
	alice.seesAndHears(before + 30) // With no server at all.
	s.start()
	alice.until("is online again", "connects === 2")
	bob.until("is online again", "connects === 2")
	if n := len(alice.log()); n != alice.seen {
		t.Errorf("the restart was told to the page:%s", alice.history())
	}
	hangUp(alice, bob)
	oneRecord(t, s, call.Completed)
}

// A hang-up without a server holds at once, and the page sends it when a server is back.
func TestHangupWhileTheServerIsDown(t *testing.T) {
	s, alice, bob := pair(t, "")
	talk(t, alice, bob, 1)
	alice.hears()
	s.stop(syscall.SIGKILL)
	alice.run(`void did("hangup")`)
	alice.idle()
	s.start()
	// Alice's page is in no call any more, so its tries to connect come at longer and longer
	// distances: up to 16 s where the server was away for as long as a busy machine takes.
	bob.expectWithin(45*time.Second, "onUserLeave", "onCallEnd")
	bob.record(1)
	alice.record(1)
	alice.expect("hangup()")
	oneRecord(t, s, call.Completed)
}

// oneRecord stops the server and looks into its database.
func oneRecord(t *testing.T, s *server, reason call.Reason) {
	t.Helper()
	s.stop(syscall.SIGTERM)
	db := s.database(t)
	defer db.Close()
	for _, account := range []call.Account{"alice", "bob"} {
		records, err := db.Records(t.Context(), account, store.Newest(10))
		if err != nil || len(records) != 1 || records[0].Reason != reason {
			t.Errorf("%s has the records %+v, %v, want one with reason %d", account, records, err, reason)
		}
	}
}
