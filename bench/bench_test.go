package main

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/load"
)

// TestScript: the relay is asked for the frames that Peal sent, after the frame
// that they came after.
func TestScript(t *testing.T) {
	frames := []noted{
		{load.Frame{Sent: true, Kind: "invite", Bytes: 5000}, true},
		{load.Frame{Kind: "call", Answer: true, Bytes: 100}, true},
		{load.Frame{Kind: "call", Bytes: 5100}, false},
		{load.Frame{Sent: true, Kind: "accept", Bytes: 3}, false},
		{load.Frame{Kind: "call", Bytes: 200}, true},
		{load.Frame{Sent: true, Kind: "hangup", Bytes: 40}, true},
	}
	steps := script(frames, &callOptions{ring: time.Second, talk: 2 * time.Second})
	if len(steps) != 3 {
		t.Fatalf("%d steps", len(steps))
	}
	invite, accept, hangup := steps[0], steps[1], steps[2]
	if invite.side != 0 || invite.comes != [2]int{1, 1} || len(invite.message) != 5000 || invite.message[0] != 2 {
		t.Errorf("the invitation is %d bytes of %+v", len(invite.message), invite.comes)
	}
	if accept.side != 1 || accept.comes != [2]int{1, 0} || accept.wait != time.Second || accept.message[1] != 1 || len(accept.message) != 4 {
		t.Errorf("the answer is %+v", accept)
	}
	if hangup.comes != [2]int{} || hangup.wait != 2*time.Second || hangup.message[0] != 0 {
		t.Errorf("the end is %+v", hangup)
	}
}

func TestRatio(t *testing.T) {
	if got := ratio([]float64{2, 9, 8}, []float64{1, 3, 2}); got != 3 {
		t.Errorf("got %v, want the median of 2, 3, 4", got)
	}
	if got := median([]float64{4, 1}); got != 2.5 {
		t.Errorf("got %v", got)
	}
}
