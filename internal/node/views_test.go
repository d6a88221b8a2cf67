package node_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/call/transcript"
	"github.com/peal-rtc/peal/internal/node"
)

// view is all that one device is shown of a call.
type view struct {
	who   call.Device
	shown []string
	gone  bool
	rev   uint32
}

// What each device is shown of the calls in the transcripts of package call is
// kept in testdata/views: the clients' tests begin there, those of Go and those
// of the browser.
func TestViews(t *testing.T) {
	paths, err := filepath.Glob("../call/testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			views := devicesIn(string(text))
			err = transcript.Play(string(text), func(string) {}, func(s transcript.Step) { show(t, views, s) })
			if err != nil {
				t.Fatal(err)
			}
			keep(t, filepath.Join("testdata", "views", name+".json"), written(views))
		})
	}
}

// devicesIn are those that a transcript names, which are all there at first.
func devicesIn(text string) []*view {
	var views []*view
	known := make(map[string]bool)
	for word := range strings.FieldsSeq(text) {
		account, device, ok := strings.Cut(word, "/")
		if !ok || account == "" || known[word] || !strings.HasPrefix(device, account[:1]) {
			continue
		}
		known[word] = true
		who := call.Device{Account: call.Account(account), ID: call.DeviceID(device)}
		views = append(views, &view{who: who})
	}
	return views
}

// show shows a step to the devices that it concerns, as the node does.
func show(t *testing.T, views []*view, s transcript.Step) {
	t.Helper()
	tell := func(v *view, at time.Time) {
		if v.gone || s.Call.Role(v.who) == call.Outsider || s.Call.Rev <= v.rev {
			return
		}
		v.rev = s.Call.Rev
		message, err := protojson.Marshal(node.Snapshot(&s.Call, v.who, at))
		if err != nil {
			t.Fatal(err)
		}
		var plain any // protojson puts blanks where it likes.
		if err := json.Unmarshal(message, &plain); err != nil {
			t.Fatal(err)
		}
		if message, err = json.Marshal(plain); err != nil {
			t.Fatal(err)
		}
		v.shown = append(v.shown, string(message))
	}
	if s.Err != nil {
		return
	}
	for _, v := range views {
		switch in := s.Input.(type) {
		case nil:
			if s.Call.Caller().Device.Is(v.who) {
				tell(v, s.At)
			}
		case call.Gone:
			v.gone = v.gone || in.Device.Is(v.who)
		case call.Back:
			if in.Device.Is(v.who) {
				v.gone = false
				tell(v, s.At)
			}
		case call.Reload:
			if in.Device.Is(v.who) {
				v.gone = false
				tell(v, s.At)
			}
		}
		for _, e := range s.Effects {
			if e.Account == v.who.Account && (e.Device == "" || e.Device == v.who.ID) {
				tell(v, s.At)
			}
		}
		if asks(s.Input) && s.Input.Sender().Is(v.who) {
			tell(v, s.At) // The answer to what it asked for.
		}
	}
}

// asks says that the sender of an input is answered.
func asks(in call.Input) bool {
	switch in.(type) {
	case nil, call.Gone, call.Back, call.Leave, call.Reload, call.Supersede, call.Kick:
		return false
	}
	return true
}

// written gives the views as JSON, a line for each snapshot.
func written(views []*view) []byte {
	var devices []string
	for _, v := range views {
		devices = append(devices, fmt.Sprintf("{\"account\": %q, \"device\": %q, \"shown\": [\n%s\n]}", v.who.Account, v.who.ID, strings.Join(v.shown, ",\n")))
	}
	return fmt.Appendf(nil, "[%s]\n", strings.Join(devices, ",\n"))
}

// keep compares a golden file with what it should be, or rewrites it.
func keep(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}
