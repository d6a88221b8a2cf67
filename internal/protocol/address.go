package protocol

import (
	"slices"
	"strconv"
	"strings"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// This file is the gate for the addresses of people. They travel as candidates,
// which can be counted and kept back, and as nothing else.

// candidate is what an ICE candidate says of itself (RFC 8839, section 5.1).
type candidate struct {
	kind   string // host, srflx, prflx or relay.
	fields []string
}

// candidateFields is how many words a candidate has at least, its type the last of them.
const candidateFields = 8

// parseCandidate reads a candidate; ok is false for what is none.
func parseCandidate(text string) (c candidate, ok bool) {
	rest, ok := strings.CutPrefix(text, "candidate:")
	if !ok {
		return candidate{}, false
	}
	f := strings.Fields(rest)
	if len(f) < candidateFields || f[6] != "typ" {
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
	if !slices.Contains([]string{"host", "srflx", "prflx", "relay"}, f[7]) {
		return candidate{}, false
	}
	return candidate{kind: f[7], fields: f}, true
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

// Relayed are those candidates from which nobody learns where a client is.
func Relayed(c *pealv1.Candidates) *pealv1.Candidates {
	kept := &pealv1.Candidates{CallId: c.CallId, Generation: c.Generation}
	for _, x := range c.Candidates {
		parsed, ok := parseCandidate(x.Candidate)
		if !ok || parsed.kind != "relay" {
			continue
		}
		kept.Candidates = append(kept.Candidates, &pealv1.Candidate{
			Candidate: parsed.discreet(), SdpMid: x.SdpMid, SdpMLineIndex: x.SdpMLineIndex, UsernameFragment: x.UsernameFragment,
		})
	}
	return kept
}

// sdp takes a session description that tells no address: no candidates, and the
// lines that have a place for one (RFC 8866, sections 5.2 and 5.7, and RFC 3605)
// name nobody.
func sdp(field, s string, l *Limits) *pealv1.Error {
	if err := size(field, s, 1, l.SDPBytes); err != nil {
		return err
	}
	if !strings.HasPrefix(s, "v=0") {
		return BadRequest.Because("%s is not a session description", field)
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\r' && r != '\n' && r != '\t' }); i >= 0 {
		return BadRequest.Because("%s holds a control character at %d", field, i)
	}
	for line := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if strings.HasPrefix(line, "a=candidate:") {
			return BadRequest.Because("%s holds candidates: send those by candidates", field)
		}
		if strings.HasPrefix(line, "o=") || strings.HasPrefix(line, "c=") || strings.HasPrefix(line, "a=rtcp:") {
			if !anonymous(line) {
				return BadRequest.Because("%s holds an address, in its line %.2s: write 0.0.0.0 for it", field, line)
			}
		}
	}
	return nil
}

// anonymous says that a line names nobody where it has a place for an address, and
// has no other place.
func anonymous(line string) bool {
	kind, rest, _ := strings.Cut(line, "=")
	f := strings.Fields(rest)
	before := 0
	switch kind {
	case "o": // A name and two numbers.
		before = 3
	case "a": // A port, which may be alone.
		before = 1
		_, err := strconv.ParseUint(strings.TrimPrefix(f[0], "rtcp:"), 10, 16)
		if err != nil || len(f) == before {
			return err == nil
		}
	}
	if len(f) != before+3 || f[before] != "IN" {
		return false
	}
	switch f[before+1] {
	case "IP4":
		return slices.Contains([]string{"0.0.0.0", "127.0.0.1"}, f[before+2])
	case "IP6":
		return slices.Contains([]string{"::", "::1"}, f[before+2])
	}
	return false
}
