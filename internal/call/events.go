package call

import (
	"fmt"
	"strings"
)

// EventKind is what a backend learns about a transition. The numbers are stored.
type EventKind uint8

// The kinds of events. Each is one transition of a call.
const (
	// EventCreated: the call was made. A busy callee's call is made and ended at once.
	EventCreated EventKind = 1
	// EventRinging: the first device of the callee told that it rings, or that it stops. The
	// caller is not to hear of it: see Call.Hidden.
	EventRinging EventKind = 2
	// EventAnswered: a device of the callee answered, by acceptance or glare.
	EventAnswered EventKind = 3
	// EventConnected: media was up on both ends at once for the first time.
	EventConnected EventKind = 4
	// EventReconnecting: a new media generation began while the call was connected.
	EventReconnecting EventKind = 5
	// EventType: a call that was answered changed its type.
	EventType EventKind = 6
	// EventEnded: the call ended. Each call has one at most.
	EventEnded EventKind = 7
	// EventMerged: glare. An invitation in the other direction became the acceptance of this call.
	EventMerged EventKind = 8
)

// eventNames are the names of the kinds as backends read them.
var eventNames = [...]string{
	EventCreated: "call.created", EventRinging: "call.ringing", EventAnswered: "call.answered",
	EventConnected: "call.connected", EventReconnecting: "call.reconnecting", EventType: "call.type",
	EventEnded: "call.ended", EventMerged: "call.merged",
}

// String is the name of a kind: call.created and so on.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// EventKinds is a set of kinds. The zero value is empty.
type EventKinds uint32

// UsualEvents are all kinds but those that a backend has to name: call.reconnecting tells of
// the network, and not of the call.
const UsualEvents EventKinds = 1<<EventCreated | 1<<EventRinging | 1<<EventAnswered | 1<<EventConnected |
	1<<EventType | 1<<EventEnded | 1<<EventMerged

// Has says whether a kind is in the set.
func (s EventKinds) Has(k EventKind) bool { return s>>k&1 == 1 }

// EventsNamed is the set of kinds that names ask for: the name of a kind, or "call.*" or "*" for
// UsualEvents. No names ask for UsualEvents as well.
func EventsNamed(names ...string) (EventKinds, error) {
	if len(names) == 0 {
		return UsualEvents, nil
	}
	var set EventKinds
	for _, name := range names {
		kinds, ok := eventsNamed(name)
		if !ok {
			return 0, fmt.Errorf("no event is named %q: the names are *, call.* and %s", name, strings.Join(eventNames[EventCreated:], ", "))
		}
		set |= kinds
	}
	return set, nil
}

func eventsNamed(name string) (EventKinds, bool) {
	if name == "*" || name == "call.*" {
		return UsualEvents, true
	}
	for k, one := range eventNames {
		if one != "" && one == name {
			return 1 << k, true
		}
	}
	return 0, false
}

// Event is one thing that a transition did. It is about the call as the transition left it.
type Event struct {
	Kind EventKind
	// Merged, for EventMerged, is the id of the invitation that became the acceptance: there is
	// no call of that id.
	Merged ID
}

// Events are what a transition did, in the order in which backends are to hear of it. Before is
// nil for a call that is new, and in is then not looked at. There are none for a tombstone:
// nobody was called.
func Events(before *Call, in Input, after *Call) []Event {
	if after.State == Ended && after.Outcome.Kind == 0 {
		return nil
	}
	var events []Event
	did := func(k EventKind, really bool) {
		if really {
			events = append(events, Event{Kind: k})
		}
	}
	if before == nil {
		did(EventCreated, true)
		did(EventEnded, !after.Live())
		return events
	}
	was, is := before.State, after.State
	live := after.Live()
	did(EventRinging, is == Ringing && len(before.Callee().Ringers) == 0 && len(after.Callee().Ringers) > 0)
	did(EventAnswered, was == Ringing && live && is != Ringing)
	if m, ok := in.(Merge); ok && was == Ringing && live {
		events = append(events, Event{Kind: EventMerged, Merged: m.Call})
	}
	did(EventConnected, was != Connected && is == Connected)
	did(EventReconnecting, was == Connected && is == Connected && after.Media.Generation > before.Media.Generation)
	did(EventType, was != Ringing && live && before.Type != after.Type)
	did(EventEnded, before.Live() && !live)
	return events
}
