package protocol_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// usual is about what a browser sends for sound and picture.
func usual() string {
	var s strings.Builder
	s.WriteString("v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n")
	for i, kind := range []string{"audio", "video"} {
		fmt.Fprintf(&s, "m=%s 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 102 103 104 105 106 107\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"+
			"a=ice-ufrag:ETEn\r\na=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\na=ice-options:trickle\r\na=fingerprint:sha-256%s\r\na=setup:actpass\r\na=mid:%d\r\n",
			kind, " "+strings.TrimSuffix(strings.Repeat("19:E2:", 16), ":"), i)
		for n := range 10 {
			fmt.Fprintf(&s, "a=extmap:%d urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n", n+1)
		}
		s.WriteString("a=sendrecv\r\na=msid:stream track\r\na=rtcp-mux\r\n")
		for n := range 12 {
			fmt.Fprintf(&s, "a=rtpmap:%d VP8/90000\r\na=rtcp-fb:%[1]d goog-remb\r\na=rtcp-fb:%[1]d transport-cc\r\na=fmtp:%[1]d level-asymmetry-allowed=1;packetization-mode=1\r\n", 96+n)
		}
		s.WriteString("a=ssrc:2566107569 cname:t9YU8M1UxTF8Y1A1\r\n")
	}
	return s.String()
}

func BenchmarkDescription(b *testing.B) {
	limits := protocol.DefaultLimits()
	message, err := protocol.EncodeBinaryCommand(&pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Invite{Invite: &pealv1.Invite{
		CallId: exampleID, Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: usual(),
	}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		if _, bad := protocol.DecodeBinary(message, &limits); bad != nil {
			b.Fatal(bad)
		}
	}
}
