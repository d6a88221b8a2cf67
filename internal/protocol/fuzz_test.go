package protocol_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// seeds gives a fuzz target the golden messages to begin with.
func seeds(f *testing.F, pattern string) {
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no golden messages: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"id":1,"invite":{"callId":"019a0000-0000-7000-8000-000000000001","callee":"b","type":3,"offer":"v=0\r\n"}}`))
	f.Add([]byte(`{"id":4294967296}`))
	f.Add([]byte(`{"id":1,"id":2,"ping":{},"hello":{}}`))
}

// What is taken can be said again and means the same; what is not is refused by
// a code of the catalogue, in few words.
func FuzzDecode(f *testing.F) {
	seeds(f, "client_*.json")
	limits := protocol.DefaultLimits()
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, bad := protocol.Decode(text, &limits)
		if bad != nil {
			if !slices.Contains(protocol.Codes(), protocol.Code(bad.Code)) || bad.Message == "" || len(bad.Message) > 512 {
				t.Fatalf("refused by %q: %q", bad.Code, bad.Message)
			}
			if frame == nil || frame.Command != nil && bad.Code == string(protocol.UnknownCommand) {
				t.Fatalf("refused with %v", frame)
			}
			return
		}
		if frame.Id == 0 || frame.Command == nil {
			t.Fatalf("taken: %v", frame)
		}
		again, err := protocol.EncodeCommand(frame)
		if err != nil {
			t.Fatalf("encode %v: %v", frame, err)
		}
		same, bad := protocol.Decode(again, &limits)
		if len(again) <= limits.MessageBytes && (bad != nil || !proto.Equal(frame, same)) {
			t.Fatalf("%v becomes %v (%v)", frame, same, bad)
		}
	})
}

// A client takes what a server says, or refuses it without falling over.
func FuzzDecodeFrame(f *testing.F) {
	seeds(f, "server_*.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := protocol.DecodeFrame(text)
		if err != nil {
			return
		}
		again, err := protocol.Encode(frame)
		if err != nil {
			t.Fatalf("encode %v: %v", frame, err)
		}
		if same, err := protocol.DecodeFrame(again); err != nil || !proto.Equal(frame, same) {
			t.Fatalf("%v becomes %v (%v)", frame, same, err)
		}
	})
}

// A description that is taken tells no address, however it is written; a
// candidate that is taken is one, and what is passed on in discretion tells
// nothing but the relay's.
func FuzzAddresses(f *testing.F) {
	f.Add("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n", "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host")
	f.Add("v=0\nc=IN IP6 ::\n", "candidate:2 1 UDP 5 203.0.113.5 49152 typ relay raddr 192.0.2.7 rport 50000 generation 0 ufrag x")
	f.Add("v=0\na=candidate:1 1 udp 1 192.0.2.7 9 typ host", "candidate:3 1 tcp 1 fe80::1 9 typ srflx raddr :: rport 9 tcptype active")
	f.Add("v=0\rc=IN IP4 192.0.2.7", "")
	f.Add("v=0\nc=IN IP4 192.0.2.70", "")
	f.Add("v=0\nc=IN IP4 0.0.0.0 192.0.2.7", "")
	f.Add("v=0\nc=IN IP4 0.0.0.0/127/3", "")
	f.Add("v=0\no=IN IP4 0.0.0.0 IN IP4 192.0.2.7", "")
	f.Add("v=0\na=rtcp:9 IN IP6 fe80::1", "")
	f.Add("v=0\na=rtcp:9\nc", "")
	f.Add("v=0\na=rtcp:192.0.2.7", "")
	f.Add("v=0\na=rtcp:0 ", "")
	f.Add("v=0\na=rtcp:\nc=\no=", "")
	limits := protocol.DefaultLimits()
	const id = "019a0000-0000-7000-8000-000000000001"
	f.Fuzz(func(t *testing.T, description, candidate string) {
		taken := func(c *pealv1.ClientFrame) bool {
			c.Id = 1
			text, err := protojson.Marshal(c)
			if err != nil {
				return false // No text at all.
			}
			_, bad := protocol.Decode(text, &limits)
			return bad == nil
		}
		if taken(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Answer{Answer: &pealv1.Answer{CallId: id, Generation: 1, Sdp: description}}}) {
			if line := telling(description); line != "" {
				t.Fatalf("taken: %q", line)
			}
		}
		list := &pealv1.Candidates{CallId: id, Generation: 1, Candidates: []*pealv1.Candidate{{Candidate: candidate}}}
		if !taken(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: list}}) {
			return
		}
		for _, c := range protocol.Relayed(list).Candidates {
			again := &pealv1.Candidates{CallId: id, Generation: 1, Candidates: []*pealv1.Candidate{c}}
			if !taken(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: again}}) || !proto.Equal(protocol.Relayed(again), again) {
				t.Fatalf("passed on as %q", c.Candidate)
			}
			fields := strings.Fields(c.Candidate)
			if !slices.Contains(fields, "relay") {
				t.Fatalf("passed on: %q", c.Candidate)
			}
			for i, word := range fields[8:] {
				if word == "raddr" && i%2 == 0 && i+9 < len(fields) && fields[i+9] != "0.0.0.0" {
					t.Fatalf("passed on: %q", c.Candidate)
				}
			}
		}
	})
}

// telling is a line of a description that may tell an address: a candidate, or one
// whose place for an address (RFC 8866, sections 5.2 and 5.7; RFC 3605) holds
// another than nobody's, or that has more places than it should.
func telling(description string) string {
	for line := range strings.FieldsFuncSeq(description, func(r rune) bool { return r == '\r' || r == '\n' }) {
		kind, rest, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		before := map[string]int{"c": 0, "o": 3}
		if after, ok := strings.CutPrefix(rest, "rtcp:"); ok && kind == "a" {
			if words := strings.Fields(after); len(words) == 1 {
				if _, err := strconv.ParseUint(words[0], 10, 16); err == nil {
					continue
				}
			}
			kind, rest, before = "rtcp", after, map[string]int{"rtcp": 1}
		}
		if kind == "a" && strings.HasPrefix(rest, "candidate:") {
			return line
		}
		skip, holds := before[kind]
		if !holds {
			continue
		}
		words := strings.Fields(rest)
		if len(words) != skip+3 || words[skip] != "IN" {
			return line
		}
		at, err := netip.ParseAddr(words[skip+2])
		if err != nil || words[skip+1] != map[bool]string{true: "IP4", false: "IP6"}[at.Is4()] || !at.IsUnspecified() && !at.IsLoopback() {
			return line
		}
	}
	return ""
}
