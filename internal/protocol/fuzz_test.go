package protocol_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol"
)

// seeds gives a fuzz target the golden messages to begin with.
func seeds(f *testing.F, pattern string) {
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no golden messages: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"id":1,"invite":{"callId":"019a0000-0000-7000-8000-000000000001","callee":"b","type":3,"offer":"v=0\r\n"}}`))
	f.Add([]byte(`{"id":4294967296}`))
	f.Add([]byte(`{"id":1,"id":2,"ping":{},"hello":{}}`))
}

// What is taken can be said again and means the same; what is not is refused by
// a code of the catalogue, in few words.
func FuzzDecode(f *testing.F) {
	seeds(f, "client_*.json")
	limits := protocol.DefaultLimits()
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, bad := protocol.Decode(text, &limits)
		if bad != nil {
			if !slices.Contains(protocol.Codes(), protocol.Code(bad.Code)) || bad.Message == "" || len(bad.Message) > 512 {
				t.Fatalf("refused by %q: %q", bad.Code, bad.Message)
			}
			if frame == nil || frame.Command != nil && bad.Code == string(protocol.UnknownCommand) {
				t.Fatalf("refused with %v", frame)
			}
			return
		}
		if frame.Id == 0 || frame.Command == nil {
			t.Fatalf("taken: %v", frame)
		}
		again, err := protocol.EncodeCommand(frame)
		if err != nil {
			t.Fatalf("encode %v: %v", frame, err)
		}
		same, bad := protocol.Decode(again, &limits)
		if len(again) <= limits.MessageBytes && (bad != nil || !proto.Equal(frame, same)) {
			t.Fatalf("%v becomes %v (%v)", frame, same, bad)
		}
	})
}

// A client takes what a server says, or refuses it without falling over.
func FuzzDecodeFrame(f *testing.F) {
	seeds(f, "server_*.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := protocol.DecodeFrame(text)
		if err != nil {
			return
		}
		again, err := protocol.Encode(frame)
		if err != nil {
			t.Fatalf("encode %v: %v", frame, err)
		}
		if same, err := protocol.DecodeFrame(again); err != nil || !proto.Equal(frame, same) {
			t.Fatalf("%v becomes %v (%v)", frame, same, err)
		}
	})
}
