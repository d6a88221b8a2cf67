package load

import (
	"fmt"
	"strings"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// There is no media: descriptions and candidates are fixed texts, of the sizes
// that Chromium's have.
var (
	offer  = description("actpass")
	answer = description("active")
)

// codec is one format of a section.
type codec struct {
	payload  int
	name     string
	settings string
	feedback bool
}

// description is a session description of an audio and a video section.
func description(setup string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=- 4611731400430051336 2 IN IP4 127.0.0.1")
	line("s=-")
	line("t=0 0")
	line("a=group:BUNDLE 0 1")
	line("a=extmap-allow-mixed")
	line("a=msid-semantic: WMS 7d1f2c0e-6f0b-4c3a-9a52-5f2b7c1d9e10")
	section := func(kind, mid string, codecs []codec, extensions int) {
		b.WriteString("m=" + kind + " 9 UDP/TLS/RTP/SAVPF")
		for _, c := range codecs {
			fmt.Fprintf(&b, " %d", c.payload)
		}
		line("")
		line("c=IN IP4 0.0.0.0")
		line("a=rtcp:9 IN IP4 0.0.0.0")
		line("a=ice-ufrag:Wq3R")
		line("a=ice-pwd:0aVQk3kJt2vJxYtH8cNfZbLm")
		line("a=ice-options:trickle")
		line("a=fingerprint:sha-256 %s", strings.TrimSuffix(strings.Repeat("A7:", 32), ":"))
		line("a=setup:%s", setup)
		line("a=mid:%s", mid)
		for i := range extensions {
			line("a=extmap:%d urn:ietf:params:rtp-hdrext:extension-of-some-length:%d", i+1, i+1)
		}
		line("a=sendrecv")
		line("a=msid:7d1f2c0e-6f0b-4c3a-9a52-5f2b7c1d9e10 1b0c6a52-3d7e-4f8b-8a10-9c5d2e7f%s4a1", mid)
		line("a=rtcp-mux")
		line("a=rtcp-rsize")
		for _, c := range codecs {
			line("a=rtpmap:%d %s", c.payload, c.name)
			if c.feedback {
				for _, f := range []string{"goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"} {
					line("a=rtcp-fb:%d %s", c.payload, f)
				}
			}
			if c.settings != "" {
				line("a=fmtp:%d %s", c.payload, c.settings)
			}
		}
		line("a=ssrc:3735928559 cname:Kq0cW3b7Yt5PzR1a")
		line("a=ssrc:3735928559 msid:7d1f2c0e-6f0b-4c3a-9a52-5f2b7c1d9e10 1b0c6a52-3d7e-4f8b-8a10-9c5d2e7f%s4a1", mid)
	}
	section("audio", "0", []codec{
		{111, "opus/48000/2", "minptime=10;useinbandfec=1", false},
		{63, "red/48000/2", "111/111", false},
		{9, "G722/8000", "", false},
		{0, "PCMU/8000", "", false},
		{8, "PCMA/8000", "", false},
		{13, "CN/8000", "", false},
		{110, "telephone-event/48000", "", false},
		{126, "telephone-event/8000", "", false},
	}, 4)
	video := []codec{{96, "VP8/90000", "", true}, {97, "rtx/90000", "apt=96", false}}
	for i := range 9 {
		payload := 98 + 2*i
		video = append(video,
			codec{payload, "H264/90000", fmt.Sprintf("level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=42e01f", i%2), true},
			codec{payload + 1, "rtx/90000", fmt.Sprintf("apt=%d", payload), false})
	}
	video = append(video, codec{35, "VP9/90000", "profile-id=0", true}, codec{36, "rtx/90000", "apt=35", false},
		codec{45, "AV1/90000", "level-idx=5;profile=0;tier=0", true}, codec{46, "rtx/90000", "apt=45", false})
	section("video", "1", video, 11)
	return b.String()
}

// candidates are those of one side: on two networks, through a NAT and a relay.
func candidates() []*pealv1.Candidate {
	lines := []string{
		"candidate:1510613869 1 udp 2122260223 3b8a1f52-7c0e-4a9d-b1c6-0d2e4f6a8b9c.local 54400 typ host generation 0 ufrag Wq3R network-id 1",
		"candidate:2498435711 1 udp 2122194687 c1d2e3f4-0a1b-4c2d-8e3f-4a5b6c7d8e9f.local 56032 typ host generation 0 ufrag Wq3R network-id 2",
		"candidate:344579997 1 tcp 1518280447 3b8a1f52-7c0e-4a9d-b1c6-0d2e4f6a8b9c.local 9 typ host tcptype active generation 0 ufrag Wq3R network-id 1",
		"candidate:1233442223 1 tcp 1518214911 c1d2e3f4-0a1b-4c2d-8e3f-4a5b6c7d8e9f.local 9 typ host tcptype active generation 0 ufrag Wq3R network-id 2",
		"candidate:842163049 1 udp 1686052607 203.0.113.141 54400 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag Wq3R network-id 1",
		"candidate:3628985204 1 udp 41885439 198.51.100.20 50123 typ relay raddr 203.0.113.141 rport 54400 generation 0 ufrag Wq3R network-id 1",
		"candidate:2101412531 1 udp 25108223 198.51.100.20 50877 typ relay raddr 203.0.113.141 rport 61044 generation 0 ufrag Wq3R network-id 1",
	}
	list := make([]*pealv1.Candidate, 0, len(lines))
	for _, l := range lines {
		list = append(list, &pealv1.Candidate{Candidate: l, SdpMid: new("0"), SdpMLineIndex: new(uint32(0)), UsernameFragment: new("Wq3R")})
	}
	return list
}

// firstBatch is how many of the candidates go in the first frame, the others in
// a second one: those of the machine come at once, those of servers later.
const firstBatch = 4
