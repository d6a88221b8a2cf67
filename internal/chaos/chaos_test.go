package chaos_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
)

var (
	rounds = flag.Int("rounds", 4, "how often to kill the server")
	pairs  = flag.Int("pairs", 20, "how many calls are under way each time")
	seed   = flag.Uint64("seed", 1, "decides when the server is killed and who does what")
)

// patience bounds what everybody needs to agree after a kill: the longest grace,
// and time to connect.
const patience = 60 * time.Second

// step is a moment in a call at which the server dies.
type step struct{ where, when, what string }

func (s step) String() string { return s.when + " " + s.where + " " + s.what }

// steps are before and after each commit and each message of a call.
var steps = func() (all []step) {
	for _, when := range []string{"before", "after"} {
		for _, what := range []string{"ringing", "connecting", "connected", "ended", "note"} {
			all = append(all, step{"the commit", when, what})
		}
		for _, what := range []string{"made", "rings", "answered", "accepted", "elsewhere", "connected", "ended"} {
			all = append(all, step{"the message", when, what})
		}
	}
	return all
}()

func TestKill(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seed, 0xdead))
	order := rng.Perm(len(steps))
	s := build(t)
	s.start()
	p := startProxy(t, s)
	var all []*pair
	for i := range *pairs {
		all = append(all, p.pair(fmt.Sprint("pair", i)))
	}
	reached := make(map[step]int)
	outcomes := make(map[client.Reason]int)
	var worst time.Duration
	for round := range *rounds {
		at := steps[order[round%len(steps)]]
		died := s.death()
		n := 1 + rng.IntN(max(1, *pairs/2))
		if at.where == "the commit" {
			s.order(at.when, at.what, n)
		} else {
			p.arm(at.when, at.what, n)
		}
		var under sync.WaitGroup
		for i, pair := range all {
			pair.does(plans[(i+round)%len(plans)], rng, 100*time.Millisecond)
			under.Go(func() { pair.play(t.Context()) })
		}
		over := make(chan struct{})
		go func() { under.Wait(); close(over) }()
		select {
		case <-died:
			reached[at]++
		case <-over:
			s.kill() // It did not come to that.
		}
		p.disarm()
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		s.start()
		back := time.Now()
		<-over
		for _, pair := range all {
			for _, e := range pair.agrees(t) {
				outcomes[e.record.Reason]++
			}
		}
		worst = max(worst, time.Since(back))
		if t.Failed() {
			t.Fatalf("round %d, killed %s; replay: go test ./internal/chaos -run TestKill -seed %d -rounds %d\n%s",
				round, at, *seed, round+1, s.log.String())
		}
	}
	for _, at := range steps {
		if *rounds >= len(steps) && reached[at] == 0 {
			t.Errorf("the server never died %s", at)
		}
	}
	t.Logf("outcomes=%v worst=%s after a kill", outcomes, worst.Round(time.Millisecond))
	fmt.Printf("kills=%d steps=%d calls=%d violations=0\n", *rounds, len(reached), *rounds**pairs)
}

// TestRaces has two things done at once, again and again, until either was
// first, and everybody agreed each time.
func TestRaces(t *testing.T) {
	s := build(t)
	s.start()
	p := startProxy(t, s)
	for _, race := range races {
		t.Run(string(race), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(*seed, 0xace))
			pair := p.pair(fmt.Sprintf("race%d", slices.Index(races, race)))
			seen := make(map[string]int)
			hesitate := time.Millisecond
			for try := 0; len(seen) < 2; try++ {
				if try == 100 {
					t.Fatalf("only this came of it: %v", seen)
				}
				pair.does(race, rng, hesitate)
				if race == acceptTimeout { // The message takes a while as well.
					pair.callee.plan(race, -time.Duration(rng.Int64N(int64(hesitate))))
					pair.other.plan(timeout, 0)
				}
				pair.play(t.Context())
				for _, e := range pair.agrees(t) {
					if who := first(race, e); who != "" {
						seen[who]++
					}
				}
				if t.Failed() {
					return
				}
				hesitate = min(hesitate*3/2, 50*time.Millisecond)
			}
			t.Log(seen)
		})
	}
}

// first is a word for what was first, or nothing where that does not show.
func first(race plan, e ending) string {
	switch {
	case race == hangups:
		return e.actor
	case race == accepts:
		return e.device
	case race != glare:
		return string(e.record.Reason)
	case e.record.Reason == "completed":
		return e.record.Caller
	default:
		return ""
	}
}
