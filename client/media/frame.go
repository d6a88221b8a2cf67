package media

import (
	"encoding/binary"
	"errors"
	"time"
)

// Frame is one frame of sound or picture: an Opus packet or a VP8 frame.
type Frame struct {
	Data []byte
	// Time is when the frame is to be heard or seen. Of what is received it
	// counts from the first frame of the call, the same for sound and picture; of
	// what is sent only how it grows matters.
	Time time.Duration
	// Key says that a picture can be decoded without those before it. Received frames have it set;
	// for sent frames the data says it.
	Key bool
}

// Kind is what a frame holds.
type Kind uint8

// The kinds of frames.
const (
	Audio Kind = 1 // Opus, 48 kHz.
	Video Kind = 2 // VP8.
)

// String is "audio" or "video".
func (k Kind) String() string {
	if k == Audio {
		return "audio"
	}
	return "video"
}

// rate is how many RTP timestamps make a second (RFC 7587 section 4.1, RFC 7741
// section 4.1).
func (k Kind) rate() int64 {
	if k == Audio {
		return opusRate
	}
	return 90_000
}

const opusRate = 48_000

// Silence is an Opus packet of 20 ms in which nothing is heard.
func Silence() []byte { return []byte{0xf8, 0xff, 0xfe} }

var errOpus = errors.New("media: this is no Opus packet")

// opusDuration is how long an Opus packet sounds (RFC 6716 section 3.1).
func opusDuration(packet []byte) (time.Duration, error) {
	if len(packet) == 0 {
		return 0, errOpus
	}
	config, frames := packet[0]>>3, 0
	switch packet[0] & 3 {
	case 0:
		frames = 1
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0, errOpus
		}
		frames = int(packet[1] & 63)
	}
	var each time.Duration
	switch {
	case config < 12: // SILK
		each = []time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // Both.
		each = []time.Duration{10, 20}[config&1] * time.Millisecond
	default: // CELT
		each = 2500 * time.Microsecond << (config & 3)
	}
	total := time.Duration(frames) * each
	if frames == 0 || total > 120*time.Millisecond {
		return 0, errOpus
	}
	return total, nil
}

// vp8Key tells whether a VP8 frame is a key frame (RFC 6386 section 9.1).
func vp8Key(frame []byte) bool { return len(frame) > 0 && frame[0]&1 == 0 }

// vp8Size is the size of the picture, which key frames tell.
func vp8Size(frame []byte) (width, height int, ok bool) {
	if !vp8Key(frame) || len(frame) < 10 || frame[3] != 0x9d || frame[4] != 0x01 || frame[5] != 0x2a {
		return 0, 0, false
	}
	// The upper two bits are for scaling.
	width = int(binary.LittleEndian.Uint16(frame[6:]) & 0x3fff)
	height = int(binary.LittleEndian.Uint16(frame[8:]) & 0x3fff)
	return width, height, true
}
