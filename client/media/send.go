package media

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

const (
	// payloadMost is how much of a frame goes into one packet: what passes
	// everywhere, with room for the headers of the relay.
	payloadMost = 1_100
	streamName  = "peal"
)

// outlet makes packets of the frames that are sent of one kind, over all peer
// connections of a call.
type outlet struct {
	kind  Kind
	track *webrtc.TrackLocalStaticRTP

	mu        sync.Mutex // Guards what follows.
	sequence  uint16
	base      uint32
	payloader rtp.Payloader
}

func newOutlet(kind Kind) (*outlet, error) {
	codec, payloader := opusCodec, rtp.Payloader(&codecs.OpusPayloader{})
	if kind == Video {
		codec, payloader = vp8Codec, &codecs.VP8Payloader{EnablePictureID: true}
	}
	track, err := webrtc.NewTrackLocalStaticRTP(codec, kind.String(), streamName)
	if err != nil {
		return nil, err
	}
	// Numbers begin anywhere (RFC 3550 section 5.1), the sequence with room below
	// the wrap, which early SRTP could not tell from a loss.
	return &outlet{
		kind: kind, track: track, sequence: uint16(rand.Uint32N(1 << 15)), base: rand.Uint32(), payloader: payloader,
	}, nil
}

// send sends a frame; while there is no connection it goes nowhere.
func (out *outlet) send(f Frame) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	timestamp := out.base + uint32(int64(f.Time)/int64(time.Microsecond)*out.kind.rate()/1_000_000)
	parts := out.payloader.Payload(payloadMost, f.Data)
	for i, part := range parts {
		p := &rtp.Packet{
			Header: rtp.Header{
				Version: 2, SequenceNumber: out.sequence, Timestamp: timestamp,
				Marker: out.kind == Video && i == len(parts)-1,
			},
			Payload: part,
		}
		out.sequence++
		if err := out.track.WriteRTP(p); err != nil {
			return err
		}
	}
	return nil
}
