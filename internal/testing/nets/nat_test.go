package nets

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var (
	began  = time.Unix(1_700_000_000, 0)
	public = netip.MustParseAddr("198.51.100.1")
	client = netip.MustParseAddrPort("10.0.0.2:5000")
)

// end is a remote end by its text.
func end(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

// build makes a packet with right checksums.
func build(proto byte, src, dst netip.AddrPort, payload string) Packet {
	header := map[byte]int{udp: 8, tcp: 20}[proto]
	b := make([]byte, 20+header+len(payload))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if proto == udp {
		binary.BigEndian.PutUint16(b[24:], uint16(header+len(payload)))
	} else {
		b[32] = 5 << 4
	}
	copy(b[20+header:], payload)
	from, to := src.Addr().As4(), dst.Addr().As4()
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[20:], src.Port())
	binary.BigEndian.PutUint16(b[22:], dst.Port())
	at := map[byte]int{udp: 26, tcp: 36}[proto]
	binary.BigEndian.PutUint16(b[at:], ^sumOf(b))
	binary.BigEndian.PutUint16(b[10:], ^fold(words(b[:20])))
	p, ok := Parse(b)
	if !ok {
		panic("a packet that cannot be parsed")
	}
	return p
}

// sumOf adds up what the checksum of UDP and TCP is over.
func sumOf(b []byte) uint16 {
	return fold(words(b[12:20]) + uint32(b[9]) + uint32(len(b)-20) + words(b[20:]))
}

// checkSums holds that both checksums are right.
func checkSums(t *testing.T, p Packet) {
	t.Helper()
	if ip := fold(words(p.bytes[:20])); ip != 0xffff {
		t.Errorf("the IP checksum is off: %#x", ip)
	}
	if all := sumOf(p.bytes); p.proto != icmp && all != 0xffff {
		t.Errorf("the checksum of protocol %d is off: %#x", p.proto, all)
	}
}

// behind is a NAT with a hand for packets.
type behind struct {
	*NAT
	t   *testing.T
	now time.Time
}

func newBehind(t *testing.T, r Rules) *behind { return &behind{NewNAT(public, r), t, began} }

// sends sends from the client, and gives the address that the other one sees.
func (b *behind) sends(proto byte, from, to netip.AddrPort) (seen netip.AddrPort, ok bool) {
	b.t.Helper()
	p := build(proto, from, to, "hello")
	if !b.Out(p, b.now) {
		return netip.AddrPort{}, false
	}
	checkSums(b.t, p)
	if p.Dst() != to {
		b.t.Errorf("the destination became %s", p.Dst())
	}
	return p.Src(), true
}

// must sends what has to get through.
func (b *behind) must(from, to netip.AddrPort) netip.AddrPort {
	b.t.Helper()
	seen, ok := b.sends(udp, from, to)
	if !ok || seen.Addr() != b.Public() {
		b.t.Fatalf("from %s to %s came as %s, %v", from, to, seen, ok)
	}
	return seen
}

// lets says whether something comes in, which then is for the client.
func (b *behind) lets(proto byte, from, to netip.AddrPort) bool {
	b.t.Helper()
	p := build(proto, from, to, "hi")
	if !b.In(p, b.now) {
		return false
	}
	checkSums(b.t, p)
	if p.Dst().Addr() != client.Addr() || p.Src() != from {
		b.t.Errorf("what came from %s to %s is from %s to %s", from, to, p.Src(), p.Dst())
	}
	return true
}

