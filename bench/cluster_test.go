package main

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/load"
)

// TestTrips: all of a client's messages pass, and those that it waits for are counted.
func TestTrips(t *testing.T) {
	sent := []byte("\x00\x00\x00\x08\x00\x03\x00\x00" + // The start has no type.
		"P\x00\x00\x00\x06SS" + "S\x00\x00\x00\x04" + // Parse, and Sync.
		"Q\x00\x00\x00\x06SQ" + "X\x00\x00\x00\x04") // Query, and the end.
	var passed bytes.Buffer
	var counted trips
	if err := counted.pass(&passed, bufio.NewReader(bytes.NewReader(sent))); err == nil {
		t.Error("what ends is not noticed")
	}
	if !bytes.Equal(passed.Bytes(), sent) || counted.count.Load() != 2 {
		t.Errorf("%q passed, with %d round trips", passed.Bytes(), counted.count.Load())
	}
}

// TestFigures: the figures report what was used between two readings, for one call.
func TestFigures(t *testing.T) {
	before := figures{nodes: time.Second, commits: 10, changes: 20, reads: 5, trips: 30, updates: 10, hot: 1, wal: 1000}
	after := figures{
		nodes: 2 * time.Second, database: time.Second, commits: 20, changes: 180, reads: 15, trips: 50, updates: 20, hot: 6, dead: 1, live: 3,
		wal: 101_000, messagesIn: 60, messagesOut: 50, bytesIn: 1000,
	}
	got := after.since(before, &load.Result{Completed: 10})
	want := costOfCall{
		nodes: 100_000, database: 100_000, changes: 16, trips: 1, wal: 10_000, hot: 0.5, dead: 0.25, in: 6, out: 5, busBytes: 100,
	}
	if got != want || got.cpu() != 200_000 {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if _, err := clusterFlags([]string{"-nodes=0"}); err == nil {
		t.Error("no nodes are measured")
	}
}
