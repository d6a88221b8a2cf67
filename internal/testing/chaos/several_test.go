package chaos_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
)

var (
	clusterRounds = flag.Int("cluster-rounds", 0, "how often something befalls a cluster of three nodes; 0 for a short look")
	onlyBlow      = flag.Int("blow", -1, "the one thing that befalls the cluster in each round, by its place in blows; all, unless given")
)

const (
	// backWithin is how soon 99 of 100 phones have a server again whose node died.
	backWithin = 3 * time.Second
	// shortRounds are those of a short look.
	shortRounds = 3
	// dumpAfter is how long calls may go on after a finding until what is left of them is printed.
	dumpAfter = 20 * time.Second
)

// TestCluster has a node die at each step of a call, and in turn with that all else befall a
// cluster, while many people call each other.
func TestCluster(t *testing.T) {
	if *clusterRounds == 0 {
		*clusterRounds = shortRounds
	}
	rng := rand.New(rand.NewPCG(*seed, 0xc1))
	order := rng.Perm(len(steps))
	c := newCluster(t)
	tr := newTrial(t, c, rng)
	tr.begin()
	rounds, left := 0, 0
	defer func() { tr.sum(rounds, left) }()
	for round := range *clusterRounds {
		rounds++
		began := time.Now()
		// Two of three rounds are the death of a node.
		if turn := round / 3; *onlyBlow >= 0 {
			tr.befall(c, round, blows[*onlyBlow])
		} else if round%3 == 2 {
			tr.befall(c, round, blows[turn%len(blows)])
		} else {
			at := steps[order[(turn*2+round%3)%len(steps)]]
			tr.repeat(at, func(try int) bool { return tr.strike(c, round, at, try) })
		}
		t.Logf("round %d took %s: struck %v", rounds, time.Since(began).Round(time.Millisecond), tr.latest)
		if t.Failed() {
			t.Logf("round %d; replay: go test ./internal/testing/chaos -run TestCluster -seed %d -cluster-rounds %d", round, *seed, round+1)
			time.Sleep(dumpAfter)
			c.explain(t)
			t.FailNow()
		}
	}
	tr.hooks.settle(t)
	left = tr.proxy.audit(t, &tr.books, inPostgres)
	tr.hooks.audit(t, &tr.books)
	if slices.Sort(tr.waited); len(tr.waited) > 0 && tr.waited[len(tr.waited)*99/100] > backWithin {
		t.Errorf("after the death of a node phones were back within %s, p99", tr.waited[len(tr.waited)*99/100])
	}
	c.checkDeadlocks(t)
	if t.Failed() {
		c.explain(t)
	}
}

// explain prints what the database and the nodes hold, and what the nodes said last.
func (c *cluster) explain(t *testing.T) {
	t.Helper()
	t.Log(c.dump(context.WithoutCancel(t.Context())))
	for i, s := range c.servers() {
		t.Logf("log of node %d:\n%s", i+1, s.log.tail())
	}
}

// strike has all pairs play, and a node die at a step; false where nobody came to it, and a node
// died at the end instead.
func (tr *trial) strike(c *cluster, round int, at step, try int) (reached bool) {
	victim := c.anyNode(tr.rng).server
	anyDied := make(chan *server, nodesOf)
	for _, s := range c.servers() {
		death := s.death()
		go func() {
			<-death
			anyDied <- s
		}()
	}
	tr.arm(victim, at, try)
	tr.proxy.waits()
	tr.play(round, func(played <-chan struct{}) outage {
		died := make(chan struct{})
		select {
		case victim = <-anyDied:
			close(died)
		case <-played:
		}
		from := time.Now()
		tr.latest = at
		if reached = tr.died(victim, died); reached {
			tr.kills[at]++
		}
		time.Sleep(time.Duration(tr.rng.IntN(200)) * time.Millisecond)
		victim.start()
		return outage{from: from, until: time.Now(), settles: leaseEnds, keeps: true}
	})
	tr.waited = append(tr.waited, tr.proxy.waits()...)
	return reached
}