// RFC 4787, 4.1: to whom the same mapping is shown.
func TestMapping(t *testing.T) {
	for _, test := range []struct {
		mapping             Dependence
		otherPort, otherOne bool // Whether they see the same.
	}{
		{EndpointIndependent, true, true},
		{AddressDependent, true, false},
		{AddressAndPortDependent, false, false},
	} {
		b := newBehind(t, Rules{Mapping: test.mapping})
		first := b.must(client, end("203.0.113.1:1000"))
		if again := b.must(client, end("203.0.113.1:1000")); again != first {
			t.Errorf("%d: the same end sees %s, then %s", test.mapping, first, again)
		}
		if got := b.must(client, end("203.0.113.1:1001")) == first; got != test.otherPort {
			t.Errorf("%d: another port sees the same: %v", test.mapping, got)
		}
		if got := b.must(client, end("203.0.113.2:1000")) == first; got != test.otherOne {
			t.Errorf("%d: another address sees the same: %v", test.mapping, got)
		}
		if b.must(end("10.0.0.2:5001"), end("203.0.113.1:1000")) == first {
			t.Errorf("%d: two clients have one mapping", test.mapping)
		}
	}
}

// RFC 4787, 5: who gets in by a mapping.
func TestFiltering(t *testing.T) {
	for _, test := range []struct {
		filtering           Dependence
		otherPort, otherOne bool
	}{
		{EndpointIndependent, true, true},
		{AddressDependent, true, false},
		{AddressAndPortDependent, false, false},
	} {
		b := newBehind(t, Rules{Filtering: test.filtering})
		at := b.must(client, end("203.0.113.1:1000"))
		if !b.lets(udp, end("203.0.113.1:1000"), at) {
			t.Errorf("%d: an answer does not come in", test.filtering)
		}
		if got := b.lets(udp, end("203.0.113.1:1001"), at); got != test.otherPort {
			t.Errorf("%d: another port comes in: %v", test.filtering, got)
		}
		if got := b.lets(udp, end("203.0.113.2:1000"), at); got != test.otherOne {
			t.Errorf("%d: another address comes in: %v", test.filtering, got)
		}
		if b.lets(udp, end("203.0.113.1:1000"), netip.AddrPortFrom(public, at.Port()+1)) {
			t.Errorf("%d: comes in without a mapping", test.filtering)
		}
	}
}

// A mapping lasts as long as something goes out by it; what comes in keeps nothing.
func TestIdle(t *testing.T) {
	b := newBehind(t, Rules{Filtering: AddressAndPortDependent})
	peer, other := end("203.0.113.1:1000"), end("203.0.113.2:1000")
	at := b.must(client, peer)
	b.now = b.now.Add(udpIdle)
	if !b.lets(udp, peer, at) {
		t.Error("it is gone too early")
	}
	if b.must(client, other) != at {
		t.Error("there is another mapping too early")
	}
	b.now = b.now.Add(time.Second)
	if b.lets(udp, peer, at) {
		t.Error("one whom nothing was sent to for long comes in by a mapping in use")
	}
	b.now = b.now.Add(udpIdle)
	if b.lets(udp, other, at) {
		t.Error("it lasts for ever")
	}
	if b.must(client, peer) == at {
		t.Error("a mapping that has ended is used again")
	}
}

// The table is bounded: the longest silent mapping makes room.
func TestBounds(t *testing.T) {
	b := newBehind(t, Rules{Filtering: AddressAndPortDependent})
	b.mappings = 2
	peer := end("203.0.113.1:1000")
	var at []netip.AddrPort
	for _, from := range []string{"10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:1", "10.0.0.2:3"} {
		at = append(at, b.must(end(from), peer))
		b.now = b.now.Add(time.Second)
	}
	if at[0] != at[2] || len(b.outward) != 2 || len(b.inward) != 2 {
		t.Errorf("the mappings are %v, %d out, %d in", at, len(b.outward), len(b.inward))
	}
	if b.lets(udp, peer, at[1]) || !b.lets(udp, peer, at[0]) || !b.lets(udp, peer, at[3]) {
		t.Error("it was not the oldest that went")
	}
	for port := range uint16(mostRemotes + 10) {
		b.must(end("10.0.0.2:1"), netip.AddrPortFrom(peer.Addr(), 2000+port))
		b.now = b.now.Add(time.Millisecond)
	}
	if b.lets(udp, peer, at[0]) || !b.lets(udp, end("203.0.113.1:2073"), at[0]) {
		t.Error("the ends that may come in are not the newest")
	}
}

