package relay

import (
	"fmt"
	"net/netip"
)

// special are the address ranges that are not the public internet, of IPv4 and
// IPv6: the IANA special-purpose registries, multicast, and what was reserved
// before those.
var special = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // shared, behind carriers' NAT; cloud metadata too
	"127.0.0.0/8",      // loopback
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
	"168.63.129.16/32", // a cloud's host services

	"::/8",              // unspecified, loopback, compatible, and the rest of it
	"100::/64",          // discard
	"100:0:0:1::/64",    // dummy
	"2001::/23",         // protocol assignments, Teredo, benchmarking, ORCHID
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
	"5f00::/16",         // segment routing
	"fc00::/7",          // unique local; cloud metadata
	"fe80::/10",         // link-local
	"fec0::/10",         // site-local
	"ff00::/8",          // multicast
)

// encodings are the IPv6 ranges whose addresses stand for an IPv4 one, with
// the byte at which that begins. They are judged by it.
var encodings = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::/96"), 12},           // compatible
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // translated
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4
}

// PeerPolicy says whom the relay may reach.
type PeerPolicy struct {
	// Allow are ranges to reach although they are special.
	Allow []netip.Prefix
}

// Allows judges a peer's address: public ones may be reached, special ones
// only when a range in Allow holds them.
func (p PeerPolicy) Allows(peer netip.Addr) bool {
	peer = canonical(peer)
	return peer.IsValid() && (within(peer, p.Allow) || !within(peer, special))
}

// canonical gives the one form of an address that has several.
func canonical(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() || a.IsUnspecified() || a.IsLoopback() {
		return a
	}
	for _, e := range encodings {
		if e.prefix.Contains(a) {
			b := a.As16()
			return netip.AddrFrom4([4]byte(b[e.at : e.at+4]))
		}
	}
	return a
}

func within(a netip.Addr, ranges []netip.Prefix) bool {
	for _, r := range ranges {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

// ParsePrefixes reads CIDR ranges; a single address is a range of one.
func ParsePrefixes(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, bad := netip.ParseAddr(text); err != nil && bad == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is not a range of addresses: want CIDR, such as 10.0.0.0/8 or fd00::/8", text)
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("%q has bits set beyond its length: did you mean %s?", text, p.Masked())
		}
		all = append(all, p)
	}
	return all, nil
}

// LocalPrefixes are the ranges of one's own machine and network, which a relay
// for trying out has to reach.
func LocalPrefixes() []netip.Prefix {
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
