package relay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/relay"
)

// tapped is a client's socket whose channels the test has, and not the client.
type tapped struct {
	net.PacketConn
	relay net.Addr
	came  chan []byte
}

func tap(t *testing.T, r *relay.Relay) *tapped {
	t.Helper()
	on := "127.0.0.1:0"
	if r.Addr().Addr().Is6() {
		on = "[::1]:0"
	}
	return &tapped{listenOn(t, on), net.UDPAddrFromAddrPort(r.Addr()), make(chan []byte, 1000)}
}

func (c *tapped) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(p)
		if err != nil || n == 0 || p[0]>>6 != 1 {
			return n, from, err
		}
		select {
		case c.came <- bytes.Clone(p[:n]):
		default: // Nobody wants so many.
		}
	}
}

// framed is data of a channel.
func framed(channel uint16, data []byte) []byte {
	p := binary.BigEndian.AppendUint16(nil, channel)
	return append(binary.BigEndian.AppendUint16(p, uint16(len(data))), data...)
}

func (c *tapped) send(t *testing.T, channel uint16, data []byte) {
	t.Helper()
	send(t, c.PacketConn, c.relay, string(framed(channel, data)))
}

func (c *tapped) expect(t *testing.T, channel uint16, data []byte) {
	t.Helper()
	select {
	case got := <-c.came:
		if !bytes.Equal(got, framed(channel, data)) {
			t.Fatalf("got %d bytes on channel %#x, want %d on %#x", len(got)-4, binary.BigEndian.Uint16(got), len(data), channel)
		}
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
}

// channelled is a client with a relayed address, and the socket of its channels.
func channelled(t *testing.T, r *relay.Relay, user string) (*client, *tapped, net.PacketConn) {
	t.Helper()
	own, s := tap(t, r), r.Servers(named(r, user), time.Now())[1]
	c := connectWith(t, r, turn.ClientConfig{Username: s.Username, Password: s.Credential, Conn: own})
	return c, own, c.allocate()
}

func (c *client) bind(n uint16, to net.Addr) {
	c.t.Helper()
	if got := c.ask(stun.MethodChannelBind, channel(n), peer(netip.MustParseAddrPort(to.String()))); got != 0 {
		c.t.Fatalf("binding a channel: code %d", got)
	}
}

// sized is one of the datagrams of a flow: they tell themselves apart and are of all
// sizes, the last ones as large as it goes.
func sized(flow, n int) []byte {
	size := []int{1000, 1000, 1000, 0, 1, 1200, 1596}[n%7]
	return bytes.Repeat([]byte{byte(flow), byte(n)}, size/2+1)[:size]
}

// Everything arrives, in the order of its flow and nowhere else, when clients
// and peers send at the same time and more at once than is taken at once.
func TestChannels(t *testing.T) {
	const clients, peers, bursts, burst = 2, 2, 5, 40
	for _, on := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		t.Run(on, func(t *testing.T) {
			r := start(t, func(c *relay.Config) {
				if c.Listen = on; on == "[::]:0" { // Clients of the other family are distinguished as well.
					c.External = netip.MustParseAddr("127.0.0.1")
				}
			})
			for i := range clients {
				t.Run(fmt.Sprint("client ", i), func(t *testing.T) {
					t.Parallel()
					c, own, relayed := channelled(t, r, fmt.Sprint("u", i))
					var others [peers]net.PacketConn
					for j := range peers {
						others[j] = tap(t, r).PacketConn
						c.bind(0x4000+uint16(j), others[j].LocalAddr())
					}
					for range bursts {
						for n := range burst {
							own.send(t, 0x4000+uint16(n%peers), sized(i, n))
						}
						for n := range burst {
							arrives(t, others[n%peers], relayed.LocalAddr(), sized(i, n))
						}
						for n := range burst {
							send(t, others[n%peers], relayed.LocalAddr(), string(sized(i, n)))
						}
						for n := range burst {
							own.expect(t, 0x4000+uint16(n%peers), sized(i, n))
						}
					}
				})
			}
		})
	}
}

// arrives waits for one datagram of any size.
func arrives(t *testing.T, at net.PacketConn, from net.Addr, data []byte) {
	t.Helper()
	if err := at.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2000)
	n, source, err := at.ReadFrom(buffer)
	if err != nil || !bytes.Equal(buffer[:n], data) || source.String() != from.String() {
		t.Fatalf("got %d bytes from %v, %v; want %d from %v", n, source, err, len(data), from)
	}
}

