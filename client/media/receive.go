package media

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

const (
	// keyframePause is how soon a key frame is asked for again.
	keyframePause = 500 * time.Millisecond
	// driftMost is how far timestamps may lead away from the clock before they
	// count as those of a new beginning.
	driftMost = 2 * time.Second
	// frameMost bounds a picture of the other side's.
	frameMost = 4 << 20
)

// inlet makes frames of what comes in of one kind, over all peer connections
// of a call.
type inlet struct {
	kind  Kind
	clock func() time.Duration // Since the first frame of the call.
	// deliver gives a frame to the program, one after the other.
	deliver func(Frame)

	mu      sync.Mutex // Guards what follows; held while frames are delivered.
	time    timeline
	picture picture
	// needsKey says that what comes cannot be decoded before a key frame.
	needsKey bool

	asking sync.Mutex // Guards what follows.
	ask    func()     // Asks the other side for a key frame; nil without a stream.
	asked  time.Time
}

func newInlet(kind Kind, clock func() time.Duration, deliver func(Frame)) *inlet {
	return &inlet{kind: kind, clock: clock, deliver: deliver, time: timeline{rate: kind.rate()}}
}

// read reads a track until it ends.
func (in *inlet) read(track *webrtc.TrackRemote, pc *webrtc.PeerConnection) {
	patience := audioPatience
	if in.kind == Video {
		patience = videoPatience
	}
	in.begin(func() {
		// A closed connection asks nobody.
		_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}})
	})
	order := newOrder(patience)
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		in.take(order, p)
	}
}

// begin is a stream that was not there before.
func (in *inlet) begin(ask func()) {
	in.asking.Lock()
	in.ask, in.asked = ask, time.Time{}
	in.asking.Unlock()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.picture, in.needsKey = picture{}, true
	in.time.begun = false
}

func (in *inlet) take(order *order, p *rtp.Packet) {
	in.mu.Lock()
	defer in.mu.Unlock()
	order.put(p, time.Now(), func(p *rtp.Packet, whole bool) {
		switch {
		case len(p.Payload) == 0 && whole: // Padding, which probes for bandwidth, and has a number all the same.
		case in.kind == Video:
			in.assemble(p, whole)
		case len(p.Payload) > 0:
			in.deliver(Frame{Data: p.Payload, Time: in.time.at(p.Timestamp, in.clock())})
		}
	})
	if in.kind == Video && in.needsKey {
		in.requestKeyframe()
	}
}

// assemble delivers a picture with its last packet. After a loss nothing can be
// decoded up to the next key frame.
func (in *inlet) assemble(p *rtp.Packet, whole bool) {
	if !whole {
		in.picture, in.needsKey = picture{}, true
	}
	data, done := in.picture.add(p)
	if !done {
		return
	}
	key := vp8Key(data)
	if in.needsKey && !key {
		return
	}
	in.needsKey = false
	in.deliver(Frame{Data: data, Time: in.time.at(p.Timestamp, in.clock()), Key: key})
}

// requestKeyframe asks for one, though not at every packet.
func (in *inlet) requestKeyframe() {
	in.asking.Lock()
	defer in.asking.Unlock()
	if in.ask == nil || time.Since(in.asked) < keyframePause {
		return
	}
	in.asked = time.Now()
	in.ask()
}

// picture puts the packets of one VP8 frame together (RFC 7741 section 4.2).
type picture struct {
	begun bool
	data  []byte
}

func (f *picture) add(p *rtp.Packet) (frame []byte, done bool) {
	var packet codecs.VP8Packet
	payload, err := packet.Unmarshal(p.Payload)
	if err != nil {
		*f = picture{}
		return nil, false
	}
	if packet.S == 1 && packet.PID == 0 {
		*f = picture{begun: true}
	}
	if !f.begun || len(f.data)+len(payload) > frameMost {
		*f = picture{}
		return nil, false
	}
	f.data = append(f.data, payload...)
	if !p.Marker {
		return nil, false
	}
	frame = f.data
	*f = picture{}
	return frame, true
}

// timeline turns the RTP timestamps of a stream into times of the call. Where
// they leap, as when the other side restarts its stream, the clock decides.
type timeline struct {
	rate  int64
	begun bool
	rtp   uint32 // Of the newest frame.
	now   time.Duration
}

func (t *timeline) at(timestamp uint32, clock time.Duration) time.Duration {
	// The distance wraps around as the timestamps do.
	next := t.now + time.Duration(int32(timestamp-t.rtp))*time.Second/time.Duration(t.rate)
	if !t.begun || (next-clock).Abs() > driftMost {
		next = max(clock, t.now)
	}
	t.begun, t.rtp, t.now = true, timestamp, next
	return next
}
