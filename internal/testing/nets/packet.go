package nets

import (
	"encoding/binary"
	"net/netip"
)

// Protocols of IPv4 by their numbers.
const (
	icmp = 1
	tcp  = 6
	udp  = 17
)

// Packet is an IPv4 packet with UDP, TCP or ICMP in it, seen in its bytes.
// Setting addresses keeps the checksums right.
type Packet struct {
	bytes  []byte
	header int // Length of the IP header.
	proto  byte
}

// Parse looks at a packet. It takes no fragments, which media never are, and no
// other protocols.
func Parse(b []byte) (Packet, bool) {
	p, ok := parseHeader(b)
	total := 0
	if ok {
		total = int(binary.BigEndian.Uint16(b[2:]))
	}
	if !ok || total < p.header+p.shortest() || total > len(b) {
		return Packet{}, false
	}
	p.bytes = b[:total]
	return p, true
}

// parseHeader takes packets that are cut off as well: ICMP errors quote such.
func parseHeader(b []byte) (Packet, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return Packet{}, false
	}
	p := Packet{bytes: b, header: int(b[0]&0x0f) * 4, proto: b[9]}
	const moreOrOffset = 0x3fff
	fragment := binary.BigEndian.Uint16(b[6:])&moreOrOffset != 0
	if p.header < 20 || p.shortest() == 0 || fragment || len(b) < p.header+8 {
		return Packet{}, false
	}
	return p, true
}

// shortest is how long what is in the packet must be.
func (p Packet) shortest() int {
	switch p.proto {
	case udp, icmp:
		return 8
	case tcp:
		return 20
	default:
		return 0
	}
}

// Bytes are the packet as it is sent.
func (p Packet) Bytes() []byte { return p.bytes }

func (p Packet) payload() []byte { return p.bytes[p.header:] }

// Src is where the packet is from; the port of ICMP is 0.
func (p Packet) Src() netip.AddrPort { return p.endpoint(12, 0) }

// Dst is where it goes.
func (p Packet) Dst() netip.AddrPort { return p.endpoint(16, 2) }

func (p Packet) setSrc(to netip.AddrPort) { p.setEndpoint(12, 0, to) }
func (p Packet) setDst(to netip.AddrPort) { p.setEndpoint(16, 2, to) }

func (p Packet) endpoint(addr, port int) netip.AddrPort {
	var n uint16
	if p.proto != icmp {
		n = binary.BigEndian.Uint16(p.payload()[port:])
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.bytes[addr:])), n)
}

func (p Packet) setEndpoint(addr, port int, to netip.AddrPort) {
	ip := to.Addr().As4()
	for i := 0; i < 4; i += 2 {
		p.replace(addr+i, binary.BigEndian.Uint16(ip[i:]), true)
	}
	if p.proto != icmp {
		p.replace(p.header+port, to.Port(), false)
	}
}

// replace puts one word in another's place and goes on from the checksums that
// there are (RFC 1624): one that was wrong stays wrong. Addresses count in both.
func (p Packet) replace(at int, word uint16, address bool) {
	was := binary.BigEndian.Uint16(p.bytes[at:])
	binary.BigEndian.PutUint16(p.bytes[at:], word)
	if address {
		p.adjust(10, was, word)
	}
	switch sum := p.header + map[byte]int{udp: 6, tcp: 16}[p.proto]; p.proto {
	case udp:
		if binary.BigEndian.Uint16(p.bytes[sum:]) == 0 {
			return // None was made.
		}
		p.adjust(sum, was, word)
		if binary.BigEndian.Uint16(p.bytes[sum:]) == 0 {
			binary.BigEndian.PutUint16(p.bytes[sum:], 0xffff)
		}
	case tcp:
		if len(p.bytes) >= sum+2 { // A quoted one ends before it.
			p.adjust(sum, was, word)
		}
	}
}

func (p Packet) adjust(at int, was, word uint16) {
	sum := uint32(^binary.BigEndian.Uint16(p.bytes[at:])) + uint32(^was) + uint32(word)
	binary.BigEndian.PutUint16(p.bytes[at:], ^fold(sum))
}

// quoted is the packet that an ICMP error is about.
func (p Packet) quoted() (Packet, bool) {
	const unreachable, exceeded, parameter = 3, 11, 12
	if p.proto != icmp {
		return Packet{}, false
	}
	switch p.payload()[0] {
	case unreachable, exceeded, parameter:
		return parseHeader(p.payload()[8:])
	}
	return Packet{}, false
}

// sumICMP computes the checksum again, after the quoted packet was changed.
func (p Packet) sumICMP() {
	message := p.payload()
	message[2], message[3] = 0, 0
	binary.BigEndian.PutUint16(message[2:], ^fold(words(message)))
}

func words(b []byte) (sum uint32) {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
