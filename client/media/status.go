package media

import (
	"time"

	"github.com/pion/webrtc/v4"
)

// meterPause is how often quality is measured.
const meterPause = time.Second

// Status is how the media of a call is. Zero means: not known yet.
type Status struct {
	Up      bool // DTLS is connected, and ICE is.
	Path    Path
	Quality Quality
}

// Path is the way that media takes.
type Path struct {
	// Local and Remote are types of candidates: host, srflx, prflx or relay.
	Local, Remote string
	// Protocol is udp or tcp; RelayProtocol, where Local is relay, is how this
	// side reaches the relay: udp, tcp or tls.
	Protocol, RelayProtocol string
}

// String is as "host → relay, udp"; empty while there is no path.
func (p Path) String() string {
	if p.Local == "" {
		return ""
	}
	text := p.Local + " → " + p.Remote + ", " + p.Protocol
	if p.RelayProtocol != "" && p.RelayProtocol != p.Protocol {
		text += " by " + p.RelayProtocol
	}
	return text
}

// Quality is of the last second, both kinds together.
type Quality struct {
	RoundTrip time.Duration // Of the path.
	Jitter    time.Duration // Of what is received; the worse of the two kinds.
	// LossIn and LossOut are shares from 0 to 1. What the other side lost it
	// tells every few seconds.
	LossIn, LossOut float64
	BitsIn, BitsOut int // Payload each second.
}

// meter measures quality between two looks. It belongs to the session's
// goroutine.
type meter struct {
	at                       time.Time
	received, lost           int64
	bytesReceived, bytesSent uint64
}

// measure looks at the statistics of the connection.
func (s *Session) measure() {
	if s.peer.pc == nil {
		return
	}
	report := s.peer.pc.GetStats()
	quality := s.meter.measure(report, s.out, time.Now())
	var path Path
	if pair, ok := s.peer.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePairStats(); ok {
		path = pathOf(pair, report)
		quality.RoundTrip = seconds(pair.CurrentRoundTripTime)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Path, s.status.Quality = path, quality
}

func (m *meter) measure(report webrtc.StatsReport, out map[Kind]*outlet, at time.Time) Quality {
	var q Quality
	now := meter{at: at}
	for _, o := range out {
		sent, lost := o.report()
		now.bytesSent += sent
		q.LossOut = max(q.LossOut, lost)
	}
	for _, stat := range report {
		if stat, ok := stat.(webrtc.InboundRTPStreamStats); ok {
			now.received += int64(stat.PacketsReceived)
			now.lost += int64(stat.PacketsLost)
			now.bytesReceived += stat.BytesReceived
			q.Jitter = max(q.Jitter, seconds(stat.Jitter))
		}
	}
	got, missed := now.received-m.received, max(now.lost-m.lost, 0)
	if got >= 0 && got+missed > 0 {
		q.LossIn = float64(missed) / float64(got+missed)
	}
	if period := now.at.Sub(m.at).Seconds(); !m.at.IsZero() && period > 0 {
		q.BitsIn = rateOf(now.bytesReceived, m.bytesReceived, period)
		q.BitsOut = rateOf(now.bytesSent, m.bytesSent, period)
	}
	*m = now
	return q
}

// rateOf is zero where a new connection counts from the beginning.
func rateOf(now, before uint64, period float64) int {
	if now < before {
		return 0
	}
	return int(float64(now-before) * 8 / period)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// pathOf tells of the pair of candidates that is used.
func pathOf(pair webrtc.ICECandidatePairStats, report webrtc.StatsReport) Path {
	local, known := report[pair.LocalCandidateID].(webrtc.ICECandidateStats)
	remote, too := report[pair.RemoteCandidateID].(webrtc.ICECandidateStats)
	if !known || !too {
		return Path{} // It changed meanwhile.
	}
	return Path{
		Local: local.CandidateType.String(), Remote: remote.CandidateType.String(),
		Protocol: local.Protocol, RelayProtocol: local.RelayProtocol,
	}
}
