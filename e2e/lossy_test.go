package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// badNetwork stands between a page and the relay: it loses, delays and holds up
// packets, both ways.
type badNetwork struct {
	conn net.PacketConn
	to   net.Addr
	// deaf: no media comes to the page, while connectivity checks do.
	deaf atomic.Bool

	mu       sync.Mutex // Guards what follows.
	loss     float64    // The part of the packets that is lost.
	jitter   time.Duration
	rate     int       // Bytes a second upward; 0 means any.
	free     time.Time // When what waits to go upward is through.
	upstream map[string]net.Conn
	closed   bool
}

// queueMost is how long packets wait where there is little room; later ones are lost.
const queueMost = 300 * time.Millisecond

// startBadNetwork passes packets on to the address.
func startBadNetwork(t *testing.T, to string) *badNetwork {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		t.Fatal(err)
	}
	b := &badNetwork{conn: conn, to: addr, upstream: make(map[string]net.Conn)}
	t.Cleanup(b.close)
	go b.run()
	return b
}

func (b *badNetwork) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.conn.Close()
	for _, c := range b.upstream {
		c.Close()
	}
}

// is sets what the network is like from now on.
func (b *badNetwork) is(loss float64, jitter time.Duration, rate int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loss, b.jitter, b.rate = loss, jitter, rate
}

func (b *badNetwork) run() {
	buffer := make([]byte, 2048)
	for {
		n, from, err := b.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		up := b.upstreamOf(from)
		if up == nil {
			return
		}
		packet := append([]byte(nil), buffer[:n]...)
		b.pass(len(packet), true, func() { _, _ = up.Write(packet) })
	}
}

// upstreamOf is the socket by which the relay sees one client.
func (b *badNetwork) upstreamOf(from net.Addr) net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if up := b.upstream[from.String()]; up != nil || b.closed {
		return up
	}
	up, err := net.Dial("udp4", b.to.String())
	if err != nil {
		return nil
	}
	b.upstream[from.String()] = up
	go func() {
		buffer := make([]byte, 2048)
		for {
			n, err := up.Read(buffer)
			if err != nil {
				return
			}
			packet := append([]byte(nil), buffer[:n]...)
			if b.deaf.Load() && carriesRTP(packet) {
				continue
			}
			b.pass(n, false, func() { _, _ = b.conn.WriteTo(packet, from) })
		}
	}()
	return up
}

// pass does with a packet what the network does.
func (b *badNetwork) pass(size int, upward bool, send func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rand.Float64() < b.loss {
		return
	}
	var wait time.Duration
	if b.jitter > 0 {
		wait = time.Duration(rand.Int64N(int64(b.jitter)))
	}
	if upward && b.rate > 0 {
		now := time.Now()
		if b.free.Before(now) {
			b.free = now
		}
		if b.free.Sub(now) > queueMost {
			return
		}
		b.free = b.free.Add(time.Duration(size) * time.Second / time.Duration(b.rate))
		wait += b.free.Sub(now)
	}
	if wait == 0 {
		send()
		return
	}
	time.AfterFunc(wait, send)
}

// A network is graded by what it does, the picture gives way to the sound where
// there is little room, and both are as before once the network is.
func TestBadNetwork(t *testing.T) {
	turn := freeAddr(t)
	s := startServer(t, "--turn-addr", turn)
	network := startBadNetwork(t, turn)
	browser := startBrowser(t)
	app := application(t, s)
	alice := device(t, browser, app, s, "alice", "?relay&by=udp&via="+network.conn.LocalAddr().String())
	bob := device(t, browser, app, s, "bob", "?relay&by=udp")
	for _, p := range []*page{alice, bob} {
		p.run(`window.grades = []; rtc.on("onUserNetworkQuality", (q) => grades.push(q[rtc.getSdkInstance().signal.account])); void 0`)
	}
	alice.run(`rtc.setCallProfile({resolution: 4, frameRate: 3}); void 0`)
	talk(t, alice, bob, 2)
	bob.seesAndHears(30)
	// grades waits for two looks in a row between two grades.
	grades := func(p *page, way string, best, worst int) {
		t.Helper()
		defer func() {
			if t.Failed() {
				seen, err := evaluate[string](p, "JSON.stringify(grades.slice(-8))")
				t.Logf("%s: grades %s, %v", p.account, seen, err)
			}
		}()
		p.until(fmt.Sprintf("has its %s graded %d to %d", way, best, worst), fmt.Sprintf(
			`grades.length >= 2 && grades.slice(-2).every((g) => g.%sNetworkQuality >= %d && g.%sNetworkQuality <= %d)`, way, best, way, worst))
	}
	// Of what sound bob was to hear since the last look, how much was made up; and
	// how many bits of picture came to him a second.
	heard := `(async () => {
		const look = async () => {
			let made = 0, all = 0, bytes = 0;
			(await pcs.at(-1).getStats()).forEach((s) => {
				if (s.type !== "inbound-rtp") return;
				if (s.kind === "audio") { made += s.concealedSamples; all += s.totalSamplesReceived; } else bytes += s.bytesReceived;
			});
			return { made, all, bytes };
		};
		const one = await look();
		await new Promise((r) => setTimeout(r, 5000));
		const two = await look();
		return { Concealed: (two.made - one.made) / (two.all - one.all), Picture: (two.bytes - one.bytes) * 8 / 5 };
	})()`
	type sound struct{ Concealed, Picture float64 }
	listen := func() sound {
		t.Helper()
		got, err := evaluate[sound](bob, heard)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ceiling := `pcs.at(-1).getSenders().find((s) => s.track?.kind === "video").getParameters().encodings[0].maxBitrate`

	grades(alice, "uplink", 1, 3)
	grades(alice, "downlink", 1, 3)
	good := listen()

	network.is(0.13, 0, 0)
	grades(alice, "downlink", 4, 5)
	grades(alice, "uplink", 4, 5)
	grades(bob, "downlink", 4, 5)
	alice.until("sends less of a picture", ceiling+" < 450_000")

	// Room for speech and not much more: 12 kB a second.
	network.is(0, 0, 12_000)
	alice.until("sends next to no picture", ceiling+" <= 112_500")
	eventually(t, 30*time.Second, "what sound there is gets through", func() bool {
		bad := listen()
		t.Logf("good network: %+v; little room: %+v", good, bad)
		return bad.Concealed < 0.1 && bad.Picture < 100_000 && bad.Picture < good.Picture
	})

	network.is(0, 0, 0)
	grades(alice, "uplink", 1, 2)
	eventually(t, 100*time.Second, "the picture has all its bits again", func() bool {
		full, err := evaluate[bool](alice, ceiling+" === 900_000")
		return err == nil && full
	})

	// Packets that come at any time within 400 ms.
	network.is(0, 400*time.Millisecond, 0)
	grades(alice, "downlink", 3, 5)
}
