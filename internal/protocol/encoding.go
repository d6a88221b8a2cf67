package protocol

import (
	"strings"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Encoding is how messages are written: a WebSocket subprotocol for each.
type Encoding uint8

const (
	// JSON is ProtoJSON in text messages: what browsers speak, and what can be
	// read by eye.
	JSON Encoding = iota
	// Binary is the same messages as protobuf in binary messages: a fraction of
	// the work, for programs.
	Binary
)

// Subprotocols are the WebSocket subprotocols, the best first: who offers
// several gets the first of these.
func Subprotocols() []string { return []string{BinarySubprotocol, Subprotocol} }

// EncodingOf is the encoding of a subprotocol, whose name has no case.
func EncodingOf(subprotocol string) (e Encoding, ok bool) {
	for _, e := range []Encoding{JSON, Binary} {
		if strings.EqualFold(subprotocol, e.Subprotocol()) {
			return e, true
		}
	}
	return JSON, false
}

// Subprotocol is the name of an encoding.
func (e Encoding) Subprotocol() string {
	if e == Binary {
		return BinarySubprotocol
	}
	return Subprotocol
}

// Encode gives the bytes of a frame.
func (e Encoding) Encode(f *pealv1.ServerFrame) ([]byte, error) {
	if e == Binary {
		return EncodeBinary(f)
	}
	return Encode(f)
}

// EncodeCommand gives the bytes of a command.
func (e Encoding) EncodeCommand(f *pealv1.ClientFrame) ([]byte, error) {
	if e == Binary {
		return EncodeBinaryCommand(f)
	}
	return EncodeCommand(f)
}

// Decode reads one command and checks it against the limits, as the function
// Decode does.
func (e Encoding) Decode(message []byte, l *Limits) (*pealv1.ClientFrame, *pealv1.Error) {
	if e == Binary {
		return DecodeBinary(message, l)
	}
	return Decode(message, l)
}

// DecodeFrame reads a frame of the server as clients do.
func (e Encoding) DecodeFrame(message []byte) (*pealv1.ServerFrame, error) {
	if e == Binary {
		return DecodeBinaryFrame(message)
	}
	return DecodeFrame(message)
}

// WrongKind refuses a message of the other kind than this encoding's.
func (e Encoding) WrongKind() *pealv1.Error {
	if e == Binary {
		return BadRequest.Because("a text message on a connection that speaks %s: send binary ones, or connect by %s", BinarySubprotocol, Subprotocol)
	}
	return BadRequest.Because("a binary message on a connection that speaks %s: send text, or connect by %s", Subprotocol, BinarySubprotocol)
}
