package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// fault is what happens to the network of one of two pages.
type fault struct {
	name string
	do   func(*proxy)
}

var faults = []fault{
	{"nothing", func(*proxy) {}},
	{"slow", func(p *proxy) { p.slow(300 * time.Millisecond) }},
	{"cut", (*proxy).cut},
	{"half-open", (*proxy).fall},
	{"lossy, then cut", func(p *proxy) {
		p.fall()
		time.AfterFunc(700*time.Millisecond, p.cut)
	}},
	{"cut twice", func(p *proxy) {
		p.cut()
		time.AfterFunc(1500*time.Millisecond, p.cut)
	}},
}

// Whatever happens to the network of either page, at whatever moment of a call,
// both pages and the server come to the same end of it: soon, and once.
func TestFaults(t *testing.T) {
	s := startServer(t)
	browser := startBrowser(t)
	app := application(t, s)
	through := map[string]*proxy{"alice": startProxy(t, s), "bob": startProxy(t, s)}
	people := make(map[string]*page)
	for account, by := range through {
		p := open(t, browser, app.URL)
		p.account = account
		p.run(fmt.Sprintf("login(%q, %q, %q)", by.url(), account, s.token(account)))
		people[account] = p
	}
	alice, bob := people["alice"], people["bob"]
	witness := open(t, browser, app.URL) // With a network of its own.
	rng := rand.New(rand.NewPCG(7, 7))
	for round := range 2 * len(faults) {
		plan := []string{"hangs up", "rejects", "cancels", "accepts while the other cancels"}[round%4]
		// Each fault befalls either page, the other one suffers any.
		of := []fault{faults[round%len(faults)], faults[rng.IntN(len(faults))]}
		if round >= len(faults) {
			slices.Reverse(of)
		}
		after := time.Duration(rng.IntN(1200)) * time.Millisecond
		t.Logf("%d: %s; alice's network: %s, bob's: %s, after %s", round, plan, of[0].name, of[1].name, after)
		var struck sync.WaitGroup
		for i, account := range []string{"alice", "bob"} {
			struck.Go(func() {
				time.Sleep(after)
				of[i].do(through[account])
			})
		}
		hesitate := func() { time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond) }
		alice.run(`did("call", {userId: "bob", type: 1})`)
		bob.maybe(30*time.Second, "rtc.callStatus === 2")
		hesitate()
		switch plan {
		case "rejects":
			bob.does("reject")
		case "cancels":
			alice.does("cancel")
		case "accepts while the other cancels":
			alice.does("cancel")
			bob.does("accept")
		default:
			bob.does("accept")
			alice.maybe(5*time.Second, "rtc.callStatus === 3")
			hesitate()
		}
		hesitate()
		// In the end somebody hangs up what is left, be it in a dead network.
		[]*page{alice, bob}[rng.IntN(2)].does("hangup")
		struck.Wait()
		for account, p := range people {
			through[account].slow(0)
			eventually(t, 45*time.Second, fmt.Sprintf("%d: %s is idle", round, account), func() bool {
				idle, err := evaluate[bool](p, "rtc.callStatus === 0")
				return err == nil && idle
			})
		}
		agree(t, round, s, witness, alice, bob)
	}
}

// agree waits until both pages have been given the records that the server has.
func agree(t *testing.T, round int, s *server, witness, alice, bob *page) {
	t.Helper()
	var filed, got, other []int
	same := func() bool {
		var err error
		filed, err = evaluate[[]int](witness, fmt.Sprintf(`(async () => {
			const client = new Peal.PealClient({ server: %q, getToken: () => %q });
			await client.connect();
			const records = await client.records({ limit: 100 });
			await client.close();
			return records.map((r) => r.kind);
		})()`, s.url(), s.token("alice")))
		if err != nil {
			return false
		}
		got, other = alice.statuses(), bob.statuses()
		for _, list := range [][]int{filed, got, other} {
			slices.Sort(list)
		}
		return slices.Equal(filed, got) && slices.Equal(filed, other)
	}
	for deadline := time.Now().Add(20 * time.Second); !same(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d: the server has records of the kinds %v, alice was given %v, bob %v", round, filed, got, other)
		}
	}
	if len(filed) > round+1 {
		t.Fatalf("%d: there are %d records", round, len(filed))
	}
}

// maybe waits for a condition that a fault may keep from coming true.
func (p *page) maybe(most time.Duration, condition string) {
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if ok, err := evaluate[bool](p, condition); err == nil && ok {
			return
		}
	}
}
