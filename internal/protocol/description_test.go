package protocol_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// empty is the shortest description.
const empty = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"

// audio is the beginning of one with a section.
const audio = empty + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"

// received is what the node gets of an invitation with this offer.
func received(t *testing.T, offer string) (string, *pealv1.Error) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"id": 1, "invite": map[string]any{
		"callId": exampleID, "callee": "bob", "type": 1, "offer": offer,
	}})
	if err != nil {
		t.Fatal(err)
	}
	limits := protocol.DefaultLimits()
	f, bad := protocol.Decode(text, &limits)
	return f.GetInvite().GetOffer(), bad
}

// harm is a line that a browser could read as an order to send, or that tells an
// address. Browsers read more than the standard allows: case and blanks do not count.
func harm(sdp string) string {
	for line := range strings.SplitSeq(strings.TrimSuffix(sdp, "\r\n"), "\r\n") {
		if strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			return line
		}
		bare := strings.ToLower(strings.Join(strings.Fields(line), ""))
		for _, order := range []string{"candidate", "ice-lite", "ice-mismatch", "crypto", "a=rtcp:"} {
			if strings.Contains(bare, order) && line != "a=rtcp:9 IN IP4 0.0.0.0" {
				return line
			}
		}
		if strings.HasPrefix(line, "a=fingerprint:") {
			continue
		}
		for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(" =;,/{}\"", r) }) {
			if at, err := netip.ParseAddr(word); err == nil && !at.IsUnspecified() {
				return line
			}
		}
	}
	return ""
}

// Firefox takes some of these for candidates, and sends to what they name while
// it only rings.
func TestDescriptionsMakeNobodySend(t *testing.T) {
	const told = "1 1 udp 2122260223 192.0.2.7 50000 typ host"
	for _, line := range []string{
		"a=candidate:" + told, "a=CANDIDATE:" + told, "a=Candidate:" + told, "a= candidate:" + told, "a=\tcandidate:" + told,
		"a=candidate :" + told, "a=candidate\t:" + told, " a=candidate:" + told, "A=candidate:" + told, "a =candidate:" + told, "a=candidate: " + told,
		"a=remote-candidates:1 192.0.2.7 50000", "a=Remote-Candidates:1 192.0.2.7 50000",
		"a=end-of-candidates", "a=ice-lite", "a=ICE-LITE", "a= ice-lite", "a=ice-lite:1", "a=ice-mismatch",
		"a=rtcp:50000 IN IP4 192.0.2.7", "a=RTCP:50000 IN IP4 192.0.2.7", "a= rtcp:50000 IN IP4 192.0.2.7", "a=rtcp:50000", "a=rtcp:9 IN IP6 fe80::1",
		"c=IN IP4 192.0.2.7", "C=IN IP4 192.0.2.7", "c=IN IP4 192.0.2.7/127/3", "c= IN IP4 192.0.2.7", "c=IN IP6 2001:db8::7",
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "a=x-peer:192.0.2.7", "a=fmtp:111 host=192.0.2.7", "a=ssrc:1 cname:192.0.2.7",
		"a=ssrc:1 cname:[2001:db8::7]", "a=mid:192.0.2.7", "a=msid:192.0.2.7 -", "a=extmap:1 http://192.0.2.7/", "a=ice-options:trickle 192.0.2.7",
		"a=setup:192.0.2.7", "a=ice-ufrag:192.0.2.7", "a=sendrecv:192.0.2.7", "b=AS:192.0.2.7", "u=http://192.0.2.7/", "e=a@192.0.2.7",
		"i=192.0.2.7", "r=192.0.2.7", "z=192.0.2.7", "k=clear:192.0.2.7", "m=audio 9 UDP/TLS/RTP/SAVPF 192.0.2.7", "m=audio 192.0.2.7 UDP/TLS/RTP/SAVPF 111",
		"o=- 1 1 IN IP4 192.0.2.7", "s=192.0.2.7", "t=192.0.2.7", "v=192.0.2.7",
		"a=mid:0\ra=candidate:" + told, "a=mid:0\va=candidate:" + told, "a=mid:0\x00", "a=mid:0\u2028a=candidate:" + told, "a=mid:0\u00a0", "\ufeffa=candidate:" + told,
	} {
		for _, end := range []string{"\r\n", "\n"} {
			for _, offer := range []string{audio + line + end, empty + line + end, strings.ReplaceAll(audio, "\r\n", end) + line} {
				got, bad := received(t, offer)
				if bad == nil && harm(got) != "" {
					t.Errorf("%q passes as %q", line, harm(got))
				}
			}
		}
	}
	// Words that come first are no better than those that come last.
	for _, offer := range []string{
		"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\n", "v=0\r\no=192.0.2.7 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
		"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=192.0.2.7\r\nt=0 0\r\n", "v=0\r\no=- 1 1 IN IP6 2001:db8::7\r\ns=-\r\nt=0 192.0.2.7\r\n",
	} {
		if got, bad := received(t, offer); bad == nil && harm(got) != "" {
			t.Errorf("%q passes as %q", offer, got)
		}
	}
}

