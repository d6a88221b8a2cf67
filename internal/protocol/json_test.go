package protocol

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// filler fills messages by chance, whatever fields they have.
type filler struct{ *rand.Rand }

func (r filler) string() string {
	const letters = "aB0 \"\\/<>&\x00\x01\b\f\n\r\t\x1f\x7fé通\u2028😀"
	runes := []rune(letters)
	var s strings.Builder
	for range r.IntN(12) {
		s.WriteRune(runes[r.IntN(len(runes))])
	}
	return s.String()
}

func (r filler) fill(m protoreflect.Message) {
	if t, ok := m.Interface().(*timestamppb.Timestamp); ok {
		t.Seconds = r.Int64N(7258118400)
		t.Nanos = []int32{0, 5e8, 123e6, 123456e3, 123456789, 1, 1000}[r.IntN(7)]
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case r.IntN(4) == 0:
		case field.IsList():
			list := m.Mutable(field).List()
			for range r.IntN(3) {
				if field.Message() != nil {
					r.fill(list.AppendMutable().Message())
				} else {
					list.Append(protoreflect.ValueOfString(r.string()))
				}
			}
		case field.Message() != nil:
			r.fill(m.Mutable(field).Message())
		default:
			m.Set(field, r.value(field))
		}
	}
}

func (r filler) value(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch kind := field.Kind(); {
	case kind == protoreflect.StringKind:
		return protoreflect.ValueOfString(r.string())
	case kind == protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case kind == protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.IntN(field.Enum().Values().Len() + 2)))
	case kind == protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(r.Int32())
	default:
		return protoreflect.ValueOfUint32(r.Uint32())
	}
}

// general is what the general writer makes of a message.
func general(t *testing.T, m proto.Message) ([]byte, error) {
	t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	return compact.Bytes(), nil
}

// TestJSON: what is written here is what the general writer writes, byte for byte,
// whatever the fields hold. A field that is new and not written here fails it.
func TestJSON(t *testing.T) {
	const rounds = 3000
	here := 0
	for seed := range uint64(rounds) {
		f := &pealv1.ServerFrame{}
		filler{rand.New(rand.NewPCG(seed, 1))}.fill(f.ProtoReflect())
		want, err := general(t, f)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if _, ok := appendFrame(nil, f); ok {
			here++
		}
		if got, err := Encode(f); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: got %s, %v\nwant %s", seed, got, err, want)
		}
		// Of the kind that matters most.
		f = &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{}}}
		filler{rand.New(rand.NewPCG(seed, 2))}.fill(f.GetCall().ProtoReflect())
		if want, err = general(t, f); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got, ok := appendFrame(nil, f); !ok || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: got %s, %v\nwant %s", seed, got, ok, want)
		}
	}
	if here == 0 || here == rounds {
		t.Errorf("%d of %d frames are written here", here, rounds)
	}
}

// TestJSONRefused: what the general writer refuses is refused.
func TestJSONRefused(t *testing.T) {
	for _, c := range []*pealv1.Call{
		{CallId: "\xff"}, {CreatedAt: &timestamppb.Timestamp{Seconds: 1 << 60}}, {EndedAt: &timestamppb.Timestamp{Nanos: -1}},
	} {
		f := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{Call: c}}}
		if text, err := Encode(f); err == nil {
			t.Errorf("%v is written as %s", c, text)
		}
	}
}
