// Package protocol is the wire: the messages (generated from
// pealv1/peal.proto), their encoding, the catalogue of errors and the limits.
//
// It is pure: no input or output, no clock, and safe for concurrent use. ws
// decodes with it, session and node answer with its codes.
package protocol

import (
	"bytes"
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Subprotocol is the WebSocket subprotocol of the JSON encoding.
const Subprotocol = "peal.v1.json"

// How large a frame usually is in JSON: one with a call but no description, and others.
const (
	callBytes   = 1 << 10
	answerBytes = 64
)

// Path is where the WebSocket lives.
const Path = "/ws"

// Encode gives the text of a frame.
func Encode(f *pealv1.ServerFrame) ([]byte, error) {
	room := answerBytes
	if f.GetCall() != nil {
		room = callBytes
	}
	if text, ok := appendFrame(make([]byte, 0, room), f); ok {
		return text, nil
	}
	return encode(f)
}

// EncodeCommand gives the text of a command; clients use it.
func EncodeCommand(f *pealv1.ClientFrame) ([]byte, error) {
	return encode(f)
}

func encode(m proto.Message) ([]byte, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	// protojson adds blanks at random so that nobody relies on its bytes.
	// Without them golden messages are stable and frames are smaller.
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// Decode reads one command and checks it against the limits. On an error the
// frame still holds the id where that could be read, so that the answer finds
// its command.
func Decode(text []byte, l *Limits) (*pealv1.ClientFrame, *pealv1.Error) {
	f := &pealv1.ClientFrame{}
	if len(text) > l.MessageBytes {
		return f, MessageTooLarge.Because("%d bytes, at most %d", len(text), l.MessageBytes)
	}
	if err := protojson.Unmarshal(text, f); err != nil {
		lenient := &pealv1.ClientFrame{}
		if (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, lenient) == nil {
			f.Id = lenient.Id
			if lenient.Command == nil {
				return f, UnknownCommand.Because("%s", reason(err))
			}
		}
		return f, BadRequest.Because("%s", reason(err))
	}
	return checked(f, l)
}

// checked is what decoding ends by, whatever the encoding.
func checked(f *pealv1.ClientFrame, l *Limits) (*pealv1.ClientFrame, *pealv1.Error) {
	if f.Id == 0 {
		return f, BadRequest.Because("id must be at least 1")
	}
	if f.Command == nil {
		return f, UnknownCommand.Error()
	}
	if err := check(f, l); err != nil {
		return &pealv1.ClientFrame{Id: f.Id}, err // What is wrong may be large.
	}
	return f, nil
}

// DecodeFrame reads a frame of the server as clients do: what is unknown is ignored.
func DecodeFrame(text []byte) (*pealv1.ServerFrame, error) {
	f := &pealv1.ServerFrame{}
	err := protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, f)
	return f, err
}

// reason is the decoder's complaint without its prefix and its unstable blanks,
// and short: it may quote what the client sent.
func reason(err error) string {
	s := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	s = strings.TrimSpace(strings.TrimPrefix(s, "proto:"))
	if len(s) > 120 {
		s = strings.ToValidUTF8(s[:120], "") + "…"
	}
	return s
}
