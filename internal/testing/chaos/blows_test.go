package chaos_test

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// blow is what befalls a cluster in a round, beside the death of nodes.
type blow struct {
	name string
	// lasts bounds how long it goes on: from the first to the second.
	lasts [2]time.Duration
	// loses says that it may lose calls that are connected: their devices are away, or count as
	// away, for longer than the grace.
	loses bool
	// kills is how many processes die by kill -9.
	kills int
	// strike begins it, and says how it ends.
	strike func(c *cluster, rng *rand.Rand) (heal func())
}

func (b blow) String() string { return b.name }

var blows = []blow{
	{"PostgreSQL is killed", [2]time.Duration{0, time.Second}, false, 1, func(c *cluster, _ *rand.Rand) func() {
		c.primary.Kill9(c.t)
		return func() { c.primary.Restart(c.t) }
	}},
	{"the standby is promoted", [2]time.Duration{0, time.Second}, false, 1, func(c *cluster, _ *rand.Rand) func() {
		c.primary.Kill9(c.t)
		return c.promote
	}},
	{"PostgreSQL is cut off from a node", [2]time.Duration{time.Second, 4 * time.Second}, false, 0, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.holdStore(true, true)
		return n.releaseStore
	}},
	{"NATS is killed", [2]time.Duration{0, 3 * time.Second}, false, 1, func(c *cluster, _ *rand.Rand) func() {
		c.bus.Kill9()
		return func() { c.bus.Restart() }
	}},
	{"NATS is cut off from all", [2]time.Duration{time.Second, 7 * time.Second}, false, 0, func(c *cluster, _ *rand.Rand) func() {
		for _, n := range c.nodes {
			n.bus.Hold(true, true)
		}
		return func() {
			for _, n := range c.nodes {
				n.bus.Release()
			}
		}
	}},
	{"NATS is cut off from a node", [2]time.Duration{time.Second, 7 * time.Second}, false, 0, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.bus.Hold(true, true)
		return n.bus.Release
	}},
	{"NATS hears a node no more", [2]time.Duration{time.Second, 7 * time.Second}, false, 0, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.bus.Hold(true, false)
		return n.bus.Release
	}},
	{"a node hears NATS no more", [2]time.Duration{time.Second, 7 * time.Second}, false, 0, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.bus.Hold(false, true)
		return n.bus.Release
	}},
	{"PostgreSQL is cut off from all", [2]time.Duration{time.Second, 9 * time.Second}, false, 0, func(c *cluster, _ *rand.Rand) func() {
		for _, n := range c.nodes {
			n.holdStore(true, true)
		}
		return func() {
			for _, n := range c.nodes {
				n.releaseStore()
			}
		}
	}},
	{
		"PostgreSQL is cut off from a node for longer than its lease",
		[2]time.Duration{7 * time.Second, 10 * time.Second},
		true,
		0,
		func(c *cluster, rng *rand.Rand) func() {
			n := c.anyNode(rng)
			n.holdStore(true, true)
			return n.releaseStore
		},
	},
	{"a node hears PostgreSQL no more", [2]time.Duration{time.Second, 4 * time.Second}, false, 0, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.holdStore(false, true)
		return n.releaseStore
	}},
	{"a node stands still", [2]time.Duration{time.Second, 9 * time.Second}, false, 0, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.signal(syscall.SIGSTOP)
		return func() { n.signal(syscall.SIGCONT) }
	}},
	{"a node dies for long", [2]time.Duration{8 * time.Second, 15 * time.Second}, false, 1, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.kill()
		return n.start
	}},
	{"a node dies, and the balancer does not notice", [2]time.Duration{8 * time.Second, 15 * time.Second}, false, 1, func(c *cluster, rng *rand.Rand) func() {
		c.balancer.Blind(true)
		n := c.anyNode(rng)
		n.kill()
		return func() {
			n.start()
			c.balancer.Blind(false)
		}
	}},
	{"two nodes die", [2]time.Duration{0, 3 * time.Second}, false, 2, func(c *cluster, rng *rand.Rand) func() {
		alive := rng.IntN(len(c.nodes))
		return c.killAll(func(i int) bool { return i != alive })
	}},
	{"all nodes die", [2]time.Duration{0, time.Second}, true, 3, func(c *cluster, _ *rand.Rand) func() {
		return c.killAll(func(int) bool { return true })
	}},
	{"a node stops in order", [2]time.Duration{0, time.Second}, false, 0, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.stop()
		return n.start
	}},
	{"a node dies while NATS is cut off", [2]time.Duration{time.Second, 3 * time.Second}, false, 1, func(c *cluster, rng *rand.Rand) func() {
		for _, n := range c.nodes {
			n.bus.Hold(true, true)
		}
		n := c.anyNode(rng)
		n.kill()
		return func() {
			for _, n := range c.nodes {
				n.bus.Release()
			}
			n.start()
		}
	}},
	{"a node and PostgreSQL die", [2]time.Duration{0, time.Second}, false, 2, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.kill()
		c.primary.Kill9(c.t)
		return func() {
			c.promote()
			n.start()
		}
	}},
}

// killAll kills the given nodes, and returns what starts them.
func (c *cluster) killAll(dies func(i int) bool) func() {
	var dead []*clusterNode
	for i, n := range c.nodes {
		if dies(i) {
			n.kill()
			dead = append(dead, n)
		}
	}
	return func() {
		for _, n := range dead {
			n.start()
		}
	}
}

func (c *cluster) anyNode(rng *rand.Rand) *clusterNode { return c.nodes[rng.IntN(len(c.nodes))] }

// promote has the standby take the place of the dead primary, which becomes its standby.
func (c *cluster) promote() {
	c.standby.Promote(c.t)
	c.primary, c.standby = c.standby, c.primary
	c.standby.Follow(c.t, c.primary)
}

func (n *clusterNode) holdStore(toStore, toNode bool) {
	for _, w := range n.store {
		w.Hold(toStore, toNode)
	}
}

func (n *clusterNode) releaseStore() {
	for _, w := range n.store {
		w.Release()
	}
}

// befall has all pairs play, and a blow fall while they do.
func (tr *trial) befall(c *cluster, round int, b blow) {
	tr.proxy.waits()
	tr.play(round, func(<-chan struct{}) outage {
		time.Sleep(rand.N(1500 * time.Millisecond))
		from := time.Now()
		tr.t.Logf("%s", b)
		heal := b.strike(c, tr.rng)
		time.Sleep(b.lasts[0] + time.Duration(tr.rng.Int64N(int64(b.lasts[1]-b.lasts[0]))))
		heal()
		return outage{from: from, until: time.Now(), settles: leaseEnds, keeps: !b.loses}
	})
	if waits := tr.proxy.waits(); !b.loses {
		tr.waited = append(tr.waited, waits...)
	}
	tr.struck[b.name]++
	tr.killed += b.kills
	tr.latest = b
}
