package device

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

var update = flag.Bool("update", false, "write testdata/changes anew")

// What each device makes of what it is shown, in each transcript of package call.
// The browser's tests hold the same files: testdata/changes has a line for each
// snapshot after the first.
func TestChanges(t *testing.T) {
	paths, err := filepath.Glob("../node/testdata/views/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no views: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			var devices []struct {
				Account, Device string
				Shown           []json.RawMessage
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &devices); err != nil {
				t.Fatal(err)
			}
			all := make(map[string][]string)
			for _, d := range devices {
				all[d.Account+"/"+d.Device] = changesOf(t, d.Account, d.Device, d.Shown)
			}
			got, err := json.MarshalIndent(all, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "changes", filepath.Base(path)), string(got)+"\n")
		})
	}
}

func changesOf(t *testing.T, account, device string, shown []json.RawMessage) []string {
	t.Helper()
	v, lines := &view{}, []string{}
	for i, message := range shown {
		c := &pealv1.Call{}
		if err := protojson.Unmarshal(message, c); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			v.call = c
			continue
		}
		changes, end := v.advance(c, account, device, time.Time{})
		words := make([]string, 0, len(changes))
		for _, change := range changes {
			words = append(words, string(change))
		}
		if end != nil {
			v.over = true
			words = append(words, fmt.Sprintf("over: %s by %q here=%t answered=%t seconds=%d",
				end.Reason, end.Actor, end.ByThisDevice, end.Answered, int(end.Duration.Seconds())))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}
