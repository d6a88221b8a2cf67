//go:build linux

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// early is a change of a network before there are media: of that of alice.
type early struct {
	name     string
	caller   bool // Alice calls.
	answered bool // It comes after the acceptance, not while it rings.
	few      bool // Tried also where not all are.
	spoils   bool // As of a change.
	do       func(t *testing.T, w *world, alice *person)
	// most is how long after the acceptance both see and hear.
	most time.Duration
}

// The server is found again before anyone knows of the change: that takes 4 s. While it
// rings nobody waits for that.
const (
	whileItRings = 4 * time.Second
	onceAnswered = 9 * time.Second
)

func anotherPublic(_ *testing.T, w *world, alice *person) { alice.link.Renumber(w.public()) }

func anotherAddress(t *testing.T, w *world, alice *person) {
	must(t, alice.link.Replace(netip.AddrFrom4([4]byte{10, 2, w.next, 9})))
}

var earlies = []early{
	{name: "the public address of the caller changes while it rings", caller: true, few: true, do: anotherPublic, most: whileItRings},
	{name: "the public address of the callee changes while it rings", few: true, do: anotherPublic, most: whileItRings},
	{name: "the public address of the caller changes once answered", caller: true, answered: true, do: anotherPublic, most: onceAnswered},
	{name: "the public address of the callee changes once answered", answered: true, do: anotherPublic, most: onceAnswered},
	{name: "the caller's interface has another address while it rings", caller: true, spoils: true, do: anotherAddress, most: whileItRings},
	{name: "the callee's interface has another address while it rings", spoils: true, do: anotherAddress, most: whileItRings},
}

// changesEarly has it happen, and both see and hear each other soon all the same.
func changesEarly(t *testing.T, w *world, alice, bob *person, e early) {
	caller, callee := bob.page, alice.page
	if e.caller {
		caller, callee = callee, caller
	}
	caller.calls(callee.account, 2)
	callee.expect("onInvited")
	if e.answered {
		// Media must not be faster than the change.
		none := rules[coneNet]
		none.NoUDP, none.NoTCPTo = true, addrs(turnAddr)
		alice.nat.SetRules(none)
	} else {
		connects, err := evaluate[int](alice.page, "connects")
		must(t, err)
		e.do(t, w, alice)
		alice.until("has connected again", fmt.Sprintf("connects > %d", connects))
		alice.waitFor(time.Second) // The restarted call is there.
	}
	for _, p := range []*page{caller, callee} {
		p.watchForMedia()
	}
	at := time.Now()
	callee.does("accept")
	if e.answered {
		caller.expect("onUserAccept")
		e.do(t, w, alice)
		alice.nat.SetRules(rules[coneNet])
	}
	for _, p := range []*page{callee, caller} {
		took := p.mediaAfter(at)
		asked, err := evaluate[[]json.RawMessage](p, "wire.filter((w) => w.sent && w.frame.restart).map((w) => w.frame.restart)")
		must(t, err)
		t.Logf("%s has media %s after the acceptance, and asked for %s", p.account, took.Round(time.Millisecond), asked)
		if took > e.most {
			t.Errorf("%s has media only %s after the acceptance", p.account, took)
		}
	}
	for _, p := range []*page{callee, caller} {
		p.seesAndHears(10)
		p.skip()
	}
	hangUp(caller, callee)
}
