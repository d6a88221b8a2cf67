package media

import (
	"net"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

var (
	opusCodec = webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: opusRate, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
	}
	vp8Codec = webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeVP8, ClockRate: 90_000,
		RTCPFeedback: []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}},
	}
	rtxCodec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90_000, SDPFmtpLine: "apt=96"}
)

// newEngine is what peer connections are made by: Opus and VP8, which every
// browser speaks, with reports, retransmissions and statistics. Tests change
// the settings.
func newEngine(changes ...func(*webrtc.SettingEngine)) (*webrtc.API, error) {
	var m webrtc.MediaEngine
	for _, c := range []struct {
		capability webrtc.RTPCodecCapability
		payload    webrtc.PayloadType
		kind       webrtc.RTPCodecType
	}{
		{opusCodec, 111, webrtc.RTPCodecTypeAudio},
		{vp8Codec, 96, webrtc.RTPCodecTypeVideo},
		{rtxCodec, 97, webrtc.RTPCodecTypeVideo},
	} {
		p := webrtc.RTPCodecParameters{RTPCodecCapability: c.capability, PayloadType: c.payload}
		if err := m.RegisterCodec(p, c.kind); err != nil {
			return nil, err
		}
	}
	var i interceptor.Registry
	if err := webrtc.RegisterDefaultInterceptors(&m, &i); err != nil {
		return nil, err
	}
	var s webrtc.SettingEngine
	// A peer connection that the other side replaced ends here as well, but by
	// the news of that, not by its farewell.
	s.DisableCloseByDTLS(true)
	// As browsers do: the machine's own address where it has no other.
	s.SetIncludeLoopbackCandidate(isolated())
	s.SetIPFilter(reaches)
	for _, change := range changes {
		change(&s)
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(&m), webrtc.WithInterceptorRegistry(&i), webrtc.WithSettingEngine(s)), nil
}

// reaches says whether the other side can send to an address of this machine. It cannot to
// link-local IPv6, which names no interface there: Firefox answers the checks that come from it
// and loses all that follows. Browsers do not offer it either (RFC 8445, section 5.1.1.1).
func reaches(ip net.IP) bool {
	return ip.To4() != nil || !ip.IsLinkLocalUnicast()
}

// isolated tells that this machine has no address but its own.
func isolated() bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return false
		}
	}
	return true
}
