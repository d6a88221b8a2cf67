package e2e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
	{"half-open, then cut", func(p *proxy) {
		p.fall()
		time.AfterFunc(700*time.Millisecond, p.cut)
	}},
	{"cut twice", func(p *proxy) {
		p.cut()
		time.AfterFunc(1500*time.Millisecond, p.cut)
	}},
}

var (
	faultSeed   = flag.Uint64("fault-seed", 7, "what befalls whom, and when")
	faultRounds = flag.Int("fault-rounds", 2*len(faults), "how many calls are disturbed")
)

// ringFor is how long it rings in faultPlans where nobody answers.
const ringFor = 3 * time.Second

var faultPlans = []string{"hangs up", "rejects", "cancels", "accepts while the other cancels", "both call", "nobody answers"}

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
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the wire of %s: %s", account, p.lately())
			}
		})
	}
	alice, bob := people["alice"], people["bob"]
	witness := open(t, browser, app.URL) // With a network of its own.
	t.Logf("seed %d", *faultSeed)
	rng := rand.New(rand.NewPCG(*faultSeed, *faultSeed))
	reasons := make(map[string]int)
	known, longest := 0, 0 // Records of the rounds before, and seconds.
	for round := range *faultRounds {
		// Each fault befalls either page, the other one suffers any.
		turn := round / len(faults) % 2
		plan := faultPlans[(round+turn)%len(faultPlans)]
		of := []fault{faults[round%len(faults)], faults[rng.IntN(len(faults))]}
		if turn == 1 {
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
		playFaulty(rng, plan, alice, bob)
		struck.Wait()
		for account, p := range people {
			through[account].slow(0)
			// The server takes 10 s to miss a silent page, and the grace of a call whose other
			// side has media is 40 s. A call that rings on for its 60 s is still found out.
			eventually(t, 55*time.Second, fmt.Sprintf("%d: %s is idle", round, account), func() bool {
				idle, err := evaluate[bool](p, "rtc.callStatus === 0")
				return err == nil && idle
			})
		}
		filed := agree(t, round, s, witness, alice, bob)
		// A call that is there before the other side dials as well may be over by then.
		most := map[bool]int{false: 1, true: 2}[plan == "both call"]
		if n := len(filed) - known; n < 1 || n > most {
			t.Fatalf("%d: there are %d new records, want 1 to %d: %+v", round, n, most, filed)
		}
		for _, r := range filed[known:] {
			reasons[r.Reason]++
			longest = max(longest, slices.Max(r.Durations))
			// Even a caller who is gone has a longer grace.
			if plan == "nobody answers" && r.Reason != "timeout" {
				t.Errorf("%d: nobody answered, and it ended %s", round, r.Reason)
			}
		}
		known = len(filed)
	}
	t.Logf("outcomes: %v, the longest took %d s", reasons, longest)
	if *faultRounds >= 2*len(faults) && (reasons["completed"] < 2 || reasons["timeout"] < 2 || longest == 0) {
		t.Errorf("the outcomes %v, of %d s at most, are of too few kinds", reasons, longest)
	}
}

// playFaulty has both do what a plan says, as far as their networks let them.
func playFaulty(rng *rand.Rand, plan string, alice, bob *page) {
	hesitate := func() { time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond) }
	switch plan {
	case "both call":
		alice.run(`void did("call", {userId: "bob", type: 1})`)
		time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
		bob.run(`void did("call", {userId: "alice", type: 1})`)
		alice.maybe(5*time.Second, "rtc.callStatus === 3")
	case "nobody answers":
		alice.run(fmt.Sprintf("rtc.setCallTimeout(%d)", ringFor.Milliseconds()))
		alice.run(`did("call", {userId: "bob", type: 1})`)
		bob.maybe(ringFor, "rtc.callStatus === 2")
		return
	default:
		alice.run(`did("call", {userId: "bob", type: 1})`)
		bob.maybe(30*time.Second, "rtc.callStatus === 2")
	}
	hesitate()
	switch plan {
	case "rejects":
		bob.does("reject")
	case "cancels":
		alice.does("cancel")
	case "accepts while the other cancels":
		alice.does("cancel")
		bob.does("accept")
	case "hangs up":
		bob.does("accept")
		alice.maybe(5*time.Second, "rtc.callStatus === 3")
		time.Sleep(time.Second) // So that the call has a duration.
		hesitate()
	}
	hesitate()
	// In the end somebody hangs up what is left, be it in a dead network.
	first, second := alice, bob
	if rng.IntN(2) == 1 {
		first, second = bob, alice
	}
	first.does("hangup")
	if plan == "both call" {
		// A hang-up ends one call, and the networks may have kept the two invitations
		// apart. The other invitation then rings for its 60 s, as it should, which is
		// longer than any wait of the test. So its caller hangs up as well. A page that
		// is in a call does not: the hang-up of the other side has to reach it.
		second.run(`rtc.callStatus === 1 ? did("hangup") : null`)
	}
}

