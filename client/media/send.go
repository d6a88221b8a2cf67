package media

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/rtcp"
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
	bytes     uint64  // Of payload that was sent.
	lost      float64 // The share that the other side lost lately.
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
		out.bytes += uint64(len(part))
		if err := out.track.WriteRTP(p); err != nil {
			return err
		}
	}
	return nil
}

// listen reads what the other side reports of what is sent to it; statistics
// and retransmissions hang on that as well.
func (out *outlet) listen(sender *webrtc.RTPSender, keyframeWanted func()) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			switch p := p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				keyframeWanted()
			case *rtcp.ReceiverReport:
				out.reported(sender, p.Reports)
			case *rtcp.SenderReport:
				out.reported(sender, p.Reports)
			}
		}
	}
}

func (out *outlet) reported(sender *webrtc.RTPSender, reports []rtcp.ReceptionReport) {
	for _, r := range reports {
		for _, e := range sender.GetParameters().Encodings {
			if r.SSRC == uint32(e.SSRC) {
				out.mu.Lock()
				out.lost = float64(r.FractionLost) / 256
				out.mu.Unlock()
			}
		}
	}
}

// report tells how much was sent, and which share of it was lost lately.
func (out *outlet) report() (bytes uint64, lost float64) {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.bytes, out.lost
}
