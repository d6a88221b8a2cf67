package protocol_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// binaryGolden holds the same messages as the golden ones in JSON: a line for
// each, its name and its bytes in hexadecimal.
const binaryGolden = "binary.txt"

// TestBinaryGolden: the bytes stay what they are, and mean what the text means.
func TestBinaryGolden(t *testing.T) {
	limits := protocol.DefaultLimits()
	var lines strings.Builder
	clients, servers := clientGolden(), serverGolden()
	for _, name := range slices.Sorted(maps.Keys(clients)) {
		message, err := protocol.Binary.EncodeCommand(clients[name])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "client_%s %x\n", name, message)
		back, bad := protocol.Binary.Decode(message, &limits)
		if bad != nil {
			t.Errorf("%s is refused: %s", name, bad.Message)
		}
		if diff := cmp.Diff(clients[name], back, protocmp.Transform()); diff != "" {
			t.Errorf("%s does not survive (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		message, err := protocol.Binary.Encode(servers[name])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "server_%s %x\n", name, message)
		back, err := protocol.Binary.DecodeFrame(message)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(servers[name], back, protocmp.Transform()); diff != "" {
			t.Errorf("%s does not survive (-want +got):\n%s", name, diff)
		}
	}
	path := filepath.Join("testdata", binaryGolden)
	if *update {
		if err := os.WriteFile(path, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), lines.String()); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

// command is a command in binary, with fields of a test's own after it.
func command(t *testing.T, f *pealv1.ClientFrame, more ...byte) []byte {
	t.Helper()
	message, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return append(message, more...)
}

// field is a field of bytes.
func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func TestDecodeBinaryRefuses(t *testing.T) {
	limits := protocol.DefaultLimits()
	const ping, hangup, candidatesField = 3, 10, 13
	id := []byte{0x08, 4}
	hello := &pealv1.ClientFrame{Id: 4, Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}}
	unknown := field(99, []byte("x"))
	tests := []struct {
		name       string
		message    []byte
		code, says string
		id         uint32
	}{
		{"text", []byte(`{"id":4,"ping":{}}`), "bad_request", "", 0},
		{"half a message", command(t, hello)[:3], "bad_request", "no protobuf", 4},
		{"nothing", nil, "bad_request", "id must be", 0},
		{"quiet twice", command(t, hello, 0xb0, 1, 1, 0xb0, 1, 1), "bad_request", "quiet twice", 4},
		{"no id", field(ping, nil), "bad_request", "id must be", 0},
		{"no command", id, "unknown_command", "", 4},
		{"an unknown command", append(id, unknown...), "unknown_command", "99", 4},
		{"an unknown field beside a command", command(t, hello, unknown...), "bad_request", "unknown field 99 in ClientFrame", 4},
		{"an unknown field in a command", append(id, field(ping, unknown)...), "bad_request", "unknown field 99 in Ping", 4},
		{"an unknown field deep down", append(id, field(candidatesField, append(field(1, []byte(exampleID)), field(3, unknown)...))...), "bad_request", "unknown field 99 in Candidate", 4},
		{"two commands", command(t, hello, field(hangup, field(1, []byte(exampleID)))...), "bad_request", "two commands", 4},
		{"the same command twice", command(t, hello, field(ping, nil)...), "bad_request", "two commands", 4},
		{"two ids", command(t, hello, 0x08, 5), "bad_request", "two ids", 5},
		{"a large id", []byte{0x08, 0xff, 0xff, 0xff, 0xff, 0x7f}, "bad_request", "above", 0},
		{"an id of another type", field(1, []byte("4")), "bad_request", "another type", 0},
		{"text that is no UTF-8", append(id, field(hangup, field(1, []byte{0xff}))...), "bad_request", "UTF-8", 4},
		{"an id of a call that is none", append(id, field(hangup, field(1, []byte("x")))...), "bad_request", "UUIDv7", 4},
		{"a call type by an unknown number", command(t, &pealv1.ClientFrame{Id: 4, Command: &pealv1.ClientFrame_SwitchType{SwitchType: &pealv1.SwitchType{CallId: exampleID, Type: 9}}}), "bad_request", "type 9", 4},
		{"a large message", command(t, hello, make([]byte, limits.MessageBytes)...), "message_too_large", "at most 65536", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, bad := protocol.Binary.Decode(tt.message, &limits)
			if bad == nil {
				t.Fatal("taken")
			}
			if bad.Code != tt.code || !strings.Contains(bad.Message, tt.says) || f.Id != tt.id {
				t.Errorf("got %s %q for id %d, want %s with %q for id %d", bad.Code, bad.Message, f.Id, tt.code, tt.says, tt.id)
			}
		})
	}
}

