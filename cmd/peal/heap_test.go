package main

import (
	"runtime/debug"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for live, want := range map[uint64]int{
		0: mostPercent, 1 << 20: mostPercent, heapFloor / 4: 300, heapFloor / 2: 100, heapFloor * 3 / 4: 100, heapFloor: 100, 10 * heapFloor: 100,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("with %d bytes in use: %d, want %d", live, got, want)
		}
	}
}

// TestHeapFloor: the goal is kept while it is to be, and Go's default comes back.
func TestHeapFloor(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	stop := keepHeapFloor()
	kept := debug.SetGCPercent(usualPercent)
	stop()
	after := debug.SetGCPercent(usualPercent)
	if kept <= usualPercent || after != usualPercent {
		t.Errorf("GOGC is %d, and %d after", kept, after)
	}
	t.Setenv("GOGC", "50")
	keepHeapFloor()()
	if got := debug.SetGCPercent(usualPercent); got != usualPercent {
		t.Errorf("against the operator's will it is %d", got)
	}
}
