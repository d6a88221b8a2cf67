package e2e_test

import (
	"flag"
	"testing"
	"time"
)

var manyCalls = flag.Int("many-calls", 3, "how many calls TestManyCalls makes in each pair of browsers")

// browserLife is how long a browser may run: it ends with its test, or after this.
func browserLife() time.Duration {
	return max(6*time.Minute, time.Duration(*manyCalls)*20*time.Second)
}

// diagnosis is what a page knows of its newest connection when media do not come.
const diagnosis = `(() => {
	const pc = pcs.at(-1);
	const signals = wire.slice(-60).map((e) => [e.sent ? ">" : "<", e.at % 100000, Object.keys(e.frame).join(), JSON.stringify(e.frame.candidates ?? e.frame.accept?.candidates ?? e.frame.media ?? e.frame.error ?? "").slice(0, 400)].join(" "));
	const about = pc && [pc.connectionState, pc.iceConnectionState, pc.iceGatheringState, pc.signalingState, ...pc.states, ...pc.calls];
	return JSON.stringify({ connections: pcs.length, about, visibility: document.visibilityState, signals }, null, 1);
})()`

// TestManyCalls makes many calls in each pair of browsers. Each one that is answered has
// to get its media: -many-calls makes it a search, best with other work beside.
func TestManyCalls(t *testing.T) {
	s := startServer(t)
	app := application(t, s)
	_, pairs := browserPairs(t, s, app)
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			alice, bob := pair.caller(t, "alice-"+pair.name), pair.callee(t, "bob-"+pair.name)
			for i := range *manyCalls {
				one(t, alice, bob, i)
			}
		})
	}
}

// one makes a call, audio or video in turn, and ends it.
func one(t *testing.T, alice, bob *page, i int) {
	t.Helper()
	kind := i%2 + 1
	for _, p := range []*page{alice, bob} {
		p.run("pcs.length = 0; wire.length = 0; log.length = 0")
		p.seen = 0
	}
	alice.calls(bob.account, kind)
	bob.expect("onInvited")
	began := time.Now()
	bob.does("accept")
	for _, p := range []*page{alice, bob} {
		if within(30*time.Second, func() bool { return p.flows(kind) || p.over() }) && p.flows(kind) {
			continue
		}
		t.Errorf("call %d of type %d: no media at %s after %v", i, kind, p.account, time.Since(began))
		for _, p := range []*page{alice, bob} {
			said, err := evaluate[string](p, diagnosis)
			t.Logf("%s: %s %v%s", p.account, said, err, p.history())
		}
	}
	t.Logf("call %d of type %d: media after %v", i, kind, time.Since(began).Round(10*time.Millisecond))
	alice.run(`did("hangup")`)
	for _, p := range []*page{alice, bob} {
		p.until("is idle", "rtc.callStatus === 0")
	}
}

// flows says whether sound comes, and in a video call a picture.
func (p *page) flows(kind int) bool {
	n := p.stats()
	return n.Energy > 0 && (kind == 1 || n.Frames > 0)
}

// over says whether the page has heard that the call has ended.
func (p *page) over() bool {
	for _, e := range p.log() {
		if e.Name == "onCallEnd" || e.Name == "onDisconnect" {
			return true
		}
	}
	return false
}
