package relay

import (
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
)

// The parts of an indication (RFC 8489, sections 5 and 14; RFC 8656, section 18).
const (
	stunHeader      = 20
	stunCookie      = 0x2112A442
	transactionSize = 12
	attributeHeader = 4
	// optional is the least type of an attribute that who does not know it ignores.
	optional = 0x8000

	sendIndication = 0x0016
	dataIndication = 0x0017
	attrPeer       = 0x0012
	attrData       = 0x0013
	familyIPv4     = 1
	familyIPv6     = 2
	// peerIPv4 and peerIPv6 are the sizes of a peer's address.
	peerIPv4 = 4 + 4
	peerIPv6 = 4 + 16
	// indicationHeader is the size of what precedes the data, at the most.
	indicationHeader = stunHeader + attributeHeader + peerIPv6 + attributeHeader
)

// padded is the size of a message or an attribute with its padding.
func padded(size int) int { return (size + 3) &^ 3 }

// indicated takes a Send indication apart. It accepts what clients send: the address of
// one peer, one piece of data and attributes that may be ignored, in any order. ok is
// false for all else, which the library judges.
func indicated(p []byte) (peer netip.AddrPort, data []byte, ok bool) {
	if len(p) < stunHeader || binary.BigEndian.Uint16(p) != sendIndication ||
		binary.BigEndian.Uint32(p[4:]) != stunCookie || int(binary.BigEndian.Uint16(p[2:])) != len(p)-stunHeader {
		return netip.AddrPort{}, nil, false
	}
	for rest := p[stunHeader:]; len(rest) > 0; {
		if len(rest) < attributeHeader {
			return netip.AddrPort{}, nil, false
		}
		kind, size := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if rest = rest[attributeHeader:]; padded(size) > len(rest) {
			return netip.AddrPort{}, nil, false
		}
		value := rest[:size]
		rest = rest[padded(size):]
		switch {
		case kind == attrData && data == nil:
			data = value
		case kind == attrPeer && !peer.IsValid():
			if peer, ok = unmasked(value, p[4:stunHeader]); !ok {
				return netip.AddrPort{}, nil, false
			}
		case kind < optional:
			return netip.AddrPort{}, nil, false
		}
	}
	if data == nil || !peer.IsValid() {
		return netip.AddrPort{}, nil, false
	}
	return peer, data, true
}

// unmasked reads a peer's address. The mask is the cookie and the transaction. An IPv4
// address that is written as one of IPv6 is none here.
func unmasked(value, mask []byte) (netip.AddrPort, bool) {
	if len(value) < 4 {
		return netip.AddrPort{}, false
	}
	family, port := binary.BigEndian.Uint16(value), binary.BigEndian.Uint16(value[2:])^stunCookie>>16
	switch {
	case family == familyIPv4 && len(value) == peerIPv4:
		var ip [4]byte
		subtle.XORBytes(ip[:], value[4:], mask)
		return netip.AddrPortFrom(netip.AddrFrom4(ip), port), true
	case family == familyIPv6 && len(value) == peerIPv6:
		var ip [16]byte
		subtle.XORBytes(ip[:], value[4:], mask)
		addr := netip.AddrFrom16(ip)
		return netip.AddrPortFrom(addr, port), !addr.Is4In6()
	}
	return netip.AddrPort{}, false
}

// indicate writes the header of a Data indication before data that has indicationHeader
// bytes of room before it and 3 after it, and gives the message. The address is bare.
func indicate(room []byte, from netip.AddrPort, transaction []byte) []byte {
	size := len(room) - indicationHeader
	family, peerSize := uint16(familyIPv6), peerIPv6
	if from.Addr().Is4() {
		family, peerSize = familyIPv4, peerIPv4
	}
	p := pad(room[peerIPv6-peerSize:])
	binary.BigEndian.PutUint16(p, dataIndication)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)-stunHeader))
	binary.BigEndian.PutUint32(p[4:], stunCookie)
	copy(p[8:], transaction)
	attribute := p[stunHeader:]
	binary.BigEndian.PutUint16(attribute, attrPeer)
	binary.BigEndian.PutUint16(attribute[2:], uint16(peerSize))
	value := attribute[attributeHeader:]
	binary.BigEndian.PutUint16(value, family)
	binary.BigEndian.PutUint16(value[2:], from.Port()^stunCookie>>16)
	if ip := from.Addr(); ip.Is4() {
		b := ip.As4()
		subtle.XORBytes(value[4:], b[:], p[4:])
	} else {
		b := ip.As16()
		subtle.XORBytes(value[4:], b[:], p[4:])
	}
	binary.BigEndian.PutUint16(value[peerSize:], attrData)
	binary.BigEndian.PutUint16(value[peerSize+2:], uint16(size))
	return p
}

// pad adds zeros up to a multiple of 4, in the room after p.
func pad(p []byte) []byte {
	size := len(p)
	p = p[:padded(size)]
	clear(p[size:])
	return p
}