// outcome is how a call ended.
type outcome struct {
	Call   string `json:"callId"`
	Kind   int    `json:"kind"`
	Caller string `json:"caller"`
	Callee string `json:"callee"`
	// Durations are those of caller and callee, in seconds.
	Durations []int  `json:"durations"`
	Reason    string `json:"reason"`
}

// filed are the records that the server has for an account, oldest first.
func filed(s *server, witness *page, account string) ([]outcome, error) {
	return evaluate[[]outcome](witness, fmt.Sprintf(`(async () => {
		const client = new Peal.PealClient({ server: %q, getToken: () => %q });
		await client.connect();
		const records = await client.records({ limit: 100 });
		await client.close();
		return records.reverse().map((r) => ({ ...r, durations: [r.durationSeconds, r.durationSeconds] }));
	})()`, s.url(), s.token(account)))
}

// told are the records that a page was given, and by every reason that any message named, the calls
// that ended so. An invitation that was cancelled before the server stored it is no call: nobody
// was called.
func (p *page) told() (records []outcome, reasons map[string][]string, err error) {
	records, err = evaluate[[]outcome](p, `log.filter((e) => e.name === "onmsg").map((e) => e.args[0]).map((m) => ({
		callId: m.attach.channelId, kind: m.attach.status, caller: m.from, callee: m.to,
		durations: [m.from, m.to].map((who) => m.attach.durations.find((d) => d.accid === who).duration),
	}))`)
	if err != nil {
		return nil, nil, err
	}
	reasons, err = evaluate[map[string][]string](p, `wire.filter((e) => !e.sent)
		.flatMap((e) => [e.frame.call, ...(e.frame.welcome?.calls ?? [])])
		.filter((u) => u?.call?.state === "CALL_STATE_ENDED" && u.call.callee?.account)
		.reduce((all, { call }) => ({ ...all, [call.callId]: [...(all[call.callId] ?? []), call.reason] }), {})`)
	return records, reasons, err
}

// agree waits until both pages have been given the records that the server has,
// compares all reasons that the pages received with those, and returns them, oldest first.
func agree(t *testing.T, round int, s *server, witness, alice, bob *page) []outcome {
	t.Helper()
	// A page in no call may take 25 s to find out that a network is dead, and some seconds to
	// connect again.
	for deadline := time.Now().Add(45 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		records, difference := differ(s, witness, alice, bob)
		if difference == "" {
			return records
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d: %s", round, difference)
		}
	}
}

// differ gives the server's records, and how they differ from what the pages received.
func differ(s *server, witness *page, people ...*page) (records []outcome, difference string) {
	for i, p := range people {
		list, err := filed(s, witness, p.account)
		if err != nil {
			return nil, err.Error()
		}
		if i == 0 {
			records = list
		}
		if diff := cmp.Diff(records, list); diff != "" {
			return nil, fmt.Sprintf("the server has other records for %s (-%s +%s):\n%s", p.account, people[0].account, p.account, diff)
		}
	}
	byCall := cmpopts.SortSlices(func(a, b outcome) int { return strings.Compare(a.Call, b.Call) })
	for _, p := range people {
		given, reasons, err := p.told()
		if err != nil {
			return nil, err.Error()
		}
		if diff := cmp.Diff(records, given, byCall, cmpopts.IgnoreFields(outcome{}, "Reason")); diff != "" {
			return nil, fmt.Sprintf("%s was given other records (-server +page):\n%s", p.account, diff)
		}
		for _, r := range records {
			for _, reason := range reasons[r.Call] {
				if want := "REASON_" + strings.ToUpper(r.Reason); reason != want {
					return nil, fmt.Sprintf("%s was told that %s ended %s, its record says %s", p.account, r.Call, reason, want)
				}
			}
			if len(reasons[r.Call]) == 0 {
				return nil, fmt.Sprintf("%s was never told how %s ended, %s", p.account, r.Call, r.Reason)
			}
		}
		if len(reasons) != len(records) {
			return nil, fmt.Sprintf("%s was told the end of %d calls, there are %d records: %v", p.account, len(reasons), len(records), reasons)
		}
	}
	return records, ""
}

// lately is what went over a page's wire last, but for descriptions and candidates.
func (p *page) lately() string {
	lines, err := evaluate[[]string](p, `wire.filter((e) => !e.frame.ping && !e.frame.pong && !e.frame.candidates).slice(-60).map((e) =>
		e.at % 100000 + (e.sent ? " > " : " < ") + JSON.stringify(e.frame, (k, v) => ["sdp", "offer", "answer", "iceServers", "candidates"].includes(k) && typeof v !== "object" || k === "candidates" || k === "iceServers" ? "…" : v))`)
	if err != nil {
		return err.Error()
	}
	return "\n  " + strings.Join(lines, "\n  ")
}

// maybe waits for a condition that a fault may keep from coming true.
func (p *page) maybe(most time.Duration, condition string) {
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if ok, err := evaluate[bool](p, condition); err == nil && ok {
			return
		}
	}
}
