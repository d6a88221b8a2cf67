package relay_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/relay"
)

// flooded has a peer send to a client while somebody floods its relayed address, and
// wants all of the peer's packets to come.
func flooded(t *testing.T, relayed net.Addr, from, peer net.PacketConn, expect func(text string)) {
	t.Helper()
	const rounds, each = 100, 40
	packet := string(make([]byte, 1000))
	for n := range rounds {
		for range each {
			send(t, from, relayed, packet)
		}
		text := fmt.Sprintf("media %0994d", n) // As large as those of the flood.
		send(t, peer, relayed, text)
		expect(text)
	}
}

// media waits for a packet of a peer on a channel, among those of others without one.
func (c *tapped) media(t *testing.T, channel uint16) func(text string) {
	return func(text string) {
		t.Helper()
		c.expect(t, channel, []byte(text))
	}
}

// Who floods a relayed address takes nothing from its peer: neither another port at the
// peer's address, nor an address without a permission, nor another peer.
func TestFloodTakesNothingFromThePeer(t *testing.T) {
	for name, address := range map[string]string{
		"another port": "127.0.0.1:0", "an address without a permission": "127.0.0.9:0",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			c, own, relayed := channelled(t, r, "call.alice")
			peer := listen(t)
			c.bind(0x4000, peer.LocalAddr())
			flooded(t, relayed.LocalAddr(), listenOn(t, address), peer, own.media(t, 0x4000))
		})
	}
	t.Run("another peer", func(t *testing.T) {
		r := start(t, nil)
		c, own, relayed := channelled(t, r, "call.alice")
		peer, other := listen(t), listen(t)
		c.bind(0x4000, peer.LocalAddr())
		c.bind(0x4001, other.LocalAddr())
		flooded(t, relayed.LocalAddr(), other, peer, func(text string) {
			t.Helper()
			for deadline := time.After(patience); ; {
				select {
				case got := <-own.came:
					if string(got) == string(framed(0x4000, []byte(text))) {
						return
					}
				case <-deadline:
					t.Fatal("the peer's packet is lost")
				}
			}
		})
	})
	// Some browsers use no channels.
	t.Run("a peer without a channel", func(t *testing.T) {
		r := start(t, nil)
		c, own, relayed := channelled(t, r, "call.alice")
		peer := listen(t)
		if err := c.CreatePermission(peer.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		indication(t, own, peer.LocalAddr(), "hello")
		expect(t, peer, relayed.LocalAddr(), "hello")
		flooded(t, relayed.LocalAddr(), listen(t), peer, func(text string) {
			t.Helper()
			buffer := make([]byte, 2000)
			for {
				if err := relayed.SetReadDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				n, from, err := relayed.ReadFrom(buffer)
				if err != nil {
					t.Fatalf("the peer's packet is lost: %v", err)
				}
				if from.String() == peer.LocalAddr().String() && string(buffer[:n]) == text {
					return
				}
			}
		})
	})
}

// By the relay's own addresses one reaches those of the same call, on channels and
// beside them, and nobody of another call.
func TestRelayedAddressesOfOtherCalls(t *testing.T) {
	for name, change := range map[string]func(*relay.Config){
		"allowed by the operator": nil,
		"the relay's own address": func(c *relay.Config) { c.AllowPeers = nil },
		"all addresses":           func(c *relay.Config) { c.Listen = "0.0.0.0:0" },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, change)
			alice, atAlice, a := channelled(t, r, "call.alice")
			bob, atBob, b := channelled(t, r, "call.bob")
			mallory, atMallory, m := channelled(t, r, "other.mallory")
			alice.bind(0x4000, b.LocalAddr())
			bob.bind(0x4000, a.LocalAddr())
			alice.bind(0x4001, m.LocalAddr()) // As if the other side had named it.
			mallory.bind(0x4000, a.LocalAddr())
			for range 10 {
				atMallory.send(t, 0x4000, []byte("from another call"))
				indication(t, atMallory, a.LocalAddr(), "from another call")
				atAlice.send(t, 0x4001, []byte("to another call"))
				indication(t, atAlice, m.LocalAddr(), "to another call")
			}
			for _, c := range []*client{mallory, alice} {
				if _, err := c.SendBindingRequest(); err != nil {
					t.Fatal(err)
				}
			}
			atAlice.send(t, 0x4000, []byte("there"))
			atBob.expect(t, 0x4000, []byte("there"))
			atBob.send(t, 0x4000, []byte("and back"))
			atAlice.expect(t, 0x4000, []byte("and back"))
			indication(t, atBob, a.LocalAddr(), "beside the channel")
			atAlice.expect(t, 0x4000, []byte("beside the channel"))
			if len(atMallory.came) != 0 || len(atAlice.came) != 0 {
				t.Errorf("%d and %d packets passed between calls", len(atMallory.came), len(atAlice.came))
			}
		})
	}
}

// Who tests both ends without a call reaches the own ones.
func TestRelayedAddressesWithoutACall(t *testing.T) {
	r := start(t, nil)
	one, two := login(t, r, r.User("", "alice", "ice0")), login(t, r, r.User("", "alice", "ice1"))
	a, b := one.allocate(), two.allocate()
	if err := one.CreatePermission(b.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	send(t, b, a.LocalAddr(), "there")
	expect(t, a, b.LocalAddr(), "there")
}
