package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/load"
)

// TestBench: a few seconds of load on a server for trying out, as people run it.
func TestBench(t *testing.T) {
	p := dev(t, t.TempDir())
	args := []string{"bench", p.url, "--devices", "80", "--rate", "10", "--duration", "2s", "--ring", "10ms", "--talk", "50ms"}
	code, out, err := peal(append(args, "--json", "--quiet")...)
	if code != exitOK {
		t.Fatalf("exit code %d, %s", code, err)
	}
	var r load.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if r.Calls != 20 || r.Completed != 20 || r.Ring.P99 <= 0 {
		t.Errorf("got %+v", r)
	}
	if err != "" {
		t.Errorf("warns of what a peal dev does not limit: %s", err)
	}
	code, out, err = peal(append(args, "--speak-json")...)
	if code != exitOK || !strings.Contains(out, "invite to ring") || !strings.Contains(err, "80 devices online") {
		t.Errorf("exit code %d, %s, %s", code, out, err)
	}
}

func TestBenchRefuses(t *testing.T) {
	for _, test := range []struct {
		says string
		code int
		args []string
	}{
		{"devices is 1", exitUsage, []string{"--devices", "1"}},
		{"rate is 1e+06", exitUsage, []string{"--rate", "1000000"}},
		{"server is", exitUsage, []string{"ftp://x"}},
		{"token_failed", exitFailed, []string{"http://127.0.0.1:1"}},
		{"at least 32 are", exitUsage, []string{"--secret", "short"}},
		{"is 7200: give 0", exitUsage, []string{"--duration", "2h", "--rate", "1"}},
	} {
		if code, _, err := peal(append([]string{"bench"}, test.args...)...); code != test.code || !strings.Contains(err, test.says) {
			t.Errorf("%v: exit code %d, %s", test.args, code, err)
		}
	}
}
