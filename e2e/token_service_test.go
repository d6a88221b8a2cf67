package e2e_test

import "testing"

// The token service is awaited before media is joined, on both sides, and a
// failure of it fails the join.
func TestTokenService(t *testing.T) {
	_, alice, bob := pair(t, "")
	for _, p := range []*page{alice, bob} {
		p.run(`rtc.setTokenService(async (uid) => { log.push({name: "token service", args: [uid], at: Date.now()}); if (window.deny) throw new Error("no token today"); return "a media token"; })`)
	}
	alice.calls("bob", 1)
	bob.expect("onInvited")
	bob.does("accept")
	asked := bob.expect("token service", "accept()", "onJoinChannel")
	if uid := arg[int](t, asked[0]); uid == 0 || uid != arg[struct{ UID int }](t, asked[2]).UID {
		t.Errorf("the service was asked for %d", uid)
	}
	alice.expect("onUserAccept", "token service", "onJoinChannel", "onUserEnter", "onAudioAvailable")
	bob.expect("onUserEnter", "onAudioAvailable")
	hangUp(alice, bob)

	// The callee's fails: nothing was accepted, and it rings on.
	bob.run("window.deny = true; void 0")
	alice.calls("bob", 1)
	bob.expect("onInvited")
	bob.does("accept")
	bob.expect("token service")
	if failed := bob.expect("accept() failed")[0]; len(failed.Args) != 2 {
		t.Errorf("accept() failed with %s", failed.Args)
	}
	bob.until("rings still", "rtc.callStatus === 2")
	bob.run("window.deny = false; void 0")
	bob.does("accept")
	bob.expect("token service", "accept()")
	alice.until("is in the call", "rtc.callStatus === 3")
	alice.does("hangup")
	alice.until("is idle", "rtc.callStatus === 0")
	bob.until("is idle", "rtc.callStatus === 0")

	// The caller's fails: the call ends for both.
	alice.skip()
	bob.skip()
	alice.run("window.deny = true; void 0")
	alice.calls("bob", 1)
	bob.expect("onInvited")
	bob.does("accept")
	alice.expect("onUserAccept", "token service", "onError")
	alice.until("is idle", "rtc.callStatus === 0")
	bob.until("is told that the other one has left", `log.slice(-6).some((e) => e.name === "onCallEnd") && rtc.callStatus === 0`)
}
