package nets

import (
	"net/netip"
	"sync"
	"time"
)

// Delay is how long a packet is under way.
const Delay = 10 * time.Millisecond

// waiting bounds what is under way; more is lost, as it would be elsewhere.
const waiting = 4096

// Internet takes packets from link to link. Close ends it.
type Internet struct {
	underWay chan arriving
	done     chan struct{}
	ended    sync.WaitGroup

	mu    sync.Mutex // Guards links.
	links map[netip.Addr]func(Packet)
}

type arriving struct {
	packet Packet
	at     time.Time
}

// NewInternet makes one that nobody is connected to.
func NewInternet() *Internet {
	i := &Internet{
		underWay: make(chan arriving, waiting), done: make(chan struct{}), links: make(map[netip.Addr]func(Packet)),
	}
	i.ended.Go(i.run)
	return i
}

// Close stops it; what is under way is lost.
func (i *Internet) Close() {
	close(i.done)
	i.ended.Wait()
}

// attach has what is for an address delivered; nil takes it off again.
func (i *Internet) attach(addr netip.Addr, deliver func(Packet)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if deliver == nil {
		delete(i.links, addr)
		return
	}
	i.links[addr] = deliver
}

// send takes over a packet.
func (i *Internet) send(p Packet) {
	select {
	case i.underWay <- arriving{p, time.Now().Add(Delay)}:
	default:
	}
}

// run delivers in the order of sending: all take the same time.
func (i *Internet) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var next arriving
		select {
		case next = <-i.underWay:
		case <-i.done:
			return
		}
		timer.Reset(time.Until(next.at))
		select {
		case <-timer.C:
		case <-i.done:
			return
		}
		i.mu.Lock()
		deliver := i.links[next.packet.Dst().Addr()]
		i.mu.Unlock()
		if deliver != nil {
			deliver(next.packet)
		}
	}
}
