package e2e_test

import (
	"testing"
	"time"
)

// How long after the acceptance both are to see and hear, however long it rang: a
// machine that tests does other things as well.
const soonAfter = 5 * time.Second

// waitFor lets time go by.
func (p *page) waitFor(d time.Duration) {
	p.t.Helper()
	at := time.Now()
	eventually(p.t, 2*d, "enough time has gone by", func() bool { return time.Since(at) > d })
}

// watchForMedia has a page note when it first received a picture and sound.
func (p *page) watchForMedia() {
	p.t.Helper()
	p.run(`(() => {
		window.mediaAt = 0;
		const look = async () => {
			let sees = false, hears = false;
			// A connection that closes at this moment gives none, and does not say so.
			const none = new Promise((resolve) => setTimeout(resolve, 500, null));
			(await Promise.race([pcs.at(-1)?.getStats().catch(() => null), none]))?.forEach((s) => {
				if (s.type !== "inbound-rtp") return;
				if (s.kind === "video") sees ||= s.framesDecoded > 0;
				else hears ||= s.packetsReceived > 0;
			});
			if (sees && hears) mediaAt = Date.now();
			else setTimeout(look, 20);
		};
		void look();
	})()`)
}

// mediaAfter waits until a page has media, and gives how long after a moment it had.
func (p *page) mediaAfter(since time.Time) time.Duration {
	p.t.Helper()
	p.until("sees and hears", "mediaAt > 0")
	at, err := evaluate[int64](p, "mediaAt")
	if err != nil {
		p.t.Fatal(err)
	}
	return time.UnixMilli(at).Sub(since)
}

// longRing has a call ring for so long before it is answered.
func longRing(t *testing.T, caller, callee *page, ring time.Duration) {
	t.Helper()
	caller.calls(callee.account, 2)
	callee.expect("onInvited")
	callee.waitFor(ring)
	for _, p := range []*page{caller, callee} {
		p.watchForMedia()
	}
	at := time.Now()
	callee.does("accept")
	for _, p := range []*page{callee, caller} {
		took := p.mediaAfter(at)
		t.Logf("%s has media %s after the acceptance", p.account, took.Round(time.Millisecond))
		if took > soonAfter {
			t.Errorf("%s has media only %s after the acceptance", p.account, took)
		}
		if asked, err := evaluate[bool](p, "wire.some((w) => w.frame.restart)"); err != nil || asked {
			t.Errorf("%s asked for a restart (%v)", p.account, err)
		}
	}
	callee.expect("accept()", "onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	caller.expect("onUserAccept", "onJoinChannel", "onUserEnter", "onAudioAvailable", "onCameraAvailable")
	caller.seesAndHears(10)
	callee.seesAndHears(10)
	hangUp(caller, callee)
}

// A call that rang for long is there as soon as one that was answered at once: in Firefox
// ICE fails where nothing of the other side comes for 5 s.
func TestLongRing(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	alice := device(t, startBrowser(t), app, s, "alice", "")
	bob := inFirefox(t, startFirefox(t), app, s, "bob", "")
	for _, ring := range []time.Duration{time.Second, 7 * time.Second} {
		longRing(t, alice, bob, ring)
	}
	longRing(t, bob, alice, 7*time.Second)
}

// A device that rings for long makes few connections, each with an address of the relay: where
// Firefox gave them all up, the acceptance makes the next one.
func TestLongRingMakesFewConnections(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	alice := device(t, startBrowser(t), app, s, "alice", "")
	bob := inFirefox(t, startFirefox(t), app, s, "bob", "")
	longRing(t, alice, bob, 24*time.Second)
	// 3 while it rings, and one for the acceptance.
	if n, err := evaluate[int](bob, "pcs.length"); err != nil || n > 4 {
		t.Errorf("it made %d connections, %v, want 4 at most", n, err)
	}
}
