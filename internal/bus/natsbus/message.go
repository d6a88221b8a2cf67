package natsbus

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/bus/natsbus/buspb"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// format is that of the messages that this program writes, and the highest that it reads.
const format = 1

// errNewer says that a message is one of a newer program, and means what this one cannot know.
var errNewer = errors.New("the message has a newer format")

var errNothing = errors.New("the message says nothing, or several things at once")

// hashBytes is how much of the hash of an account is in a subject. Where two accounts have the
// same, the message says whose it is.
const hashBytes = 15

// subject is where messages about an account go. The account does not show in it: it may hold
// any sign, and what watches the bus is not to learn who calls.
func subject(cluster string, account call.Account) string {
	sum := sha256.Sum256([]byte(account))
	return "peal." + cluster + ".1.a." + base64.RawURLEncoding.EncodeToString(sum[:hashBytes])
}

// subjects are all that a node of any release publishes and subscribes to, as permissions of NATS
// name them.
func subjects(cluster string) string { return "peal." + cluster + ".>" }

// encode puts messages about one account into one, and returns why others cannot be encoded. Each
// counts for itself. data is nil where none is left.
func encode(messages []*bus.Message) (data []byte, bad []error) {
	out := &buspb.BusMessage{Format: format, Account: string(messages[0].Account)}
	for _, m := range messages {
		news, err := encodeNews(m)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		out.News = append(out.News, news)
	}
	if len(out.News) == 0 {
		return nil, bad
	}
	data, err := proto.Marshal(out)
	if err != nil { // The account is no UTF-8, so nothing about it can be sent.
		return nil, slices.Repeat([]error{fmt.Errorf("encode message: %w", err)}, len(messages))
	}
	return data, bad
}

func encodeNews(m *bus.Message) (*buspb.News, error) {
	out := &buspb.News{Device: string(m.Device), LoggedOut: m.LoggedOut}
	var err error
	if c := m.Call; c != nil {
		out.Call = &buspb.Call{Id: string(c.ID), With: uint32(m.With), Without: uint32(m.Without)}
		if out.Call.Body, err = stored.Encode(c); err != nil {
			return nil, err
		}
		if out.Call.Descriptions, err = stored.Describe(c); err != nil {
			return nil, err
		}
	}
	if m.Signal != nil {
		if out.Signal, err = proto.Marshal(m.Signal); err != nil {
			return nil, fmt.Errorf("encode signal: %w", err)
		}
	}
	if l := m.Login; l != nil {
		out.Login = &buspb.Login{
			Device: string(l.Device.ID), Incarnation: l.Device.Conn.Incarnation, Seq: l.Device.Conn.Seq,
			At: timestamppb.New(l.At), Connected: timestamppb.New(l.Connected), Attempt: timestamppb.New(l.Attempt),
			Single: l.Single, Asks: l.Asks,
		}
	}
	return out, nil
}

// decode returns the messages that are in one, and why others in it cannot be read. Each counts for
// itself: they only travelled together.
func decode(data []byte) (messages []bus.Message, bad []error) {
	in := &buspb.BusMessage{}
	if err := proto.Unmarshal(data, in); err != nil {
		return nil, []error{fmt.Errorf("decode message: %w", err)}
	}
	switch {
	case in.Format > format:
		return nil, []error{errNewer}
	case in.Format == 0 || len(in.News) == 0:
		return nil, []error{errNothing}
	}
	for _, news := range in.News {
		m := bus.Message{Account: call.Account(in.Account)}
		if err := decodeNews(news, &m); err != nil {
			bad = append(bad, err)
			continue
		}
		messages = append(messages, m)
	}
	return messages, bad
}

func decodeNews(in *buspb.News, m *bus.Message) error {
	if kinds(in) != 1 {
		return errNothing
	}
	m.Device, m.LoggedOut = call.DeviceID(in.Device), in.LoggedOut
	switch l := in.Login; {
	case in.Call != nil:
		return decodeCall(in.Call, m)
	case in.Signal != nil:
		m.Signal = &pealv1.ServerFrame{}
		if err := proto.Unmarshal(in.Signal, m.Signal); err != nil {
			return fmt.Errorf("decode signal: %w", err)
		}
	case l != nil:
		m.Login = &bus.Login{
			Device: call.Device{
				Account: m.Account, ID: call.DeviceID(l.Device), Conn: call.Connection{Incarnation: l.Incarnation, Seq: l.Seq},
			},
			At: l.At.AsTime(), Connected: l.Connected.AsTime(), Attempt: l.Attempt.AsTime(), Single: l.Single, Asks: l.Asks,
		}
	}
	return nil
}

// kinds is how many things news say.
func kinds(in *buspb.News) (n int) {
	for _, says := range []bool{in.Call != nil, in.Signal != nil, in.Login != nil, in.LoggedOut} {
		if says {
			n++
		}
	}
	return n
}

func decodeCall(in *buspb.Call, m *bus.Message) error {
	c, err := stored.Decode(call.ID(in.Id), in.Body, in.Descriptions)
	if err != nil {
		return err
	}
	// Readers of a call rely on these.
	if c.ID == "" || len(c.Legs) != 2 || c.State < call.Ringing || c.State > call.Ended {
		return errors.New("the message has a call without its parts")
	}
	m.Call, m.With, m.Without = &c, call.Attachments(in.With), call.Attachments(in.Without)
	return nil
}