// A sender whose candidates are lost should learn of it.
func TestCandidatesInADescriptionAreRefused(t *testing.T) {
	for _, name := range []string{"candidate", "Candidate", " candidate", "candidate "} {
		_, bad := received(t, audio+"a="+name+":1 1 udp 1 192.0.2.7 9 typ host\r\n")
		if bad.GetCode() != "bad_request" || !strings.Contains(bad.Message, "line 7") || !strings.Contains(bad.Message, "by the command candidates") {
			t.Errorf("%q is answered %v", name, bad)
		}
	}
}

func TestWhatIsNoDescription(t *testing.T) {
	for text, complaint := range map[string]string{
		"v=1\r\n":                          "line 1: want v=0",
		"o=- 1 1 IN IP4 0\r\n":             "line 1: want v=",
		"v=0\r\ns=-\r\n":                   "line 2: want o=",
		"v=0\r\no=me\r\n":                  "line 2: want o=NAME",
		"v=0\r\n":                          "it has no line o=",
		empty + "\r\n":                     "line 5: it is not of the form",
		empty + "hello\r\n":                "line 5: it is not of the form",
		empty + "v=0\r\n":                  "line 5: there is a line v= already",
		empty + "a=\u00e9\r\n":             "line 5: byte 3 is not printable",
		empty + "m=audio 9\r\n":            "line 5: want m=",
		empty + "m=audio 9 TCP/MSRP 1\r\n": "line 5: want audio or video",
		empty + "m=text 9 UDP/TLS/RTP/SAVPF 98\r\n":     "line 5: want audio or video",
		empty + "m=audio 9 UDP/TLS/RTP/SAVPF opus\r\n":  "line 5: a format",
		empty + "m=audio x UDP/TLS/RTP/SAVPF 111\r\n":   "line 5: want m=",
		empty + "m=audio 9 UDP/TLS/RTP/SAVPF  111\r\n":  "line 5: a format",
		audio + strings.Repeat("c=IN IP4 0\r\n", 1_900): "has 3", // It grows when it is rebuilt.
	} {
		if _, bad := received(t, text); bad == nil || !strings.Contains(bad.Message, complaint) {
			t.Errorf("%.80q is answered %v, want %q", text, bad, complaint)
		}
	}
}

// What browsers and pion say passes as it is, but for who they are.
func TestRealDescriptionsPass(t *testing.T) {
	paths, err := filepath.Glob("testdata/sdp/*.sdp")
	if err != nil || len(paths) < 6 {
		t.Fatalf("found %d descriptions: %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := lines(string(text))
		if strings.Contains(path, "-gathered") {
			if _, bad := received(t, strings.Join(want, "\r\n")+"\r\n"); bad.GetCode() != "bad_request" {
				t.Errorf("%s is answered %v", path, bad)
			}
			want = slices.DeleteFunc(want, func(l string) bool { return strings.Contains(l, "candidate") })
		}
		got, bad := received(t, strings.Join(want, "\r\n")+"\r\n")
		if bad != nil {
			t.Errorf("%s: %v", path, bad)
			continue
		}
		rebuilt := lines(got)
		if len(rebuilt) != len(want) {
			t.Errorf("%s: %d of %d lines pass", path, len(rebuilt), len(want))
		}
		for i := range min(len(rebuilt), len(want)) {
			if rebuilt[i] != want[i] && !slices.Contains([]string{"o=", "s=", "c=", "m=", "a=rtcp:"}, want[i][:2]) && !strings.HasPrefix(want[i], "a=rtcp:") {
				t.Errorf("%s: %q passes as %q", path, want[i], rebuilt[i])
			}
		}
		if line := harm(got); line != "" {
			t.Errorf("%s passes with %q", path, line)
		}
		if again, bad := received(t, got); bad != nil || again != got {
			t.Errorf("%s: rebuilt again it is another one: %v", path, bad)
		}
	}
}

func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
}

// Each command with a description has it rebuilt.
func TestEveryDescriptionIsRebuilt(t *testing.T) {
	limits := protocol.DefaultLimits()
	const hidden = audio + "a=ice-lite\r\n"
	for name, frame := range map[string]string{
		"offer":    `{"id":1,"invite":{"callId":%q,"callee":"bob","type":1,"offer":%s}}`,
		"answer":   `{"id":1,"accept":{"callId":%q,"generation":1,"answer":%s}}`,
		"sdp of 1": `{"id":1,"offer":{"callId":%q,"generation":1,"sdp":%s}}`,
		"sdp of 2": `{"id":1,"answer":{"callId":%q,"generation":1,"sdp":%s}}`,
	} {
		quoted, err := json.Marshal(hidden)
		if err != nil {
			t.Fatal(err)
		}
		f, bad := protocol.Decode(fmt.Appendf(nil, frame, exampleID, quoted), &limits)
		if bad != nil {
			t.Errorf("%s: %v", name, bad)
			continue
		}
		binary, err := protocol.EncodeBinaryCommand(f)
		if err != nil {
			t.Fatal(err)
		}
		same, bad := protocol.DecodeBinary(binary, &limits)
		if bad != nil || strings.Contains(f.String(), "ice-lite") || same.String() != f.String() {
			t.Errorf("%s passes as %v, in binary as %v (%v)", name, f, same, bad)
		}
	}
}
