package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// blow is what befalls a cluster in a round, beside the death of nodes.
type blow struct {
	name string
	// lasts bounds how long it goes on: from the first to the second.
	lasts [2]time.Duration
	// strike begins it, and says how it ends.
	strike func(c *cluster, rng *rand.Rand) (heal func())
}

func (b blow) String() string { return b.name }

var blows = []blow{
	{"PostgreSQL is killed", [2]time.Duration{0, time.Second}, func(c *cluster, _ *rand.Rand) func() {
		c.primary.Kill9(c.t)
		return func() { c.primary.Restart(c.t) }
	}},
	{"the standby is promoted", [2]time.Duration{0, time.Second}, func(c *cluster, _ *rand.Rand) func() {
		c.primary.Kill9(c.t)
		return c.promote
	}},
	{"PostgreSQL is cut off from a node", [2]time.Duration{time.Second, 4 * time.Second}, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.holdStore(true, true)
		return n.releaseStore
	}},
	{"NATS is killed", [2]time.Duration{0, 3 * time.Second}, func(c *cluster, _ *rand.Rand) func() {
		c.bus.Kill9()
		return c.bus.Restart
	}},
	{"NATS is cut off from all", [2]time.Duration{time.Second, 7 * time.Second}, func(c *cluster, _ *rand.Rand) func() {
		for _, n := range c.nodes {
			n.bus.Hold(true, true)
		}
		return func() {
			for _, n := range c.nodes {
				n.bus.Release()
			}
		}
	}},
	{"NATS is cut off from a node", [2]time.Duration{time.Second, 7 * time.Second}, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.bus.Hold(true, true)
		return n.bus.Release
	}},
	{"NATS hears a node no more", [2]time.Duration{time.Second, 7 * time.Second}, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.bus.Hold(true, false)
		return n.bus.Release
	}},
	{"a node hears NATS no more", [2]time.Duration{time.Second, 7 * time.Second}, func(c *cluster, rng *rand.Rand) func() {
		n := c.anyNode(rng)
		n.bus.Hold(false, true)
		return n.bus.Release
	}},
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
	tr.play(round, func(<-chan struct{}) outage {
		time.Sleep(rand.N(1500 * time.Millisecond))
		from := time.Now()
		heal := b.strike(c, tr.rng)
		time.Sleep(b.lasts[0] + time.Duration(tr.rng.Int64N(int64(b.lasts[1]-b.lasts[0]))))
		heal()
		return outage{from: from, until: time.Now(), settles: leaseEnds, keeps: true}
	})
	tr.struck[fmt.Sprint(b)]++
}
