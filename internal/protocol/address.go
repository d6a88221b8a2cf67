package protocol

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// This file is the gate for ICE candidates: the only messages by which the
// address of one person reaches another, so that they can be counted and kept
// back.

// candidate is what an ICE candidate says of itself (RFC 8839, section 5.1).
type candidate struct {
	kind    string     // host, srflx, prflx or relay.
	address netip.Addr // The zero value stands for a name of multicast DNS.
	fields  []string
}

// candidateFields is how many words a candidate has at least, its type the last of them.
const candidateFields = 8

// parseCandidate reads a candidate; ok is false for what is none. Its words are
// printable ASCII, one blank apart. Its address is a literal, or a name of
// multicast DNS, as browsers make them for people whom no page may locate: any
// other name would have the browser of the other side ask a DNS server for it.
func parseCandidate(text string) (c candidate, ok bool) {
	rest, ok := strings.CutPrefix(text, "candidate:")
	if !ok || strings.IndexFunc(rest, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		return candidate{}, false
	}
	f := strings.Split(rest, " ")
	if len(f) < candidateFields || len(f)%2 != 0 || slices.Contains(f, "") || f[6] != "typ" {
		return candidate{}, false
	}
	for _, number := range []struct {
		text string
		bits int
	}{{f[1], 16}, {f[3], 32}, {f[5], 16}} {
		if _, err := strconv.ParseUint(number.text, 10, number.bits); err != nil {
			return candidate{}, false
		}
	}
	c = candidate{kind: f[7], fields: f}
	if !slices.Contains([]string{"host", "srflx", "prflx", "relay"}, c.kind) {
		return candidate{}, false
	}
	if c.address, ok = candidateAddress(f[4]); !ok || !c.address.IsValid() && c.kind != "host" {
		return candidate{}, false
	}
	for i := candidateFields; i < len(f); i += 2 {
		if f[i] == "raddr" {
			if _, ok := candidateAddress(f[i+1]); !ok {
				return candidate{}, false
			}
		}
	}
	return c, true
}

// candidateAddress reads where a candidate is; the zero value stands for a name
// of multicast DNS, which holds a UUID.
func candidateAddress(text string) (netip.Addr, bool) {
	if name, ok := strings.CutSuffix(text, ".local"); ok {
		for i := range len(name) {
			if !alphanumeric(name[i]) && name[i] != '-' {
				return netip.Addr{}, false
			}
		}
		return netip.Addr{}, len(name) == 36
	}
	at, err := netip.ParseAddr(text)
	return at, err == nil && at.Zone() == ""
}

// discreet is a relayed candidate without its related address, which is the one
// by which the client reaches the relay.
func (c candidate) discreet() string {
	f := slices.Clone(c.fields)
	for i := candidateFields; i+1 < len(f); i += 2 {
		switch f[i] {
		case "raddr":
			f[i+1] = "0.0.0.0"
		case "rport":
			f[i+1] = "0"
		}
	}
	return "candidate:" + strings.Join(f, " ")
}

// Relayed are those candidates from which nobody learns where a client is: the
// relayed ones, at an address of a relay that the server announces. A client
// could write any address into a candidate of that kind, and the other side's
// browser would send there.
func Relayed(c *pealv1.Candidates, announced func(netip.Addr) bool) *pealv1.Candidates {
	kept := &pealv1.Candidates{CallId: c.CallId, Generation: c.Generation}
	for _, x := range c.Candidates {
		parsed, ok := parseCandidate(x.Candidate)
		if !ok || parsed.kind != "relay" || !announced(parsed.address.Unmap()) {
			continue
		}
		kept.Candidates = append(kept.Candidates, &pealv1.Candidate{
			Candidate: parsed.discreet(), SdpMid: x.SdpMid, SdpMLineIndex: x.SdpMLineIndex, UsernameFragment: x.UsernameFragment,
		})
	}
	return kept
}
