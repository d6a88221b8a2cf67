package chaos_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
)

var (
	rounds = flag.Int("rounds", 4, "how often to kill the server")
	pairs  = flag.Int("pairs", 20, "how many calls are under way each time")
	seed   = flag.Uint64("seed", 1, "decides when the server is killed and who does what")
)

// step is a moment in a call at which the server dies.
type step struct{ where, when, what string }

func (s step) String() string { return s.when + " " + s.where + " " + s.what }

// steps are before and after each commit and each message of a call, and each answer of the
// backend that receives its events.
var steps = func() (all []step) {
	for _, when := range []string{"before", "after"} {
		for _, what := range []string{"ringing", "connecting", "connected", "ended", "note"} {
			all = append(all, step{"the commit", when, what})
		}
		for _, what := range []string{"made", "rings", "answered", "accepted", "elsewhere", "connected", "ended"} {
			all = append(all, step{"the message", when, what})
		}
		for _, what := range []string{"created", "ringing", "answered", "ended"} {
			all = append(all, step{"the answer to the webhook", when, what})
		}
	}
	return all
}()

// tries is how often a round is played until its step is reached.
const tries = 4

// trial is a run of rounds, and what has come of it.
type trial struct {
	t     *testing.T
	proxy *proxy
	hooks *receiver
	rng   *rand.Rand
	pairs []*pair
	books books

	latest     fmt.Stringer // What befell the servers last.
	kills      map[step]int
	struck     map[string]int  // By what else.
	killed     int             // Processes by that.
	waited     []time.Duration // How long phones were without a server whose node died.
	calls      int             // That ended.
	violations int
	outcomes   map[client.Reason]int
	worst      time.Duration // From when there was a server again until all agreed.
	worstPlan  plan
}

func TestKill(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seed, 0xdead))
	order := rng.Perm(len(steps))
	s := newServer(t, build(t))
	tr := newTrial(t, single{s}, rng)
	tr.begin()
	defer tr.report()
	for round := range *rounds {
		at := steps[order[round%len(steps)]]
		tr.repeat(at, func(try int) bool { return tr.round(s, round, at, try) })
		if t.Failed() {
			t.Fatalf("round %d, killed %s; replay: go test ./internal/testing/chaos -run TestKill -seed %d -rounds %d\n%s",
				round, at, *seed, round+1, s.log.tail())
		}
	}
	if want := min(*rounds, len(steps)); len(tr.kills) != want {
		t.Errorf("the server died at %d steps, want %d", len(tr.kills), want)
	}
	tr.hooks.settle(t)
	tr.proxy.audit(t, &tr.books, inSQLite)
	tr.hooks.audit(t, &tr.books)
}

// newTrial makes one; begin starts its servers and has its phones log in.
func newTrial(t *testing.T, at place, rng *rand.Rand) *trial {
	t.Helper()
	return &trial{
		t: t, proxy: startProxy(t, at), hooks: startReceiver(t, at), rng: rng,
		kills: make(map[step]int), struck: make(map[string]int), outcomes: make(map[client.Reason]int),
	}
}

func (tr *trial) begin() {
	for _, s := range tr.proxy.place.servers() {
		s.start()
	}
	for i := range *pairs {
		tr.pairs = append(tr.pairs, tr.proxy.pair(fmt.Sprint("pair", i)))
	}
}

// repeat plays a round until its step is reached.
func (tr *trial) repeat(at step, round func(try int) (reached bool)) {
	for try := 1; !round(try); try++ {
		if try == tries {
			tr.t.Fatalf("in %d tries the server never died %s", tries, at)
		}
	}
}

func (tr *trial) report() {
	kills := 0
	for _, n := range tr.kills {
		kills += n
	}
	tr.t.Logf("outcomes=%v worst=%s (%s) once there was a server again",
		tr.outcomes, tr.worst.Round(time.Millisecond), tr.worstPlan)
	fmt.Printf("kills=%d steps=%d calls=%d violations=%d\n", kills, len(tr.kills), tr.calls, tr.violations)
}

