//go:build linux

package e2e_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/nets"
)

// gaps are the longest times without anything new, in milliseconds, and how often
// ICE was started again.
type gaps struct {
	Audio, Video float64
	Restarts     int
}

// record has a page measure from now on. It looks at the browser's own counters.
func (p *person) record() {
	p.t.Helper()
	p.run(`(() => {
		clearInterval(window.recording);
		const pc = pcs.at(-1), calls = () => pc.calls.filter((c) => c.startsWith("setRemoteDescription")).length;
		const now = performance.now(), before = calls();
		const kinds = { audio: { count: 0, last: now, most: 0, events: 0 }, video: { count: 0, last: now, most: 0, events: 0 } };
		const look = async () => {
			for (const s of (await pc.getStats()).values()) {
				if (s.type !== "inbound-rtp") continue;
				const kind = kinds[s.kind], count = s.kind === "audio" ? s.packetsReceived : s.framesDecoded, now = performance.now();
				kind.most = Math.max(kind.most, now - kind.last);
				if (count > kind.count) {
					Object.assign(kind, { count, last: now });
					kind.events++;
				}
			}
		};
		window.recorded = () => ({ audio: kinds.audio.most, video: kinds.video.most, restarts: calls() - before,
			flowing: Object.values(kinds).every((k) => performance.now() - k.last < 200) });
		window.recording = setInterval(look, 50);
	})()`)
}

func (p *person) recorded() gaps {
	p.t.Helper()
	g, err := evaluate[gaps](p.page, "recorded()")
	if err != nil {
		p.t.Fatal(err)
	}
	return g
}

// change is something that happens to a network in a call: to that of alice.
type change struct {
	name       string
	alice, bob string // Their networks.
	do         func(t *testing.T, w *world, alice *person)
	// most is how long the other one may be missed.
	most time.Duration
	// path says whether the one that media take afterwards is right.
	path func(alice, bob path) bool
}

// How long nothing may come where a way remains, and where a relay has to be found first.
const (
	remains = 2 * time.Second
	relayed = 5 * time.Second
)

func isDirect(alice, bob path) bool { return alice.Local != "relay" && bob.Local != "relay" }

var changes = []change{
	{
		name: "the NAT forgets its mappings", alice: coneNet, bob: coneNet, most: remains, path: isDirect,
		do: func(_ *testing.T, _ *world, alice *person) { alice.link.Renumber(alice.nat.Public()) },
	},
	{
		name: "the public address changes", alice: coneNet, bob: coneNet, most: remains, path: isDirect,
		do: func(_ *testing.T, w *world, alice *person) { alice.link.Renumber(w.public()) },
	},
	{
		name: "the public address changes under a relayed call", alice: symmetricNet, bob: symmetricNet, most: relayed,
		path: func(alice, bob path) bool { return cheapest(symmetricNet, symmetricNet, alice, bob) },
		do:   func(_ *testing.T, w *world, alice *person) { alice.link.Renumber(w.public()) },
	},
	{
		name: "the interface in use goes down", alice: coneNet, bob: coneNet, most: remains, path: isDirect,
		do: func(t *testing.T, _ *world, alice *person) { must(t, alice.link.Down()) },
	},
	{
		name: "the address of the interface is another", alice: coneNet, bob: coneNet, most: relayed, path: isDirect,
		do: func(t *testing.T, w *world, alice *person) { must(t, alice.link.Replace(netip.AddrFrom4([4]byte{10, 1, w.next, 9}))) },
	},
	{
		name: "UDP is blocked", alice: coneNet, bob: coneNet, most: relayed,
		path: func(alice, bob path) bool { return cheapest(noUDPNet, coneNet, alice, bob) },
		do:   func(_ *testing.T, _ *world, alice *person) { alice.nat.SetRules(rules[noUDPNet]) },
	},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// public is a public address that nobody has.
func (w *world) public() netip.Addr {
	w.next++
	return netip.AddrFrom4([4]byte{198, 51, 100, w.next})
}

// second gives somebody another interface, behind a NAT of its own.
func (w *world) second(p *person) {
	w.t.Helper()
	nat := nets.NewNAT(w.public(), rules[coneNet])
	w.connect(p.ns, nets.LinkConfig{
		Name: "wlan0", Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, w.next, 2})}, NAT: nat, Metric: 1,
	})
}

// Whatever happens to a network in a call, both see and hear each other again soon.
func TestNetChanges(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	w := newWorld(t)
	bob := w.person("bob", coneNet)
	for _, c := range changes {
		if !t.Run(c.name, func(t *testing.T) {
			alice := w.person("alice", c.alice)
			if c.name == "the interface in use goes down" {
				w.second(alice)
			}
			bob.nat.SetRules(rules[c.bob])
			alice.t, bob.t = t, t
			talk(t, alice.page, bob.page, 2)
			alice.seesAndHears(30)
			bob.seesAndHears(30)
			alice.record()
			bob.record()
			alice.settles()
			bob.settles()
			at := time.Now()
			c.do(t, w, alice)
			alice.recovers(c.most)
			bob.recovers(c.most)
			var from, to path
			eventually(t, 15*time.Second, "the right path is taken", func() bool {
				from, to = alice.path(), bob.path()
				return c.path(from, to)
			})
			for _, p := range []*person{alice, bob} {
				t.Logf("%s: %+v by %+v, after %s", p.account, p.recorded(), p.path(), time.Since(at).Round(time.Millisecond))
			}
			hangUp(alice.page, bob.page)
			alice.run("rtc.logout()")
		}) {
			return
		}
	}
}

// settles waits until picture and sound flow, as before a change.
func (p *person) settles() {
	p.t.Helper()
	p.until("sees and hears", "recorded().flowing")
	p.record()
	p.until("sees and hears", "recorded().flowing")
}

// recovers waits until there was a gap, and it is over.
func (p *person) recovers(most time.Duration) {
	p.t.Helper()
	eventually(p.t, 30*time.Second, p.account+" sees and hears again", func() bool {
		g := p.recorded()
		flowing, err := evaluate[bool](p.page, "recorded().flowing")
		return err == nil && flowing && max(g.Audio, g.Video) > 300
	})
	if g := p.recorded(); max(g.Audio, g.Video) > float64(most.Milliseconds()) {
		p.t.Errorf("%s saw or heard nothing for longer than %s: %+v", p.account, most, g)
	}
}

var _ = slices.Contains[[]string]
