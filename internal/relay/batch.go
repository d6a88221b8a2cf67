package relay

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

const (
	// batchMost is how many datagrams are taken from a socket at a time.
	batchMost = 32
	// datagramMost is the longest datagram that is relayed, as in the library.
	// What is longer is dropped: the part that fits is of no use.
	datagramMost = 1600
	// channelHeader is the size of what precedes data on a channel.
	channelHeader = 4
	// headroom is before each datagram, for the header of any message that it becomes.
	headroom = indicationHeader
	// roomSize has one byte more than is taken, to tell what is longer. So there is
	// space for padding as well.
	roomSize = headroom + datagramMost + 1
)

// packet is a datagram, and where it came from or goes to.
type packet struct {
	data []byte
	addr netip.AddrPort
}

// batch holds the datagrams that waited at a socket at the same moment, and
// collects what is to be sent at one. It belongs to the goroutine that received
// it, until that releases it.
type batch struct {
	in    []packet // Each with headroom before it.
	taken int      // How many of in have been looked at.
	out   []packet
	space [batchMost * roomSize]byte
	// transactions are random, for the indications of this batch: unused are left.
	transactions [batchMost * transactionSize]byte
	unused       int
	calls
}

var batches = sync.Pool{New: func() any {
	b := &batch{in: make([]packet, 0, batchMost), out: make([]packet, 0, batchMost)}
	b.prepare()
	return b
}}

func newBatch() *batch { return batches.Get().(*batch) }

func (b *batch) release() {
	b.in, b.taken, b.out = b.in[:0], 0, b.out[:0]
	batches.Put(b)
}

// room is the space for a datagram, with its headroom.
func (b *batch) room(i int) []byte {
	return b.space[i*roomSize : (i+1)*roomSize : (i+1)*roomSize]
}

// received notes that there is a datagram in a room.
func (b *batch) received(room, size int, from netip.AddrPort) {
	if size > datagramMost {
		return
	}
	b.in = append(b.in, packet{b.room(room)[:headroom+size], from})
}

// next gives the next datagram, if there is one.
func (b *batch) next() (packet, bool) {
	if b == nil || b.taken == len(b.in) {
		return packet{}, false
	}
	p := b.in[b.taken]
	b.taken++
	return packet{p.data[headroom:], p.addr}, true
}

// collect adds a datagram to what is to be sent.
func (b *batch) collect(data []byte, to netip.AddrPort) { b.out = append(b.out, packet{data, to}) }

// framed is the datagram that next gave as a message of a channel (RFC 8656,
// section 12.4). Padding is for streams: see pad.
func (b *batch) framed(channel uint16) []byte {
	p := b.in[b.taken-1].data[headroom-channelHeader:]
	binary.BigEndian.PutUint16(p, channel)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)-channelHeader))
	return p
}

// indicated is the datagram that next gave as a Data indication (RFC 8656, section 11.4).
func (b *batch) indicated() []byte {
	if b.unused == 0 {
		_, _ = rand.Read(b.transactions[:]) // It never fails.
		b.unused = batchMost
	}
	b.unused--
	p := b.in[b.taken-1]
	return indicate(p.data, bare(p.addr), b.transactions[b.unused*transactionSize:][:transactionSize])
}

// joined is what is collected from one on, as much of it as goes into most bytes or one
// message, and where the rest begins. What is collected are datagrams of this batch in
// their order: each moves towards the front, over what is sent already.
func (b *batch) joined(from, most int) (p []byte, rest int) {
	end := 0
	for rest = from; rest < len(b.out); rest++ {
		one := b.out[rest].data
		if end > 0 && end+len(one) > most {
			break
		}
		end += copy(b.space[end:], one)
	}
	return b.space[:end], rest
}

// reader reads a socket batch by batch. One goroutine uses it.
type reader struct {
	*socket
	batch *batch           // nil before there is one.
	clock func() time.Time // By which rates are counted.
	now   time.Time        // When the batch came.
}

// refill waits for a batch, in place of the one that is used up.
func (r *reader) refill() error {
	if r.batch != nil {
		r.batch.release() // Before the wait, which may be long.
	}
	var err error
	r.batch, err = r.receive()
	r.now = r.clock()
	return err
}

// unframed takes a message of a channel apart. Other messages are none.
func unframed(p []byte) (channel uint16, data []byte, ok bool) {
	if len(p) < channelHeader || p[0]>>6 != 1 {
		return 0, nil, false
	}
	size := int(binary.BigEndian.Uint16(p[2:]))
	if size > len(p)-channelHeader {
		return 0, nil, false
	}
	return binary.BigEndian.Uint16(p), p[channelHeader:][:size], true
}
