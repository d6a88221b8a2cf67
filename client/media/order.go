package media

import (
	"time"

	"github.com/pion/rtp"
)

const (
	// How long a packet that is missing is waited for before it counts as
	// lost: long enough for a retransmission, which sound seldom gets.
	audioPatience = 200 * time.Millisecond
	videoPatience = 400 * time.Millisecond
	// waitingMost bounds how many packets wait for one that is missing.
	waitingMost = 1024
	// lateMost is how many packets in a row may be old before they count as
	// those of a sender that started again.
	lateMost = 64
)

// order puts the packets of a stream into their order. One goroutine at a time
// uses it.
type order struct {
	patience time.Duration
	begun    bool
	next     uint16
	waiting  map[uint16]arrival
	late     int
}

// arrival is a packet that waits for one before it.
type arrival struct {
	packet *rtp.Packet
	at     time.Time
}

func newOrder(patience time.Duration) *order {
	return &order{patience: patience, waiting: make(map[uint16]arrival)}
}

// put takes a packet, and gives each that is due; whole is false where some
// before it were lost.
func (o *order) put(p *rtp.Packet, now time.Time, due func(p *rtp.Packet, whole bool)) {
	if !o.begun {
		o.begun, o.next = true, p.SequenceNumber
	}
	// The distance wraps around as the numbers do (RFC 3550 appendix A.1).
	if int16(p.SequenceNumber-o.next) < 0 {
		if o.late++; o.late <= lateMost {
			return // A repeat, or too late.
		}
		clear(o.waiting)
		o.next = p.SequenceNumber
	}
	o.late = 0
	o.waiting[p.SequenceNumber] = arrival{p, now}
	for whole := true; ; whole = false {
		o.release(whole, due)
		if len(o.waiting) == 0 {
			return
		}
		first := o.first()
		if now.Sub(o.waiting[first].at) < o.patience && len(o.waiting) < waitingMost {
			return
		}
		o.next = first
	}
}

// release gives the packets that follow without a gap.
func (o *order) release(whole bool, due func(*rtp.Packet, bool)) {
	for {
		next, there := o.waiting[o.next]
		if !there {
			return
		}
		delete(o.waiting, o.next)
		o.next++
		due(next.packet, whole)
		whole = true
	}
}

// first is the number of the earliest packet that waits.
func (o *order) first() uint16 {
	least := uint16(1<<16 - 1)
	for n := range o.waiting {
		least = min(least, n-o.next)
	}
	return o.next + least
}
