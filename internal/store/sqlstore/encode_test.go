package sqlstore

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
	"github.com/peal-rtc/peal/internal/store/stored/storedpb"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

var update = flag.Bool("update", false, "write testdata again")

// TestEncoding: a call comes back from its body as it was, whatever is in it.
func TestEncoding(t *testing.T) {
	full := storetest.Full()
	other := full
	other.Legs = append([]call.Leg(nil), full.Legs...)
	other.Legs[0].Device.Account = other.Legs[0].Account
	other.Attachment += strings.Repeat("x", 57)
	for _, want := range []call.Call{full, other, ringing("c1", "alice", "bob")} {
		body, err := stored.Encode(&want)
		if err != nil {
			t.Fatal(err)
		}
		body = pad(body)
		descriptions, err := stored.Describe(&want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := stored.Decode(want.ID, body, descriptions)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if len(body)%padding != 0 {
			t.Errorf("the body of a live call has %d bytes", len(body))
		}
		if _, err := stored.Decode(want.ID, body[:len(body)-1], descriptions); err == nil {
			t.Error("a body that is cut off is read as a call")
		}
	}
}

// TestReplayedWhole: the same by way of the file.
func TestReplayedWhole(t *testing.T) {
	config := Config{Path: filepath.Join(t.TempDir(), "peal.db")}
	s, j := openBoth(t, config)
	live := storetest.Full()
	ended := storetest.Full()
	ended.ID, ended.State, ended.Legs[0].Account, ended.Legs[1].Account = "another", call.Ended, "carol", "dave"
	ended.Media.Offer, ended.Media.Answer = "", ""
	done(t, s, live, 0)
	live.Rev++
	live.Media.Answer = "v=0 another"
	done(t, s, live, live.Rev-1)
	done(t, s, ended, 0)
	var odd int // A live call's body fills its place: see pad.
	if err := j.reader.QueryRow(`SELECT length(body) % 128 FROM live`).Scan(&odd); err != nil || odd != 0 {
		t.Errorf("the body of a live call is %d bytes off, %v", odd, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = openBoth(t, config)
	for _, want := range []call.Call{live, ended} {
		got, err := s.Call(t.Context(), want.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	// The slot that it has is its own.
	done(t, s, ringing("third", "erin", "frank"), 0)
	if got, err := s.Call(t.Context(), live.ID); err != nil || got.Rev != live.Rev {
		t.Errorf("rev %d, %v", got.Rev, err)
	}
	if results, err := s.Commit(t.Context(), []store.Change{{Call: ringing("x", live.Legs[0].Account, "y")}}); err != nil || results[0].Verdict != store.CallerClaimed {
		t.Errorf("a claim is gone: %+v, %v", results, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSchemaVersion: what changes in the schema of stored calls changes the version of
// the tables as well, or an older peal would read what it does not understand.
func TestSchemaVersion(t *testing.T) {
	var schema bytes.Buffer
	fmt.Fprintf(&schema, "tables %d\n", tablesVersion(t))
	messages := storedpb.File_stored_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for n := range fields.Len() {
			f := fields.Get(n)
			kind := f.Kind().String()
			if f.Kind() == protoreflect.MessageKind {
				kind = string(f.Message().Name())
			}
			fmt.Fprintf(&schema, "%s %d %s %s %s\n", messages.Get(i).Name(), f.Number(), f.Name(), f.Cardinality(), kind)
		}
	}
	const golden = "testdata/schema.txt"
	if *update {
		if err := os.WriteFile(golden, schema.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if diff := cmp.Diff(string(want), schema.String()); err != nil || diff != "" {
		t.Errorf("the schema is not that of the version: add a migration, and run this with -update\n%v (-want +got):\n%s", err, diff)
	}
}

// tablesVersion is that of a file that was just made.
func tablesVersion(t *testing.T) int64 {
	t.Helper()
	s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db")})
	version, err := j.version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return version
}