// What a firewall does not let through, and that TCP keeps its mapping.
func TestRules(t *testing.T) {
	web, turn := end("203.0.113.1:443"), end("203.0.113.1:3478")
	b := newBehind(t, Rules{})
	at := b.must(client, turn)
	connection, ok := b.sends(tcp, client, web)
	if !ok || !b.lets(tcp, web, connection) || b.lets(tcp, end("203.0.113.1:444"), connection) {
		t.Error("TCP goes to its end alone, and does not here")
	}
	b.SetRules(Rules{NoUDP: true, TCPPorts: []uint16{443}, Mapping: AddressAndPortDependent})
	if _, ok := b.sends(udp, client, turn); ok || b.lets(udp, turn, at) {
		t.Error("UDP goes through")
	}
	if _, ok := b.sends(tcp, client, turn); ok {
		t.Error("TCP goes to another port than 443")
	}
	if again, ok := b.sends(tcp, client, web); !ok || again != connection || !b.lets(tcp, web, connection) {
		t.Error("a connection is gone with the rules")
	}
	b.SetRules(Rules{NoTCPTo: []netip.Addr{web.Addr()}})
	if _, ok := b.sends(tcp, client, web); ok || b.lets(tcp, web, connection) {
		t.Error("TCP goes through")
	}
	if b.must(client, turn); b.lets(udp, turn, at) {
		t.Error("UDP has its mapping still, by other rules")
	}
}

func TestRenumber(t *testing.T) {
	b := newBehind(t, Rules{})
	peer := end("203.0.113.1:1000")
	at := b.must(client, peer)
	b.Renumber(netip.MustParseAddr("198.51.100.2"))
	if b.lets(udp, peer, at) || b.lets(udp, peer, netip.AddrPortFrom(b.Public(), at.Port())) {
		t.Error("a forgotten mapping lets in")
	}
	if now := b.must(client, peer); now.Port() == at.Port() || !b.lets(udp, peer, now) {
		t.Error("there is no new mapping")
	}
}

// An ICMP error comes to whom it concerns, about the packet that it sent.
func TestICMPErrors(t *testing.T) {
	b := newBehind(t, Rules{Filtering: AddressAndPortDependent})
	router, peer := end("203.0.113.9:0"), end("203.0.113.1:1000")
	about := build(udp, client, peer, "hello")
	sent := append([]byte(nil), about.bytes...)
	if !b.Out(about, b.now) {
		t.Fatal("nothing goes out")
	}
	unreachable := func(quoted []byte, kind byte) Packet {
		p := build(udp, router, about.Src(), string(append([]byte{0}, quoted...)))
		p.bytes[9], p.proto = icmp, icmp
		binary.BigEndian.PutUint16(p.bytes[10:], 0)
		binary.BigEndian.PutUint16(p.bytes[10:], ^fold(words(p.bytes[:20])))
		clear(p.bytes[20:28])
		p.bytes[20] = kind
		copy(p.bytes[28:], quoted)
		p.bytes = p.bytes[:28+len(quoted)]
		binary.BigEndian.PutUint16(p.bytes[2:], uint16(len(p.bytes)))
		binary.BigEndian.PutUint16(p.bytes[10:], 0)
		binary.BigEndian.PutUint16(p.bytes[10:], ^fold(words(p.bytes[:20])))
		p.sumICMP()
		return p
	}
	p := unreachable(about.bytes[:28], 3)
	if !b.In(p, b.now) {
		t.Fatal("an error does not come in")
	}
	checkSums(t, p)
	if sum := fold(words(p.payload())); sum != 0xffff {
		t.Errorf("the ICMP checksum is off: %#x", sum)
	}
	quoted, ok := p.quoted()
	if !ok || p.Dst().Addr() != client.Addr() || quoted.Src() != client || quoted.Dst() != peer {
		t.Errorf("the error is for %s, about %s to %s", p.Dst(), quoted.Src(), quoted.Dst())
	}
	if got, want := quoted.bytes[:28], sent[:28]; string(got) != string(want) {
		t.Errorf("it quotes %x, sent was %x", got, want)
	}
	if echo := unreachable(about.bytes[:28], 8); b.In(echo, b.now) {
		t.Error("an echo comes in")
	}
	if b.In(unreachable(sent[:28], 3), b.now) {
		t.Error("an error about something that did not pass here comes in")
	}
	if b.Out(unreachable(about.bytes[:28], 3), b.now) {
		t.Error("ICMP goes out")
	}
}

