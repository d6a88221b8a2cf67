package pgstore

import "github.com/peal-rtc/peal/internal/call"

// outcome is what a change may come to: the call as given, or its busy variant.
type outcome struct {
	call   *call.Call
	body   []byte // stored.Encode(call).
	events []call.Event
}
