package node

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/protocol"
)

// drainSlice is how far apart the slices are in which a stopping node closes its connections.
const drainSlice = 100 * time.Millisecond

// drain closes the connections of a node that stops slice by slice, in random order, those in
// a call last, so that the other nodes are not asked to welcome all of them at once. That the
// devices are gone is not noted in their calls: they come back elsewhere, and for those that do
// not the end of the lease begins the graces.
type drain struct {
	*loop
	devices *devices
	until   time.Time
	// idle and inCall are the connections that are left, in the order in which they are closed.
	idle, inCall []ConnID
}

// begin closes the first slice, which is all where there is no other node to go to.
func (dr *drain) begin(others bool) {
	dr.until = dr.now
	if others {
		dr.until = dr.now.Add(dr.cfg.Drain)
	}
	for _, id := range dr.shuffled() {
		if dr.devices.conns[id].busy() {
			dr.inCall = append(dr.inCall, id)
		} else {
			dr.idle = append(dr.idle, id)
		}
	}
	dr.slice()
}

// shuffled are the connections in an order that is another one at each start of a node.
func (dr *drain) shuffled() []ConnID {
	order := sorted(dr.devices.conns)
	h := fnv.New64a()
	h.Write([]byte(dr.cfg.Incarnation))
	seed := h.Sum64()
	slices.SortFunc(order, func(a, b ConnID) int { return cmp.Compare(scattered(seed, a), scattered(seed, b)) })
	return order
}

// scattered spreads the connections over all numbers, by the steps of SplitMix64.
func scattered(seed uint64, id ConnID) uint64 {
	x := seed + uint64(id)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// slice closes as many connections as it takes to be done in time.
func (dr *drain) slice() {
	slicesLeft := max(int(dr.until.Sub(dr.now)/drainSlice)+1, 1)
	for range (len(dr.idle) + len(dr.inCall) + slicesLeft - 1) / slicesLeft {
		d := dr.next()
		if d == nil {
			return
		}
		d.sent = true
		d.session.Close(protocol.ShuttingDown)
		dr.devices.watch(d)
	}
	if len(dr.idle)+len(dr.inCall) > 0 {
		dr.alarms.set(alarm{drain: true}, dr.now.Add(drainSlice))
	}
}

// next takes the connection that is to be closed next; nil where none is left.
func (dr *drain) next() *device {
	for len(dr.idle) > 0 {
		id := dr.idle[0]
		dr.idle = dr.idle[1:]
		switch d := dr.devices.conns[id]; {
		case d == nil || d.session.Closed():
		case d.busy(): // Since the drain began.
			dr.inCall = append(dr.inCall, id)
		default:
			return d
		}
	}
	for len(dr.inCall) > 0 {
		id := dr.inCall[0]
		dr.inCall = dr.inCall[1:]
		if d := dr.devices.conns[id]; d != nil && !d.session.Closed() {
			return d
		}
	}
	return nil
}
