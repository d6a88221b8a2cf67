package main

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
)

// TestInspect: the command shows what the server that runs on the data folder holds.
func TestInspect(t *testing.T) {
	data := t.TempDir()
	p := dev(t, data)
	for _, args := range [][]string{{"inspect", "--data", data}, {"inspect", "--data", data, "0198c1d2-7a3b-7c4d-8e5f-001122334455"}} {
		code, out, stderr := peal(args...)
		var shown struct {
			Incarnation string
			Ready       bool
			Queues      []any
		}
		if err := json.Unmarshal([]byte(out), &shown); code != exitOK || err != nil || shown.Incarnation == "" || !shown.Ready || len(shown.Queues) > 0 {
			t.Errorf("%v: %d %q %q, %v", args, code, out, stderr, err)
		}
	}
	p.end(syscall.SIGKILL)
	if code, _, stderr := peal("inspect", "--data", data); code != exitFailed || !strings.Contains(stderr, "no server runs") {
		t.Errorf("beside a server that was killed: %d %q", code, stderr)
	}
}
