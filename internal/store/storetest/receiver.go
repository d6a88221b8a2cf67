package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// receiver is a backend that fails now and then, and looks at the order of what it receives.
type receiver struct {
	*outboxTest
	random   *rand.Rand
	endpoint string
	flying   map[call.ID]store.Delivery
	// arrived are the seqs of each call in the order of their first arrivals, given up those that
	// never arrived.
	arrived map[call.ID][]int64
	givenUp map[int64]bool
}

// take claims, and holds what it is given to the order.
func (r *receiver) take() {
	due, _, err := r.out.Claim(r.Context(), r.endpoint, 1+r.random.IntN(4))
	if err != nil {
		r.Fatalf("Claim: %v", err)
	}
	for _, d := range due {
		id := d.Lane.Call
		if other, ok := r.flying[id]; ok {
			r.Fatalf("%s is given out while %s is under way", label(d.Event), label(other.Event))
		}
		r.flying[id] = d
		seen := r.arrived[id]
		if n := len(seen); n > 0 && d.Event.Seq < seen[n-1] && indexOfSeq(seen, d.Event.Seq) < 0 && !r.givenUp[d.Event.Seq] {
			r.Fatalf("%s is given out for the first time after what followed it", label(d.Event))
		}
	}
}

func indexOfSeq(seqs []int64, seq int64) int {
	for i := range seqs {
		if seqs[i] == seq {
			return i
		}
	}
	return -1
}

// answer settles some of what is under way. What arrives may be lost on the way back.
func (r *receiver) answer() {
	var settled []store.Settlement
	for _, id := range sortedKeys(r.flying) {
		if r.random.IntN(3) == 0 {
			continue
		}
		d := r.flying[id]
		delete(r.flying, id)
		s := store.Settlement{Delivery: d, Outcome: store.Delivered}
		switch r.random.IntN(12) {
		case 0:
			s.Outcome, s.After = store.Retry, time.Duration(r.random.IntN(20))*time.Second
			if r.random.IntN(2) == 0 {
				r.arrives(d)
			}
		case 1:
			s.Outcome = store.Dead
			r.givenUp[d.Event.Seq] = true
		case 2:
			s.Outcome = store.Returned
		default:
			r.arrives(d)
		}
		settled = append(settled, s)
	}
	if err := r.out.Settle(r.Context(), settled); err != nil {
		r.Fatalf("Settle: %v", err)
	}
}

func (r *receiver) arrives(d store.Delivery) {
	if indexOfSeq(r.arrived[d.Lane.Call], d.Event.Seq) < 0 {
		r.arrived[d.Lane.Call] = append(r.arrived[d.Lane.Call], d.Event.Seq)
	}
}

// sortedKeys keeps a test the same for one seed.
func sortedKeys(flying map[call.ID]store.Delivery) []call.ID {
	ids := make([]call.ID, 0, len(flying))
	for i := range 1000 {
		if id := call.ID(fmt.Sprint("r", i)); flying[id].Event.Seq != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// testOrderOfDeliveries: whatever a receiver does, and when the process ends, each event of a call
// arrives or is given up, and they arrive in order.
func testOrderOfDeliveries(o *outboxTest) {
	seed := rand.Uint64()
	defer func() {
		if o.Failed() {
			o.Logf("seed %d", seed)
		}
	}()
	random := rand.New(rand.NewPCG(seed, 0))
	o.hook("crm")
	r := &receiver{
		outboxTest: o, random: random, endpoint: "crm",
		flying: make(map[call.ID]store.Delivery), arrived: make(map[call.ID][]int64), givenUp: make(map[int64]bool),
	}
	live := make(map[int]call.Call)
	for n := 0; n < 40 || len(live) > 0; {
		switch act := random.IntN(20); {
		case act < 3 && n < 40:
			live[n] = o.begin(call.ID(fmt.Sprint("r", n)), call.Account(fmt.Sprint("a", n)), call.Account(fmt.Sprint("b", n)))
			n++
		case act < 8:
			for i := range n {
				if c, ok := live[i]; ok && random.IntN(3) == 0 {
					if live[i] = o.step(c, nextInput(&c)); c.State == call.Connected {
						delete(live, i)
					}
				}
			}
		case act < 14:
			r.take()
		case act < 19:
			r.answer()
		case random.IntN(4) == 0:
			o.reopen() // What was under way may have arrived.
			clear(r.flying)
		}
	}
	o.finish(r)
}

// nextInput leads a call on to its end.
func nextInput(c *call.Call) call.Input {
	callee := call.Device{Account: c.Callee().Account, ID: "tablet"}
	switch {
	case c.State == call.Ringing && len(c.Callee().Ringers) == 0:
		return call.Ring{Device: callee}
	case c.State == call.Ringing:
		return call.Accept{Device: callee, Generation: 1, Answer: "v=0"}
	case c.State == call.Connecting && !c.Caller().MediaUp:
		return call.Report{Device: c.Caller().Device, Generation: 1, Up: true}
	case c.State == call.Connecting:
		return call.Report{Device: callee, Generation: 1, Up: true}
	}
	return call.Hangup{Device: callee}
}

// finish delivers the rest, and wants each event to have arrived, or to be given up.
func (o *outboxTest) finish(r *receiver) {
	o.Helper()
	for range 400 {
		o.now = o.now.Add(5 * time.Second)
		r.take()
		r.answer()
	}
	o.wantQueue("crm", 0, len(r.givenUp), time.Time{})
	for _, e := range o.feed() {
		if indexOfSeq(r.arrived[e.Call.ID], e.Seq) < 0 && !r.givenUp[e.Seq] {
			o.Errorf("%s neither arrived nor is it given up", label(e))
		}
	}
	if len(r.flying) != 0 {
		o.Errorf("%d are under way", len(r.flying))
	}
}