// round has all pairs play, and the server die at a step; false where nobody came
// to it, and the server died at the end instead.
func (tr *trial) round(s *server, round int, at step, try int) (reached bool) {
	died := s.death()
	tr.arm(s, at, try)
	tr.play(round, func(played <-chan struct{}) (away outage) {
		select {
		case <-died:
		case <-played:
		}
		away.from = time.Now()
		reached = tr.died(s, died)
		if reached {
			tr.kills[at]++
		}
		time.Sleep(time.Duration(tr.rng.IntN(200)) * time.Millisecond)
		s.start()
		away.until = time.Now()
		return away
	})
	return reached
}

// arm has a server die at a step, of the commits the one that is given.
func (tr *trial) arm(s *server, at step, try int) {
	n := 1
	if try == 1 {
		n += tr.rng.IntN(max(1, len(tr.pairs)/2))
	}
	switch at.where {
	case "the commit":
		s.order(at.when, at.what, n)
	case "the message":
		tr.proxy.arm(at.when, at.what, n)
	default:
		tr.hooks.arm(at.when, at.what, n)
	}
}

// died sees to it that a server is dead, and says whether it died by itself.
func (tr *trial) died(s *server, died <-chan struct{}) (byItself bool) {
	select {
	case <-died:
		byItself = true
	default:
		s.kill()
	}
	if how := s.how(); how.Signal() != syscall.SIGKILL {
		tr.t.Fatalf("the server was not killed, its status is %#x:\n%s", how, s.log.tail())
	}
	tr.proxy.disarm()
	tr.hooks.disarm()
	return byItself
}

// play has all pairs play while something disturbs them, and takes what came of it once that is
// over. The channel is closed when all have played, however their calls ended.
func (tr *trial) play(round int, disturb func(played <-chan struct{}) outage) {
	ctx := tr.t.Context()
	began := time.Now()
	var away outage // Set before back is closed.
	back := make(chan struct{})
	var playing, under sync.WaitGroup
	results := make([]result, len(tr.pairs))
	for i, pair := range tr.pairs {
		pair.does(plans[(i+round)%len(plans)], tr.rng, 100*time.Millisecond)
		playing.Add(1)
		under.Go(func() {
			pair.play(ctx)
			playing.Done()
			<-back
			results[i] = pair.result(ctx, began, away)
		})
	}
	played := make(chan struct{})
	go func() { playing.Wait(); close(played) }()
	away = disturb(played)
	close(back)
	under.Wait()
	for i, r := range results {
		tr.take(tr.pairs[i].plan, r)
	}
}

func (tr *trial) take(p plan, r result) {
	for _, wrong := range r.wrong {
		tr.violations++
		tr.t.Error(wrong)
	}
	for _, e := range r.endings {
		tr.calls++
		tr.outcomes[e.record.Reason]++
		tr.books.enter(e.record)
	}
	if r.took > tr.worst {
		tr.worst, tr.worstPlan = r.took, p
	}
}

// TestRaces has two things done at once, again and again, until either was
// first, and everybody agreed each time.
func TestRaces(t *testing.T) {
	s := newServer(t, build(t))
	s.start()
	p := startProxy(t, single{s})
	var b books
	t.Cleanup(func() { p.audit(t, &b, inSQLite) })
	t.Run("graces", func(t *testing.T) {
		t.Parallel()
		p.graces(t, &b)
	})
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
				for _, e := range pair.undisturbed(t, &b) {
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

// undisturbed plays a pair while the server lives, enters what came of it into the books, and
// gives that.
func (p *pair) undisturbed(t *testing.T, b *books) []ending {
	t.Helper()
	for _, ph := range p.phones() {
		ph.livesOn()
	}
	began := time.Now()
	p.play(t.Context())
	r := p.result(t.Context(), began, outage{from: began, until: began})
	for _, wrong := range r.wrong {
		t.Error(wrong)
	}
	for _, e := range r.endings {
		b.enter(e.record)
	}
	return r.endings
}

// graces has nobody answer, and people vanish, while the server lives.
func (p *proxy) graces(t *testing.T, b *books) {
	var under sync.WaitGroup
	for i, alone := range []plan{timeout, callerLeaves, vanishes} {
		pair := p.pair(fmt.Sprint("grace", i))
		pair.does(alone, rand.New(rand.NewPCG(*seed, uint64(i))), time.Millisecond)
		under.Go(func() {
			for _, e := range pair.undisturbed(t, b) {
				t.Logf("%s: %s", alone, e.record.Reason)
			}
		})
	}
	under.Wait()
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