// What a client sends first arrives first, also when only a part is for a channel
// and the rest is for the library.
func TestChannelsAndIndications(t *testing.T) {
	r := start(t, nil)
	c, own, relayed := channelled(t, r, "u")
	direct := listen(t)
	c.bind(0x4000, direct.LocalAddr())
	for n := range 50 {
		if text := fmt.Sprint(n); n%3 == 0 {
			indication(t, own, direct.LocalAddr(), text)
		} else {
			own.send(t, 0x4000, []byte(text))
		}
	}
	for n := range 50 {
		expect(t, direct, relayed.LocalAddr(), fmt.Sprint(n))
	}
	// A peer without a channel, between the datagrams of one that has one.
	other := listen(t)
	if err := c.CreatePermission(other.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		send(t, other, relayed.LocalAddr(), "without")
		send(t, direct, relayed.LocalAddr(), "with")
	}
	for range 10 {
		own.expect(t, 0x4000, []byte("with"))
		expect(t, relayed, other.LocalAddr(), "without")
	}
}

// indication sends without a channel.
func indication(t *testing.T, own *tapped, to net.Addr, text string) {
	t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peer(netip.MustParseAddrPort(to.String())), stun.RawAttribute{Type: stun.AttrData, Value: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	send(t, own.PacketConn, own.relay, string(m.Raw))
}

// silent checks that nothing has come until now: what was sent before has been
// looked at once the relay answers.
func silent(t *testing.T, what string, c *client, at net.PacketConn) {
	t.Helper()
	if _, err := c.SendBindingRequest(); err != nil {
		t.Fatal(err)
	}
	if err := at.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := at.ReadFrom(make([]byte, 2000)); err == nil {
		t.Errorf("%s: %d bytes came", what, n)
	}
}

// Only what is bound passes, for as long as its relayed address is there.
func TestChannelsNotBound(t *testing.T) {
	r := start(t, nil)
	c, own, relayed := channelled(t, r, "u")
	direct, stranger := listen(t), listen(t)
	c.bind(0x4000, direct.LocalAddr())
	own.send(t, 0x4001, []byte("on another channel"))
	send(t, own.PacketConn, own.relay, "\x40\x00\x00\xffcut off")
	send(t, own.PacketConn, own.relay, "\x40\x00")
	send(t, stranger, own.relay, string(framed(0x4000, []byte("from another client"))))
	silent(t, "what is not bound", c, direct)
	own.send(t, 0x4000, []byte("there"))
	expect(t, direct, relayed.LocalAddr(), "there")
	send(t, stranger, relayed.LocalAddr(), "from another peer")
	send(t, direct, relayed.LocalAddr(), "and back")
	own.expect(t, 0x4000, []byte("and back"))

	c.release(relayed)
	own.send(t, 0x4000, []byte("after the end"))
	silent(t, "after the end", c, direct)
	send(t, direct, relayed.LocalAddr(), "after the end")
	if _, err := c.SendBindingRequest(); err != nil || len(own.came) != 0 {
		t.Errorf("after the end: %d came, %v", len(own.came), err)
	}
}

// A channel opens no way to what a client may not reach: bound to an address, it
// is judged with its port at each packet.
func TestChannelsToOwnAddresses(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.AllowPeers = nil })
	alice, own, _ := channelled(t, r, "call.alice")
	_, theirs, b := channelled(t, r, "call.bob")
	service := listen(t)
	alice.bind(0x4000, service.LocalAddr())
	alice.bind(0x4001, b.LocalAddr())
	for range 40 { // The good ones do not speak for the others.
		own.send(t, 0x4001, nil)
		own.send(t, 0x4000, []byte("to a service of this machine"))
	}
	silent(t, "a service of this machine", alice, service)
	if len(theirs.came) != 0 {
		t.Error("who has bound no channel got something on it")
	}
}

// The relay ends while clients and peers send.
func TestCloseWhileSending(t *testing.T) {
	for range 10 {
		r := start(t, nil)
		quit := make(chan struct{})
		var work sync.WaitGroup
		flood := func(from net.PacketConn, to net.Addr, p []byte) {
			for {
				select {
				case <-quit:
					return
				default:
					_, _ = from.WriteTo(p, to)
				}
			}
		}
		var begin []func() // Nobody floods while others still ask for their channels.
		var peers []net.PacketConn
		for i := range 3 {
			c, own, relayed := channelled(t, r, fmt.Sprint("u", i))
			direct := listen(t)
			c.bind(0x4000, direct.LocalAddr())
			peers = append(peers, direct)
			begin = append(begin,
				func() { flood(own.PacketConn, own.relay, framed(0x4000, make([]byte, 1000))) },
				func() { flood(direct, relayed.LocalAddr(), make([]byte, 1000)) })
		}
		for _, f := range begin {
			work.Go(f)
		}
		for _, direct := range peers {
			if err := direct.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := direct.ReadFrom(make([]byte, 2000)); err != nil {
				t.Fatal(err)
			}
		}
		err := errors.Join(r.Close(), r.Close())
		close(quit)
		work.Wait()
		if err != nil {
			t.Fatal(err)
		}
	}
}
