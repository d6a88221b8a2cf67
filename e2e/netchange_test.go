//go:build linux

package e2e_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/testing/nets"
)

// gaps are the longest times without anything new, in milliseconds, and how often
// ICE was started again.
type gaps struct {
	Audio, Video       int64
	Restarts, Rebuilds int
	Flowing            bool
}

// record has a page measure from now on. It looks at the browser's own counters.
func (p *person) record() {
	p.t.Helper()
	p.run(`(() => {
		clearInterval(window.recording);
		window.trail = [];
		const note = (what) => trail.push({ at: Date.now(), what });
		window.debug ??= console.debug;
		console.debug = (...args) => { note(args.at(-1)); debug(...args); };
		const kinds = {};
		for (const kind of ["audio", "video"]) kinds[kind] = { count: 0, last: performance.now(), most: 0 };
		let pc = null;
		const follow = () => {
			pc = pcs.at(-1);
			const mine = pc;
			pc.onsignalingstatechange = () => note(mine.signalingState);
			pc.addEventListener("connectionstatechange", () => note(mine.connectionState));
			const ice = pc.getSenders()[0]?.transport?.iceTransport;
			if (!ice) pc = null;
			else ice.onselectedcandidatepairchange = () => {
				const { local, remote } = ice.getSelectedCandidatePair() ?? {};
				note("path " + [local, remote].map((c) => c?.type + " " + c?.address + ":" + c?.port).join(", "));
			};
		};
		const look = async () => {
			if (pc !== pcs.at(-1)) follow();
			for (const s of (await pcs.at(-1).getStats()).values()) {
				if (s.type !== "inbound-rtp") continue;
				const kind = kinds[s.kind], count = s.kind === "audio" ? s.packetsReceived : s.framesDecoded, now = performance.now();
				kind.most = Math.max(kind.most, now - kind.last);
				if (!count || count === kind.count) continue;
				if (now - kind.last > 500) note(s.kind + " after " + Math.round(now - kind.last) + " ms");
				Object.assign(kind, { count, last: now });
			}
		};
		const offers = () => pcs.flatMap((pc) => pc.calls).filter((c) => c.startsWith("setRemoteDescription")).length;
		const before = [offers(), pcs.length];
		window.recorded = () => ({ audio: Math.round(kinds.audio.most), video: Math.round(kinds.video.most),
			restarts: offers() - before[0], rebuilds: pcs.length - before[1],
			flowing: Object.values(kinds).every((k) => k.count && performance.now() - k.last < 300) });
		window.recording = setInterval(look, 100);
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
	name   string
	kind   string // The network of both.
	second bool   // Alice has two interfaces.
	few    bool   // Tried also where not all are.
	spoils bool   // Her interfaces are not what they were, so she gets new ones.
	do     func(t *testing.T, w *world, alice *person)
	// most is how long the other one may be missed.
	most time.Duration
	// path says whether the one that media take afterwards is right.
	path func(alice, bob path) bool
}

// How long nothing may come: where the same way is found again, and where another has
// to be taken, or the browser has to hear of an interface first. docs/understand/results.md has what
// was measured, which is less; machines that test do other things as well.
const (
	sameWay  = 3 * time.Second
	otherWay = 6 * time.Second
	// Where nothing is to be missed. A busy browser draws nothing for a second at times; media
	// that did stop with the server would be away for as long as the server, which is 5 s.
	awayGap = 2 * time.Second
)

func isDirect(alice, bob path) bool { return alice.Local != "relay" && bob.Local != "relay" }

var changes = []change{
	{
		name: "the NAT forgets its mappings", kind: coneNet, most: sameWay, path: isDirect,
		do: func(_ *testing.T, _ *world, alice *person) { alice.link.Renumber(alice.nat.Public()) },
	},
	{
		name: "the public address changes", few: true, kind: coneNet, most: sameWay, path: isDirect,
		do: func(_ *testing.T, w *world, alice *person) { alice.link.Renumber(w.public()) },
	},
	{
		name: "the public address changes under a relayed call", kind: symmetricNet, most: otherWay,
		path: func(alice, bob path) bool { return cheapest(symmetricNet, symmetricNet, alice, bob) },
		do:   func(_ *testing.T, w *world, alice *person) { alice.link.Renumber(w.public()) },
	},
	{
		name: "UDP is blocked", few: true, kind: coneNet, most: otherWay,
		path: func(alice, bob path) bool { return cheapest(noUDPNet, coneNet, alice, bob) },
		do:   func(_ *testing.T, _ *world, alice *person) { alice.nat.SetRules(rules[noUDPNet]) },
	},
	{
		name: "the interface in use goes down", second: true, spoils: true, kind: coneNet, most: sameWay, path: isDirect,
		do: func(t *testing.T, _ *world, alice *person) { must(t, alice.linkInUse().Down()) },
	},
	{
		name: "the address of the interface is another", spoils: true, kind: coneNet, most: otherWay, path: isDirect,
		do: func(t *testing.T, w *world, alice *person) {
			must(t, alice.link.Replace(netip.AddrFrom4([4]byte{10, 1, w.next, 9})))
		},
	},
}

// serverAway takes the connection to the server away, and nothing else: media take
// no notice, nor do people.
func serverAway(t *testing.T, w *world, alice, bob *person) {
	long := 5 * time.Second // Enough for it to be found out.
	if *allNets {
		long = 10 * time.Second
	}
	begin(t, w, alice, bob, "away")
	away := rules[coneNet]
	away.NoTCPTo = addrs(httpsAddr)
	alice.nat.SetRules(away)
	at := time.Now()
	eventually(t, 2*long, "enough time has gone by", func() bool { return time.Since(at) > long })
	alice.nat.SetRules(rules[coneNet])
	alice.until("has connected again", "connects === 2")
	for _, p := range []*person{alice, bob} {
		g := p.recorded()
		t.Logf("%s: %+v%s", p.account, g, p.trail(at))
		if max(g.Audio, g.Video) > awayGap.Milliseconds() || g.Restarts+g.Rebuilds > 0 {
			t.Errorf("%s noticed: %+v", p.account, g)
		}
		if n := len(p.log()); n != p.seen {
			t.Errorf("%s is told of it:%s", p.account, p.history())
		}
	}
	hangUp(alice.page, bob.page)
}

// allAway takes the whole network away for a moment. It is the same one when it is
// back, so media go on by the connections that there are.
func allAway(t *testing.T, w *world, alice, bob *person) {
	const long = 1300 * time.Millisecond
	begin(t, w, alice, bob, "moment")
	away := rules[coneNet]
	away.NoUDP, away.NoTCPTo = true, addrs(httpsAddr, turnAddr)
	at := time.Now()
	alice.nat.SetRules(away)
	eventually(t, 2*long, "enough time has gone by", func() bool { return time.Since(at) > long })
	alice.nat.SetRules(rules[coneNet])
	for _, p := range []*person{alice, bob} {
		eventually(t, 30*time.Second, p.account+" sees and hears again", func() bool {
			g := p.recorded()
			return g.Flowing && max(g.Audio, g.Video) > long.Milliseconds()-200
		})
	}
	eventually(t, 10*time.Second, "what was asked for meanwhile is over", func() bool { return time.Since(at) > long+3*time.Second })
	for _, p := range []*person{alice, bob} {
		g := p.recorded()
		t.Logf("%s: %+v%s", p.account, g, p.trail(at))
		if g.Rebuilds > 0 || max(g.Audio, g.Video) > (long+sameWay).Milliseconds() {
			t.Errorf("%s had to begin anew: %+v", p.account, g)
		}
	}
	hangUp(alice.page, bob.page)
}

// begin brings two people into a call, whose media are measured from then on.
func begin(t *testing.T, w *world, alice, bob *person, suffix string) {
	t.Helper()
	for _, p := range []*person{alice, bob} {
		p.enter(t, w, p.name+"-"+suffix)
		// Measured is the network, not how fast this machine draws.
		p.run("rtc.setCallProfile({resolution: 2, frameRate: 2})")
	}
	talk(t, alice.page, bob.page, 2)
	for _, p := range []*person{alice, bob} {
		p.seesAndHears(30)
		p.record()
	}
	alice.settles()
	bob.settles()
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
	p.other = w.connect(p.ns, nets.LinkConfig{
		Name: "wlan0", Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, w.next, 2})}, NAT: nat, Metric: 1,
	})
}

// linkInUse is the one of two that media go by.
func (p *person) linkInUse() *nets.Link {
	p.t.Helper()
	got, err := evaluate[string](p.page, `(({ address, relatedAddress }) => relatedAddress || address)(
		pcs.at(-1).getSenders()[0].transport.iceTransport.getSelectedCandidatePair().local)`)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, l := range []*nets.Link{p.link, p.other} {
		if l.Has(netip.MustParseAddr(got)) {
			return l
		}
	}
	p.t.Fatalf("media go by %s, which is no address of %s", got, p.account)
	return nil
}

// Whatever happens to a network in a call, both see and hear each other again soon.
func TestNetChanges(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	w := newWorld(t)
	alice, bob := w.person("alice", coneNet), w.person("bob", coneNet)
	t.Run("the server is away", func(t *testing.T) { serverAway(t, w, alice, bob) })
	if *allNets {
		t.Run("all is away for a moment", func(t *testing.T) { allAway(t, w, alice, bob) })
	}
	for i, e := range earlies {
		if !e.few && !*allNets {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			if e.spoils {
				alice = w.person("alice", coneNet)
			}
			for _, p := range []*person{alice, bob} {
				p.enter(t, w, fmt.Sprintf("%s-early-%d", p.name, i))
				p.nat.SetRules(rules[coneNet])
			}
			changesEarly(t, w, alice, bob, e)
		})
	}
	for i, c := range changes {
		if !c.few && !*allNets {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if c.spoils {
				alice = w.person("alice", coneNet)
			}
			if c.second {
				w.second(alice)
			}
			alice.nat.SetRules(rules[c.kind])
			bob.nat.SetRules(rules[c.kind])
			begin(t, w, alice, bob, strconv.Itoa(i))
			at := time.Now()
			c.do(t, w, alice)
			for _, p := range []*person{alice, bob} {
				p.recovers(c.most)
			}
			eventually(t, 15*time.Second, "the right path is taken", func() bool { return c.path(alice.path(), bob.path()) })
			for _, p := range []*person{alice, bob} {
				t.Logf("%s: %+v by %+v%s", p.account, p.recorded(), p.path(), p.trail(at))
			}
			hangUp(alice.page, bob.page)
		})
	}
}

// settles waits until picture and sound flow, as before a change.
func (p *person) settles() {
	p.t.Helper()
	p.until("sees and hears", "recorded().flowing")
	p.record()
	p.until("sees and hears", "recorded().flowing")
}

// recovers waits until there was a gap that nothing but a restart could end, and it
// is over.
func (p *person) recovers(most time.Duration) {
	p.t.Helper()
	eventually(p.t, 30*time.Second, p.account+" sees and hears again", func() bool {
		g := p.recorded()
		return g.Flowing && g.Restarts > 0 && max(g.Audio, g.Video) > 700
	})
	if g := p.recorded(); max(g.Audio, g.Video) > most.Milliseconds() {
		p.t.Errorf("%s saw or heard nothing for longer than %s: %+v", p.account, most, g)
	}
}

// trail is what the browser did since the record began, from a moment on.
func (p *person) trail(since time.Time) string {
	p.t.Helper()
	type step struct {
		At   int64
		What string
	}
	steps, err := evaluate[[]step](p.page, "trail")
	if err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "\n  %5d ms %s", s.At-since.UnixMilli(), s.What)
	}
	return b.String()
}