// What is no packet, or none that is dealt with here, is said to be none.
func TestParse(t *testing.T) {
	good := build(tcp, client, end("203.0.113.1:443"), "data").bytes
	spoil := func(change func([]byte) []byte) []byte { return change(append([]byte(nil), good...)) }
	for name, bytes := range map[string][]byte{
		"nothing":           nil,
		"cut off":           good[:30],
		"IPv6":              spoil(func(b []byte) []byte { b[0] = 0x60; return b }),
		"a short header":    spoil(func(b []byte) []byte { b[0] = 0x44; return b }),
		"a long header":     spoil(func(b []byte) []byte { b[0] = 0x4f; return b }),
		"a fragment":        spoil(func(b []byte) []byte { b[6] = 0x20; return b }),
		"its rest":          spoil(func(b []byte) []byte { b[7] = 8; return b }),
		"SCTP":              spoil(func(b []byte) []byte { b[9] = 132; return b }),
		"a length too long": spoil(func(b []byte) []byte { b[3]++; return b }),
		"one too short":     spoil(func(b []byte) []byte { b[3] = 39; return b }),
	} {
		if _, ok := Parse(bytes); ok {
			t.Errorf("%s is taken for a packet", name)
		}
	}
	padded, ok := Parse(append(append([]byte(nil), good...), 0, 0))
	if !ok || len(padded.Bytes()) != len(good) {
		t.Error("what is after the packet is not left out")
	}
	// A checksum that was left out stays so.
	none := build(udp, client, end("203.0.113.1:443"), "data")
	none.bytes[26], none.bytes[27] = 0, 0
	if none.setSrc(end("198.51.100.1:7")); none.bytes[26] != 0 || none.bytes[27] != 0 {
		t.Error("a checksum was made from none")
	}
}

func FuzzNAT(f *testing.F) {
	f.Add(build(udp, client, end("203.0.113.1:443"), "data").bytes)
	f.Add(build(tcp, client, end("203.0.113.1:443"), "data").bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Parse(b)
		if !ok {
			return
		}
		n := NewNAT(public, Rules{})
		from, to, sum := p.Src(), p.Dst(), residue(p)
		if !n.Out(p, began) {
			n.In(p, began)
			return
		}
		if p.Dst() != to || p.Src().Addr() != public || residue(p) != sum {
			t.Errorf("from %s to %s came as from %s to %s, its checksum off by %#x, before %#x", from, to, p.Src(), p.Dst(), residue(p), sum)
		}
		if p.proto == icmp {
			return
		}
		back, _ := Parse(slices.Clone(p.Bytes()))
		back.setSrc(to)
		back.setDst(p.Src())
		if !n.In(back, began) || back.Src() != to || back.Dst() != from {
			t.Errorf("what comes back from %s to %s is from %s to %s", to, from, back.Src(), back.Dst())
		}
	})
}

// residue is by how much the checksum of a packet's header is off, which no NAT changes.
func residue(p Packet) uint16 { return fold(words(p.bytes[:p.header])) % 0xffff }
