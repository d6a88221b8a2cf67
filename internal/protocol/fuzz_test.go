package protocol_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
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

// What is rebuilt of a description makes no browser send and tells no address,
// however it was written; rebuilt again it stays as it is.
func FuzzDescription(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "sdp", "*.sdp"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no descriptions: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, line := range []string{
		"a=Candidate:1 1 udp 1 192.0.2.7 9 typ host", "a= ice-lite", "a=rtcp:9 IN IP6 fe80::1", "a=mid:192.0.2.7", "c=IN IP6 ::",
		"a=ssrc:1 cname:x::1", "a=fingerprint:sha-256 fe80::1", "a=ice-options:trickle candidate:1", "b=AS:30", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
	} {
		f.Add(audio + line + "\r\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, bad := received(t, text)
		if bad != nil {
			return
		}
		if line := harm(got); line != "" {
			t.Fatalf("passes: %q", line)
		}
		if again, bad := received(t, got); bad != nil || again != got {
			t.Fatalf("%q becomes %q (%v)", got, again, bad)
		}
	})
}

// A candidate that is taken is one, names no host by DNS, and what is passed on
// in discretion tells nothing but the relay's address.
func FuzzCandidates(f *testing.F) {
	f.Add("candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host")
	f.Add("candidate:2 1 UDP 5 203.0.113.5 49152 typ relay raddr 192.0.2.7 rport 50000 generation 0 ufrag x")
	f.Add("candidate:3 1 tcp 1 fe80::1 9 typ srflx raddr :: rport 9 tcptype active")
	f.Add("candidate:4 1 udp 1 0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d.local 9 typ host")
	f.Add("candidate:5 1 udp 1 ask.example 9 typ relay")
	limits := protocol.DefaultLimits()
	const id = exampleID
	relay := netip.MustParseAddr("203.0.113.5")
	announced := func(at netip.Addr) bool { return at == relay }
	f.Fuzz(func(t *testing.T, candidate string) {
		taken := func(c *pealv1.Candidates) bool {
			text, err := protojson.Marshal(&pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Candidates{Candidates: c}})
			if err != nil {
				return false // No text at all.
			}
			_, bad := protocol.Decode(text, &limits)
			return bad == nil
		}
		list := &pealv1.Candidates{CallId: id, Generation: 1, Candidates: []*pealv1.Candidate{{Candidate: candidate}}}
		if !taken(list) || candidate == "" {
			return
		}
		words := strings.Split(candidate, " ")
		if _, err := netip.ParseAddr(words[4]); err != nil && !strings.HasSuffix(words[4], ".local") {
			t.Fatalf("taken, with a name: %q", candidate)
		}
		for _, c := range protocol.Relayed(list, announced).Candidates {
			again := &pealv1.Candidates{CallId: id, Generation: 1, Candidates: []*pealv1.Candidate{c}}
			if !taken(again) || !proto.Equal(protocol.Relayed(again, announced), again) {
				t.Fatalf("passed on as %q", c.Candidate)
			}
			fields := strings.Split(c.Candidate, " ")
			if at, err := netip.ParseAddr(fields[4]); err != nil || at.Unmap() != relay || fields[7] != "relay" {
				t.Fatalf("passed on: %q", c.Candidate)
			}
			for i, word := range fields[8:] {
				if word == "raddr" && i%2 == 0 && fields[i+9] != "0.0.0.0" {
					t.Fatalf("passed on: %q", c.Candidate)
				}
			}
		}
	})
}