// What a newer server adds is ignored by a client, in binary as in text.
func TestClientsIgnoreTheUnknownInBinary(t *testing.T) {
	tomorrow := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{Call: &pealv1.Call{
		CallId: "x", State: 77, Record: &pealv1.Record{Reason: 78, Kind: pealv1.RecordKind_RECORD_KIND_BUSY},
	}}}}
	message, err := proto.Marshal(tomorrow)
	if err != nil {
		t.Fatal(err)
	}
	f, err := protocol.Binary.DecodeFrame(append(message, field(99, []byte("more"))...))
	if err != nil {
		t.Fatal(err)
	}
	want := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{Call: &pealv1.Call{
		CallId: "x", Record: &pealv1.Record{Kind: pealv1.RecordKind_RECORD_KIND_BUSY},
	}}}}
	if diff := cmp.Diff(want, f, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEncodingOf(t *testing.T) {
	for _, e := range []protocol.Encoding{protocol.JSON, protocol.Binary} {
		if got, ok := protocol.EncodingOf(strings.ToUpper(e.Subprotocol())); !ok || got != e {
			t.Errorf("%s is %v, %v", e.Subprotocol(), got, ok)
		}
		if !slices.Contains(protocol.Subprotocols(), e.Subprotocol()) {
			t.Errorf("%s is not offered", e.Subprotocol())
		}
	}
	if _, ok := protocol.EncodingOf(""); ok {
		t.Error("no subprotocol is one")
	}
}

// binarySeeds gives a fuzz target the golden messages to begin with.
func binarySeeds(f *testing.F, prefix string) {
	text, err := os.ReadFile(filepath.Join("testdata", binaryGolden))
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		message, err := hex.DecodeString(digits)
		if err != nil {
			f.Fatal(err)
		}
		if strings.HasPrefix(name, prefix) {
			f.Add(message)
		}
	}
}

// FuzzDecodeBinary is FuzzDecode for the binary encoding; what is taken also
// means the same in text.
func FuzzDecodeBinary(f *testing.F) {
	binarySeeds(f, "client_")
	limits := protocol.DefaultLimits()
	f.Fuzz(func(t *testing.T, message []byte) {
		frame, bad := protocol.Binary.Decode(message, &limits)
		if bad != nil {
			if !slices.Contains(protocol.Codes(), protocol.Code(bad.Code)) || bad.Message == "" || len(bad.Message) > 512 {
				t.Fatalf("refused by %q: %q", bad.Code, bad.Message)
			}
			return
		}
		if frame.Id == 0 || frame.Command == nil {
			t.Fatalf("taken: %v", frame)
		}
		for _, e := range []protocol.Encoding{protocol.Binary, protocol.JSON} {
			again, err := e.EncodeCommand(frame)
			if err != nil {
				t.Fatalf("encode %v: %v", frame, err)
			}
			same, bad := e.Decode(again, &limits)
			if len(again) <= limits.MessageBytes && (bad != nil || !proto.Equal(frame, same)) {
				t.Fatalf("by %s %v becomes %v (%v)", e.Subprotocol(), frame, same, bad)
			}
		}
	})
}

// FuzzDecodeBinaryFrame is FuzzDecodeFrame for the binary encoding.
func FuzzDecodeBinaryFrame(f *testing.F) {
	binarySeeds(f, "server_")
	f.Fuzz(func(t *testing.T, message []byte) {
		frame, err := protocol.Binary.DecodeFrame(message)
		if err != nil {
			return
		}
		again, err := protocol.Binary.Encode(frame)
		if err != nil {
			t.Fatalf("encode %v: %v", frame, err)
		}
		if same, err := protocol.Binary.DecodeFrame(again); err != nil || !proto.Equal(frame, same) {
			t.Fatalf("%v becomes %v (%v)", frame, same, err)
		}
	})
}

// BenchmarkEncodings compares the work of the two, on the frames that a call
// has most of.
func BenchmarkEncodings(b *testing.B) {
	limits := protocol.DefaultLimits()
	for _, e := range []protocol.Encoding{protocol.JSON, protocol.Binary} {
		b.Run("snapshot out/"+e.Subprotocol(), func(b *testing.B) {
			f := serverGolden()["accepted"]
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Encode(f); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("candidates in/"+e.Subprotocol(), func(b *testing.B) {
			message, err := e.EncodeCommand(clientGolden()["candidates"])
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, bad := e.Decode(message, &limits); bad != nil {
					b.Fatal(bad)
				}
			}
		})
	}
}
