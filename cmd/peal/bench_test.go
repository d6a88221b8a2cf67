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
	if !strings.Contains(err, "--limits-invites-per-min") {
		t.Errorf("does not say which limit such a load meets: %s", err)
	}
	code, out, err = peal(append(args, "--speak-json")...)
	if code != exitOK || !strings.Contains(out, "invite to ring") || !strings.Contains(err, "80 devices online") {
		t.Errorf("exit code %d, %s, %s", code, out, err)
	}
}

func TestBenchRefuses(t *testing.T) {
	for says, args := range map[string][]string{
		"devices is 1":    {"--devices", "1"},
		"rate is 1e+06":   {"--rate", "1000000"},
		"server is":       {"ftp://x"},
		"token_failed":    {"http://127.0.0.1:1"},
		"at least 32 are": {"--secret", "short"},
		"is 7200: give 0": {"--duration", "2h", "--rate", "1"},
	} {
		if code, _, err := peal(append([]string{"bench"}, args...)...); code != exitFailed || !strings.Contains(err, says) {
			t.Errorf("%v: exit code %d, %s", args, code, err)
		}
	}
}
