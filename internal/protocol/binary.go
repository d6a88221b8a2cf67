package protocol

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// BinarySubprotocol is the WebSocket subprotocol of the binary encoding.
const BinarySubprotocol = "peal.v1.proto"

// EncodeBinary gives the bytes of a frame.
func EncodeBinary(f *pealv1.ServerFrame) ([]byte, error) { return proto.Marshal(f) }

// EncodeBinaryCommand gives the bytes of a command; clients use it.
func EncodeBinaryCommand(f *pealv1.ClientFrame) ([]byte, error) { return proto.Marshal(f) }

// DecodeBinary is Decode for the binary encoding, with the same strictness: it
// refuses what protobuf by itself passes over or takes the last of.
func DecodeBinary(message []byte, l *Limits) (*pealv1.ClientFrame, *pealv1.Error) {
	f := &pealv1.ClientFrame{}
	if len(message) > l.MessageBytes {
		return f, MessageTooLarge.Because("%d bytes, at most %d", len(message), l.MessageBytes)
	}
	e := readEnvelope(message)
	f.Id = e.id
	if e.err != nil {
		return f, BadRequest.Because("%s", reason(e.err))
	}
	if e.unknown != 0 && !e.command {
		return f, UnknownCommand.Because("unknown field %d", e.unknown)
	}
	if err := unmarshalKnown(message, f); err != nil {
		return &pealv1.ClientFrame{Id: e.id}, BadRequest.Because("%s", reason(err))
	}
	return checked(f, l)
}

// unmarshalKnown refuses fields that the schema does not have. Looking for them
// costs as much as decoding. But nothing is encoded in fewer bytes than Size
// says, so where that is all there was, nothing was discarded.
func unmarshalKnown(message []byte, f *pealv1.ClientFrame) error {
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(message, f); err != nil {
		return err
	}
	if proto.Size(f) == len(message) {
		return nil
	}
	whole := &pealv1.ClientFrame{}
	if err := proto.Unmarshal(message, whole); err != nil {
		return err
	}
	return known(whole.ProtoReflect())
}

// envelope is the outermost layer of a command.
type envelope struct {
	id uint32
	// command says that there is one that this server knows.
	command bool
	// unknown is a field that this server does not know, if there is one.
	unknown protowire.Number
	err     error
}

// outer are the fields of a command's outermost layer, by their numbers.
var outer = func() (kinds []protoreflect.Kind) {
	fields := (*pealv1.ClientFrame)(nil).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		number := int(fields.Get(i).Number())
		for len(kinds) <= number {
			kinds = append(kinds, 0)
		}
		kinds[number] = fields.Get(i).Kind()
	}
	return kinds
}()

// outerKind is the kind of a field there, or 0 where there is none.
func outerKind(number protowire.Number) protoreflect.Kind {
	if int(number) >= len(outer) {
		return 0
	}
	return outer[number]
}

// outerName is the name of a field there.
func outerName(number protowire.Number) protoreflect.Name {
	return (*pealv1.ClientFrame)(nil).ProtoReflect().Descriptor().Fields().ByNumber(number).Name()
}

// readEnvelope finds the id also of a command that cannot be read further, and
// what is there twice: of that protobuf would take the last, and merge two
// commands of the same kind.
func readEnvelope(message []byte) (e envelope) {
	named, quiet := false, false
	for len(message) > 0 {
		number, kind, length := protowire.ConsumeField(message)
		if length < 0 {
			e.err = errors.New("it is no protobuf")
			return e
		}
		switch field := outerKind(number); {
		case field == 0:
			e.unknown = number
		case field == protoreflect.MessageKind && kind == protowire.BytesType:
			if e.command {
				e.err = errors.New("it holds two commands")
			}
			e.command = true
		case field == protoreflect.BoolKind && kind == protowire.VarintType:
			if quiet {
				e.err = fmt.Errorf("it says %s twice", outerName(number))
			}
			quiet = true
		case field == protoreflect.Uint32Kind && kind == protowire.VarintType:
			if named {
				e.err = errors.New("it holds two ids")
			}
			named = true
			_, _, tag := protowire.ConsumeTag(message)
			id, _ := protowire.ConsumeVarint(message[tag:])
			if id > 1<<32-1 {
				e.err = errors.New("id is above 4294967295")
				return e
			}
			e.id = uint32(id)
		default:
			e.err = fmt.Errorf("field %s is of another type", outerName(number))
		}
		message = message[length:]
	}
	return e
}

// known refuses fields that the schema does not have, at any depth.
func known(m protoreflect.Message) error {
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		number, _, _ := protowire.ConsumeTag(unknown)
		return fmt.Errorf("unknown field %d in %s", number, m.Descriptor().Name())
	}
	var err error
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				if err = known(value.List().Get(i).Message()); err != nil {
					break
				}
			}
		default:
			err = known(value.Message())
		}
		return err == nil
	})
	return err
}

// DecodeBinaryFrame is DecodeFrame for the binary encoding. Words that are
// unknown become the word for nothing, as they do there.
func DecodeBinaryFrame(message []byte) (*pealv1.ServerFrame, error) {
	f := &pealv1.ServerFrame{}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(message, f); err != nil {
		return f, err
	}
	forgetWords(f.ProtoReflect())
	return f, nil
}

func forgetWords(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Enum() != nil:
			if field.Enum().Values().ByNumber(value.Enum()) == nil {
				m.Clear(field)
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				forgetWords(value.List().Get(i).Message())
			}
		default:
			forgetWords(value.Message())
		}
		return true
	})
}