// sum prints what came of a run.
func (tr *trial) sum(rounds, left int) {
	kills := tr.killed
	for _, n := range tr.kills {
		kills += n
	}
	slices.Sort(tr.waited)
	p99 := time.Duration(0)
	if n := len(tr.waited); n > 0 {
		p99 = tr.waited[n*99/100]
	}
	tr.t.Logf("steps=%d outcomes=%v struck=%v worst=%s (%s) back_p99=%s of %d", len(tr.kills), tr.outcomes, tr.struck,
		tr.worst.Round(time.Millisecond), tr.worstPlan, p99.Round(time.Millisecond), len(tr.waited))
	fmt.Printf("rounds=%d kills=%d calls=%d disagreements=%d left=%d\n", rounds, kills, tr.calls, tr.violations, left)
}

// checkDeadlocks holds that the database had none.
func (c *cluster) checkDeadlocks(t *testing.T) {
	t.Helper()
	db := c.open(t)
	defer func() { _ = db.Close() }()
	var n int
	if err := db.QueryRowContext(t.Context(), `SELECT sum(deadlocks) FROM pg_stat_database`).Scan(&n); err != nil || n > 0 {
		t.Errorf("the database had %d deadlocks, %v", n, err)
	}
}

// TestStoreAway: while no node reaches the database for longer than a lease, 40 calls go on.
// Nobody hears that the other side is gone, and the calls are not written for it.
func TestStoreAway(t *testing.T) {
	const away, calls = 9 * time.Second, 40
	c := newCluster(t)
	tr := newTrial(t, c, rand.New(rand.NewPCG(*seed, 9)))
	for _, s := range c.servers() {
		s.start()
	}
	var all []*client.Call
	for i := range calls {
		p := tr.proxy.pair(fmt.Sprint("pair", i))
		p.plan = stays
		for _, ph := range p.phones() {
			ph.plan(stays, 0)
		}
		tr.pairs = append(tr.pairs, p)
		call, err := p.caller.Call(t.Context(), p.callee.Account(), client.CallOptions{Offer: p.caller.offer()})
		if err != nil {
			t.Fatal(err)
		}
		p.caller.made(call.ID())
		all = append(all, call)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startup)
	defer cancel()
	for i, p := range tr.pairs {
		if err := p.caller.wait(ctx, "is not connected", func() bool { return p.caller.seen.talked[all[i].ID()] }); err != nil {
			t.Fatal(err)
		}
	}
	c.acquainted(ctx, t)
	before := c.revs(t)
	for _, n := range c.nodes {
		n.holdStore(true, true)
	}
	time.Sleep(away)
	for i, n := range c.nodes {
		if i > 0 {
			time.Sleep(away / 6) // One node is back before another, and has a lease to wait for it.
		}
		n.releaseStore()
	}
	time.Sleep(leaseEnds) // Until each node has judged.
	after := c.revs(t)
	t.Logf("%d commits for %d calls", after-before, calls)
	if after-before > calls {
		t.Errorf("%d commits were made for %d calls that nothing befell", after-before, calls)
	}
	for i, p := range tr.pairs {
		for _, ph := range p.phones() {
			ph.mu.Lock()
			if n := ph.seen.left[all[i].ID()]; n > 0 {
				t.Errorf("%s was told %d times of the other side's absence or return", ph.name, n)
			}
			ph.mu.Unlock()
		}
		if err := all[i].Hangup(ctx); err != nil {
			t.Error(err)
		}
	}
	began := time.Now()
	for _, p := range tr.pairs {
		tr.take(p.plan, p.result(t.Context(), began, outage{from: began, until: began}))
	}
	if t.Failed() {
		c.explain(t)
	}
	tr.hooks.settle(t)
	tr.proxy.audit(t, &tr.books, inPostgres)
	tr.hooks.audit(t, &tr.books)
}

// acquainted waits until each node knows the others, and would find them dead.
func (c *cluster) acquainted(ctx context.Context, t *testing.T) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for _, s := range c.servers() {
		for {
			text, err := s.inspect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var holds struct {
				Now, Judges time.Time
				Alive       []string
			}
			if err := json.Unmarshal([]byte(text), &holds); err != nil {
				t.Fatal(err)
			}
			if len(holds.Alive) == nodesOf && holds.Now.After(holds.Judges) {
				break
			}
			<-tick.C
		}
	}
}

// revs is the sum of the revisions of all calls.
func (c *cluster) revs(t *testing.T) (sum int) {
	t.Helper()
	db := c.open(t)
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), `SELECT coalesce(sum(rev), 0) FROM calls`).Scan(&sum); err != nil {
		t.Fatal(err)
	}
	return sum
}
