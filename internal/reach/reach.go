// Package reach distinguishes public addresses from all others: private networks, loopback, the metadata
// services of clouds, and addresses that only look public.
//
// Code that connects to an address which a stranger chose uses it: the relay for peers, and the webhooks
// for endpoints. All of it is plain data, for any goroutine.
package reach

import (
	"net/netip"
	"slices"
)

// special are the address ranges that are not the public internet: the IANA
// registries of special-purpose addresses, multicast, reserved ranges, and
// the metadata services of clouds.
var special = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // shared, behind carriers' NAT; cloud metadata too
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // a cloud's host services
	"169.254.0.0/16",   // link-local; cloud metadata
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments; cloud metadata
	"192.0.2.0/24",     // documentation
	"192.31.196.0/24",  // AS112
	"192.52.193.0/24",  // AMT
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"192.175.48.0/24",  // AS112
	"198.18.0.0/15",    // benchmarking
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, broadcast

	// Global unicast IPv6 is 2000::/3. Before it are loopback, addresses that
	// hold an IPv4 one, discard and dummy prefixes; after it segment routing,
	// unique local, link-local and site-local addresses and multicast.
	"::/3",
	"4000::/2",
	"8000::/1",
	"2001::/23",         // protocol assignments: Teredo, benchmarking, ORCHID
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

// The ranges whose addresses hold an IPv4 one.
var (
	compatible = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
	teredo     = netip.MustParsePrefix("2001::/32")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// Policy says which addresses may be reached. The zero value is the public
// internet.
type Policy struct {
	// Allow are ranges to reach although they are special.
	Allow []netip.Prefix
}

// Allows checks an address. A public one may be reached, a special one only
// where a range in Allow holds it. A gateway may unpack an IPv4 address from an
// IPv6 one: then both must be allowed, so fd00::/8 or even ::/0 in Allow
// opens no way to 127.0.0.1.
func (p Policy) Allows(a netip.Addr) bool {
	a = Canonical(a)
	if !a.IsValid() || !p.allowsAlone(a) {
		return false
	}
	return !slices.ContainsFunc(embedded(a), func(a netip.Addr) bool { return !p.allowsAlone(a) })
}

func (p Policy) allowsAlone(a netip.Addr) bool { return Within(a, p.Allow) || !Within(a, special) }

// Canonical returns one form of an address that has several: an IPv4 address
// for an IPv6 one that only embeds it.
func Canonical(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		return v4(a, 12, 13, 14, 15)
	}
	return a
}

// embedded are the IPv4 addresses that tunnels and translators read out of an
// IPv6 one.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() || a.IsUnspecified() || a.IsLoopback() {
		return nil
	}
	var found []netip.Addr
	b := a.As16()
	last := v4(a, 12, 13, 14, 15)
	switch {
	case compatible.Contains(a), translated.Contains(a):
		found = append(found, last)
	case nat64Local.Contains(a) && last != netip.IPv4Unspecified():
		found = append(found, last)
	case nat64Local.Contains(a): // The layout for a /48 of RFC 6052, section 2.2.
		found = append(found, v4(a, 6, 7, 9, 10))
	case sixToFour.Contains(a):
		found = append(found, v4(a, 2, 3, 4, 5))
	case teredo.Contains(a): // The server, and the client with its bits turned (RFC 4380).
		client := last.As4()
		for i := range client {
			client[i] = ^client[i]
		}
		found = append(found, v4(a, 4, 5, 6, 7), netip.AddrFrom4(client))
	}
	// ISATAP (RFC 5214) marks the lower half, under any prefix.
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		found = append(found, last)
	}
	return found
}

// v4 is the IPv4 address of four bytes of an IPv6 one.
func v4(a netip.Addr, i, j, k, l int) netip.Addr {
	b := a.As16()
	return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]})
}

// Within says whether one of the ranges holds an address.
func Within(a netip.Addr, ranges []netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) })
}

// Local are the ranges of this machine and its network, which the relay of peal dev
// has to reach.
func Local() []netip.Prefix {
	return prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
		"100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10")
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}
