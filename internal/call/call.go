package call

import (
	"log/slog"
	"slices"
	"time"
)

// ID names a call: a UUIDv7 made by the caller's client.
type ID string

// Account names a person.
type Account string

// DeviceID names one running client of an account. Only the pair of account
// and device is unique.
type DeviceID string

// Connection names one connection of a device: which node incarnation holds it and which of its
// connections it is. A device that reconnects has a new one, so that a Gone of the old connection,
// which may arrive after the new connection's Back, does not mark the device gone.
type Connection struct {
	Incarnation string `json:"inc,omitempty"`
	Seq         uint64 `json:"seq,omitempty"`
}

// Device is the address of one running client.
type Device struct {
	Account Account    `json:"account"`
	ID      DeviceID   `json:"id"`
	Conn    Connection `json:"conn"`
}

// Is reports whether both are the same client, on whatever connection.
func (d Device) Is(o Device) bool { return d.Account == o.Account && d.ID == o.ID }

// Card is how a person is shown, as the application's backend says in the token. A
// call keeps the card of its time: a later token does not change it.
type Card struct {
	Name   string `json:"name,omitempty"`
	Avatar string `json:"avatar,omitempty"` // An https URL.
}

// SDP is a session description. It holds addresses and keys, so it never shows
// in logs.
type SDP string

// LogValue keeps descriptions out of logs.
func (SDP) LogValue() slog.Value { return slog.StringValue("[sdp]") }

// Type is what the caller asked for. The zero value is not valid.
type Type uint8

// The types of a call, numbered as the component API numbers them.
const (
	Audio Type = 1
	Video Type = 2
	Other Type = 3 // Carried for the application's sake; media as Audio.
)

// Policy says which candidates of one side the other may have. The higher the
// stricter.
type Policy uint8

const (
	// AnyAddress: all candidates, from the start.
	AnyAddress Policy = 0
	// RelayUntilAccept: relayed ones until the call is answered, then all.
	RelayUntilAccept Policy = 1
	// RelayOnly: relayed ones, and no others ever.
	RelayOnly Policy = 2
)

// State is where a call stands. It only ever moves forward.
type State uint8

const (
	// Ringing: created, the callee's devices ring. Entered by New; left by an
	// acceptance, glare, or any ending.
	Ringing State = 1
	// Connecting: answered by one device, media not yet up on both ends.
	// Entered by acceptance or glare; left when both sides report media, or
	// by any ending.
	Connecting State = 2
	// Connected: media was up on both ends at once. A loss of media does not
	// go back. Left by an ending.
	Connected State = 3
	// Ended: final. Nothing leaves it and nothing changes in it.
	Ended State = 4
)

// Reason is why a call ended. Zero until then, immutable after.
type Reason uint8

// The final reasons. Each call gets exactly one.
const (
	Completed  Reason = 1  // Someone in the call hung up.
	Cancelled  Reason = 2  // The caller gave up while it rang.
	Rejected   Reason = 3  // A device of the callee declined.
	Timeout    Reason = 4  // Nobody answered in time.
	Busy       Reason = 5  // The callee was in another call.
	Failed     Reason = 6  // Answered, but media never came up.
	Lost       Reason = 7  // A side vanished past its grace.
	Superseded Reason = 8  // The same device called someone else.
	Kicked     Reason = 9  // Single login: a newer login took over.
	Terminated Reason = 10 // An operator ended it ("server" on the wire).
)

// Format is the newest format of calls that this program knows. It counts up with each release
// that adds to Call what an older one would lose by stepping it. A program reads and shows a
// call of a newer format, as far as it understands it, and never steps it.
const Format uint8 = 1

// Call is the whole state of one call. It is a value: Step returns a new one
// and leaves its argument alone.
type Call struct {
	ID  ID     `json:"id"`
	Rev uint32 `json:"rev"`
	// Format is what a program must know to step the call without losing anything of it: see
	// Format. Zero is the first, as in calls from before there were formats.
	Format uint8 `json:"format,omitempty"`
	// Hidden counts the changes that the caller is not to notice: see RevFor.
	Hidden uint32 `json:"hidden,omitempty"`
	// Deaf says that the callee blocks the caller, and so has no part in the call: its account
	// is not claimed, its devices receive nothing and are strangers to the call, and the
	// record is the caller's alone. To the caller a deaf call is one to somebody who is offline.
	// The store sets Deaf as it creates the call; nothing changes it after that.
	Deaf       bool      `json:"deaf,omitempty"`
	State      State     `json:"state"`
	Type       Type      `json:"type"`
	Attachment string    `json:"attachment,omitempty"`
	Policy     Policy    `json:"policy,omitempty"`
	Timing     Timing    `json:"timing"`
	CreatedAt  time.Time `json:"created_at"`
	// Until is when the present phase runs out: the ringing, or the wait for
	// media. Zero when connected or ended.
	Until       time.Time `json:"until,omitzero"`
	ConnectedAt time.Time `json:"connected_at,omitzero"`
	// Legs are the parts in the call: the caller's first, then one per callee.
	Legs  []Leg `json:"legs"`
	Media Media `json:"media"`
	// Ask is a wish for a video call that waits for the other side.
	Ask     Ask     `json:"ask,omitzero"`
	Outcome Outcome `json:"outcome,omitzero"`
}

