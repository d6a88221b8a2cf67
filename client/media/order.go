package media

import "github.com/pion/rtp"

// How many packets may come after one that is missing before it is taken for
// lost: 200 ms of sound; of a picture what a retransmission takes.
const (
	audioPatience = 10
	videoPatience = 200
)

// order puts the packets of a stream into their order. One goroutine at a time
// uses it.
type order struct {
	patience int
	begun    bool
	next     uint16
	waiting  map[uint16]*rtp.Packet
	late     int // How many came too late in a row.
}

func newOrder(patience int) *order {
	return &order{patience: patience, waiting: make(map[uint16]*rtp.Packet)}
}

// put takes a packet, and gives each that is due; whole is false where some
// before it were lost.
func (o *order) put(p *rtp.Packet, due func(p *rtp.Packet, whole bool)) {
	if !o.begun {
		o.begun, o.next = true, p.SequenceNumber
	}
	// The distance wraps around as the numbers do (RFC 3550 appendix A.1).
	if int16(p.SequenceNumber-o.next) < 0 {
		// A repeat, or too late; so many of them are a sender that began anew.
		if o.late++; o.late <= o.patience {
			return
		}
		clear(o.waiting)
		o.next = p.SequenceNumber
	}
	o.late = 0
	o.waiting[p.SequenceNumber] = p
	o.release(true, due)
	for len(o.waiting) > o.patience {
		o.next = o.first()
		o.release(false, due)
	}
}

// release gives the packets that follow without a gap.
func (o *order) release(whole bool, due func(*rtp.Packet, bool)) {
	for {
		p := o.waiting[o.next]
		if p == nil {
			return
		}
		delete(o.waiting, o.next)
		o.next++
		due(p, whole)
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
