package relay

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/reach"
)

// flowing is a relayed address with a channel to a peer, and the peer.
func flowing(b *testing.B, via *datagrams) (*relayed, netip.AddrPort) {
	b.Helper()
	cfg := Config{Logger: slog.New(slog.DiscardHandler), AllowPeers: reach.Local()}
	cfg.complete()
	p := newPorts(&cfg, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"))
	b.Cleanup(func() { _ = p.close() })
	conn, _, err := p.allocate(turn.AllocateListenerConfig{
		Network: "udp4", UserID: "1800000000:tag_.call.account_of_alice.phone",
	}, via, UDP)
	if err != nil {
		b.Fatal(err)
	}
	r, peer := conn.(*relayed), netip.MustParseAddrPort("127.0.0.1:9")
	r.admits(peer.Addr())
	r.bound(0x4000, peer)
	return r, peer
}

const benchBytes = 1000

// at is when packet n comes, within the rates.
func at(begin time.Time, n int) time.Time { return begin.Add(time.Duration(n) * 2 * time.Millisecond) }

// BenchmarkFromClient is what the relay does for each packet on a channel, beside
// receiving and sending it.
func BenchmarkFromClient(b *testing.B) {
	d := &datagrams{clients: make(map[netip.AddrPort]*relayed)}
	r, _ := flowing(b, d)
	client := netip.MustParseAddrPort("127.0.0.1:10")
	d.allocated(client, r)
	data := make([]byte, channelHeader+benchBytes)
	data[0], data[2], data[3] = 0x40, benchBytes>>8, benchBytes&0xff
	begin := time.Now()
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		d.now = at(begin, n)
		if !d.passes(packet{data, client}) || len(d.onward) != 1 {
			b.Fatal("lost")
		}
		d.onward = d.onward[:0]
	}
}

// BenchmarkFromPeer is the same for a packet of a peer, with a copy.
func BenchmarkFromPeer(b *testing.B) {
	r, peer := flowing(b, nil)
	r.batch = newBatch()
	defer r.batch.release()
	r.batch.received(0, benchBytes, peer)
	buffer := make([]byte, datagramMost)
	begin := time.Now()
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		r.now, r.batch.taken = at(begin, n), 0
		if size, _, err := r.ReadFrom(buffer); err != nil || size != benchBytes {
			b.Fatal(size, err)
		}
	}
}