// Leg is one person's part in a call.
type Leg struct {
	Account Account `json:"account"`
	UID     uint32  `json:"uid"`
	// Card is the caller's from the start, the callee's from the acceptance. Before
	// that it would tell the caller that the callee is online.
	Card Card `json:"card,omitzero"`
	// Device is the one that is in the call: the caller's from the start, the
	// callee's from the acceptance. Its zero value means none yet.
	Device Device `json:"device,omitzero"`
	// Epoch counts the connections of Device during the call.
	Epoch uint32 `json:"epoch,omitempty"`
	// Gone is when Device lost its connection; zero while it is present.
	Gone time.Time `json:"gone,omitzero"`
	// Finder is the node that found Device's dead.
	Finder string `json:"finder,omitempty"`
	// Leaving says that it announced its going: a shorter grace.
	Leaving bool   `json:"leaving,omitempty"`
	MediaUp bool   `json:"media_up,omitempty"`
	Tracks  Tracks `json:"tracks,omitzero"`
	// Ringers are the callee's devices that have reported that they ring.
	Ringers []Ringer `json:"ringers,omitempty"`
}

// RingersMost is how many devices of the callee a call keeps in mind: as many as
// an account may have by default. One more rings as well, without a time-out of
// its own.
const RingersMost = 10

// RingGenerationsMost is how many media generations a call has while it rings. A
// caller that changes networks needs a few; for each one every ringing page makes a
// connection.
const RingGenerationsMost = 30

// Ringer is one device of the callee while it rings.
type Ringer struct {
	Device Device `json:"device"`
	// For is this device's own time-out as it gave it, and Until when it is
	// over; zero means that it rings as long as the call does.
	For   time.Duration `json:"for,omitempty"`
	Until time.Time     `json:"until,omitzero"`
	// Stopped says that its own time-out is over. It rings no more.
	Stopped bool `json:"stopped,omitempty"`
	// Gone says that it lost its connection. It may come back and ring on.
	Gone bool `json:"gone,omitempty"`
}

// Tracks tells what a side sends.
type Tracks struct {
	Audio      bool `json:"audio,omitempty"`
	AudioMuted bool `json:"audio_muted,omitempty"`
	Video      bool `json:"video,omitempty"`
	VideoMuted bool `json:"video_muted,omitempty"`
	Screen     bool `json:"screen,omitempty"`
}

// Media is the negotiation of the present media generation. Only the caller
// offers and only the callee answers.
type Media struct {
	Generation uint32 `json:"generation"`
	// Rebuild is the last generation for which both sides make new peer
	// connections; later ones restart ICE on those.
	Rebuild uint32 `json:"rebuild"`
	Offer   SDP    `json:"offer,omitempty"`
	Answer  SDP    `json:"answer,omitempty"`
	// Held is how many of the caller's candidates the device that answered had.
	Held uint32 `json:"held,omitempty"`
}

// Outcome is how a call ended: once set, never changed.
type Outcome struct {
	Reason Reason `json:"reason"`
	// Actor and Device are who ended it; empty when nobody did (a time-out)
	// or an operator.
	Actor   Account   `json:"actor,omitempty"`
	Device  DeviceID  `json:"device,omitempty"`
	EndedAt time.Time `json:"ended_at"`
	// Kind is the record's; zero for a tombstone, which files none.
	Kind Kind `json:"kind,omitempty"`
}

// Kind is the kind of a record, numbered as the component API numbers them.
type Kind uint8

// The kinds of records.
const (
	KindCompleted Kind = 1
	KindCancelled Kind = 2
	KindRejected  Kind = 3
	KindTimeout   Kind = 4
	KindBusy      Kind = 5
)

// Record is the one lasting note of a call.
type Record struct {
	Call   ID
	Kind   Kind
	Type   Type
	Caller Account
	Callee Account
	// CallerCard and CalleeCard are those of the call. The callee's is empty where
	// nobody accepted.
	CallerCard Card
	CalleeCard Card
	Reason     Reason
	CreatedAt  time.Time
	EndedAt    time.Time
	// Duration is how long it was connected, in whole seconds.
	Duration time.Duration
	// Deaf is that of the call: the record is the caller's alone.
	Deaf bool
}

// Timing holds the durations that a call lives by. A call keeps those it was
// made under, so that nodes with different settings agree about it.
type Timing struct {
	Ring         time.Duration `json:"ring"`          // Until an unanswered call times out.
	CallerGrace  time.Duration `json:"caller_grace"`  // A caller gone while it rings.
	Grace        time.Duration `json:"grace"`         // A side gone after the answer.
	LeavingGrace time.Duration `json:"leaving_grace"` // The same after it said that it leaves.
	GraceHold    time.Duration `json:"grace_hold"`    // The most, while the other side has media.
	Connect      time.Duration `json:"connect"`       // From the answer to media on both ends.
	Ask          time.Duration `json:"ask"`           // Until an unanswered wish for a video call lapses.
}

// DefaultTiming is what a call lives by unless configured.
func DefaultTiming() Timing {
	return Timing{
		Ring:         60 * time.Second,
		CallerGrace:  10 * time.Second,
		Grace:        30 * time.Second,
		LeavingGrace: 10 * time.Second,
		GraceHold:    40 * time.Second,
		Connect:      20 * time.Second,
		Ask:          30 * time.Second,
	}
}

// Caller is the leg of the one who calls.
func (c *Call) Caller() *Leg { return &c.Legs[0] }

// Callee is the leg of the one who is called.
func (c *Call) Callee() *Leg { return &c.Legs[1] }

// Members are the legs of those who have a part in the call: all of them, or the caller's
// alone where the call is deaf.
func (c *Call) Members() []Leg {
	if c.Deaf {
		return c.Legs[:1]
	}
	return c.Legs
}

// Leg finds the leg of an account; nil when it has no part in the call.
func (c *Call) Leg(a Account) *Leg {
	members := c.Members()
	for i := range members {
		if members[i].Account == a {
			return &members[i]
		}
	}
	return nil
}

// Names says whether an account has a leg, also one without a part in the call: whatever is
// stored of the call has the name of the account in it.
func (c *Call) Names(a Account) bool {
	return slices.ContainsFunc(c.Legs, func(l Leg) bool { return l.Account == a })
}

// Peer is the leg opposite to an account's.
func (c *Call) Peer(a Account) *Leg {
	if c.Caller().Account == a {
		return c.Callee()
	}
	return c.Caller()
}

// Incarnations are those of the nodes that the call names: of its devices, also of those that
// ring. There is each once, in the order in which they come.
func (c *Call) Incarnations() (list []string) {
	note := func(d Device) {
		if i := d.Conn.Incarnation; i != "" && !slices.Contains(list, i) {
			list = append(list, i)
		}
	}
	for i := range c.Legs {
		note(c.Legs[i].Device)
		for _, r := range c.Legs[i].Ringers {
			note(r.Device)
		}
	}
	return list
}

// Live reports whether the call has not ended.
func (c *Call) Live() bool { return c.State != Ended }

// Has reports whether the device is in the call: the caller's, or the one that answered.
func (c *Call) Has(d Device) bool {
	l := c.Leg(d.Account)
	return l != nil && l.Device.Is(d)
}

// Record is what is filed when the call has ended; ok is false before that and
// for a tombstone.
func (c *Call) Record() (r Record, ok bool) {
	if c.Outcome.Kind == 0 {
		return Record{}, false
	}
	r = Record{
		Call: c.ID, Kind: c.Outcome.Kind, Type: c.Type,
		Caller: c.Caller().Account, Callee: c.Callee().Account,
		CallerCard: c.Caller().Card, CalleeCard: c.Callee().Card,
		Reason: c.Outcome.Reason, CreatedAt: c.CreatedAt, EndedAt: c.Outcome.EndedAt,
		Deaf: c.Deaf,
	}
	if !c.ConnectedAt.IsZero() {
		r.Duration = c.Outcome.EndedAt.Sub(c.ConnectedAt).Truncate(time.Second)
	}
	return r, true
}

// Clone copies all that two calls could share.
func (c Call) Clone() Call {
	legs := make([]Leg, len(c.Legs))
	for i, l := range c.Legs {
		l.Ringers = slices.Clone(l.Ringers)
		legs[i] = l
	}
	c.Legs = legs
	return c
}
