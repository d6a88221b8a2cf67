package call

import "time"

// Input is one thing that happens to a call. The inputs, by where they come from:
//
//	caller's device   Cancel, Offer
//	callee's devices  Ring, StopRinging, Accept, Merge, Reject, Answer
//	either device     Hangup, Report, Restart, SetTracks, SwitchType
//	connections       Gone, Back, Leave, Reload
//	the account       Supersede, Kick
//	the server        Tick, Terminate
type Input interface {
	kind() kind
	// Sender is the device that the input is about, by the connection that it had then; zero
	// where it is about none.
	Sender() Device
}

// Cancel is the caller giving up while it rings.
type Cancel struct{ Device Device }

// Offer is the caller's description for the present media generation.
type Offer struct {
	Device     Device
	Generation uint32
	SDP        SDP
}

// Ring tells that a device of the callee rings. For is its own, shorter
// time-out; zero means none.
type Ring struct {
	Device Device
	For    time.Duration
}

// StopRinging is a device of the callee ending its own ringing, and no more: the
// call rings on until its time is over, also where no other device rings. The
// caller is not to learn that there was one.
type StopRinging struct{ Device Device }

// Accept is a device of the callee answering. Its answer counts when it is for
// the present generation.
type Accept struct {
	Device     Device
	Generation uint32
	Answer     SDP
	// Held is how many of the caller's candidates this device has.
	Held uint32
	Card Card
}

// Merge is glare: a device of the callee has called the caller meanwhile. It
// accepts; its answer follows by Answer. Call is the id of its own invitation, of
// which no call is made.
type Merge struct {
	Device Device
	Call   ID
	Type   Type
	Policy Policy
	Card   Card
}

// Reject is a device of the callee declining for all of them.
type Reject struct{ Device Device }

// Answer is the callee's description for the present media generation.
type Answer struct {
	Device     Device
	Generation uint32
	SDP        SDP
}

// Hangup ends the call in whatever state it is.
type Hangup struct{ Device Device }

// Report tells whether the media of a device is up.
type Report struct {
	Device     Device
	Generation uint32
	Up         bool
}

// Restart asks for a generation after From. With Rebuild it is one for which both
// sides make new peer connections.
type Restart struct {
	Device  Device
	From    uint32
	Rebuild bool
}

// SetTracks tells what a device sends.
type SetTracks struct {
	Device Device
	Tracks Tracks
}

// SwitchType tells what a device wants the call to be from now on: Video takes
// both sides, anything else is Audio.
type SwitchType struct {
	Device Device
	Type   Type
}

// Gone tells that a connection of a device is lost. Finder is the node that found
// that of the device dead, so that no time of the wait for media was the device's
// fault; it is empty where the connection alone was lost. Former is the node that
// had found that before, and is dead as well: each death counts once.
type Gone struct {
	Device         Device
	Finder, Former string
}

// Back tells that a device has a new connection and is the same client as before.
type Back struct{ Device Device }

// Leave tells that a device announced its going.
type Leave struct{ Device Device }

// Reload tells that a device has a new connection but forgot its calls. With
// Resume it wants to go on; otherwise what it was in is over.
type Reload struct {
	Device Device
	Resume bool
}

// Supersede tells that a device calls someone else. Of the callee, while it
// rings, that may be any device.
type Supersede struct{ Device Device }

// Kick tells that a newer login took the place of a device.
type Kick struct{ Device Device }

// Tick tells that time has passed. It is due at Call.Deadline.
type Tick struct{}

// Terminate is an operator ending the call.
type Terminate struct{}

// kind numbers the inputs for the table.
type kind uint8

const (
	kindCancel kind = iota
	kindOffer
	kindRing
	kindStopRinging
	kindAccept
	kindMerge
	kindReject
	kindAnswer
	kindHangup
	kindReport
	kindRestart
	kindSetTracks
	kindSwitchType
	kindGone
	kindBack
	kindLeave
	kindReload
	kindSupersede
	kindKick
	kindTick
	kindTerminate
	numKinds
)

func (Cancel) kind() kind      { return kindCancel }
func (Offer) kind() kind       { return kindOffer }
func (Ring) kind() kind        { return kindRing }
func (StopRinging) kind() kind { return kindStopRinging }
func (Accept) kind() kind      { return kindAccept }
func (Merge) kind() kind       { return kindMerge }
func (Reject) kind() kind      { return kindReject }
func (Answer) kind() kind      { return kindAnswer }
func (Hangup) kind() kind      { return kindHangup }
func (Report) kind() kind      { return kindReport }
func (Restart) kind() kind     { return kindRestart }
func (SetTracks) kind() kind   { return kindSetTracks }
func (SwitchType) kind() kind  { return kindSwitchType }
func (Gone) kind() kind        { return kindGone }
func (Back) kind() kind        { return kindBack }
func (Leave) kind() kind       { return kindLeave }
func (Reload) kind() kind      { return kindReload }
func (Supersede) kind() kind   { return kindSupersede }
func (Kick) kind() kind        { return kindKick }
func (Tick) kind() kind        { return kindTick }
func (Terminate) kind() kind   { return kindTerminate }

func (in Cancel) Sender() Device      { return in.Device }
func (in Offer) Sender() Device       { return in.Device }
func (in Ring) Sender() Device        { return in.Device }
func (in StopRinging) Sender() Device { return in.Device }
func (in Accept) Sender() Device      { return in.Device }
func (in Merge) Sender() Device       { return in.Device }
func (in Reject) Sender() Device      { return in.Device }
func (in Answer) Sender() Device      { return in.Device }
func (in Hangup) Sender() Device      { return in.Device }
func (in Report) Sender() Device      { return in.Device }
func (in Restart) Sender() Device     { return in.Device }
func (in SetTracks) Sender() Device   { return in.Device }
func (in SwitchType) Sender() Device  { return in.Device }
func (in Gone) Sender() Device        { return in.Device }
func (in Back) Sender() Device        { return in.Device }
func (in Leave) Sender() Device       { return in.Device }
func (in Reload) Sender() Device      { return in.Device }
func (in Supersede) Sender() Device   { return in.Device }
func (in Kick) Sender() Device        { return in.Device }
func (Tick) Sender() Device           { return Device{} }
func (Terminate) Sender() Device      { return Device{} }

// Effect is something to do once the new state is committed.
type Effect struct {
	// Tell the snapshot to this account: to one device, or to all when empty.
	Account Account
	Device  DeviceID
	// With is what to send beside the snapshot.
	With Attachments
}

// Attachments are the parts of a call that are not in its snapshot, because
// only some devices may have them and only when they need them.
type Attachments uint8

// The attachments.
const (
	WithOffer Attachments = 1 << iota
	WithAnswer
	WithServers // ICE servers for this call, made by the node.
	// WithNeeds stands for Call.Needs of whichever device receives the effect.
	WithNeeds
)

// Refusal is the error of an input that the present state does not allow. The
// call is unchanged.
type Refusal string

// The refusals.
const (
	// Stranger: the account has no part in the call. It is not to learn that
	// there is one.
	Stranger Refusal = "stranger"
	// WrongDevice: the account has a part in the call, this device or this
	// side is not the one that may do this.
	WrongDevice Refusal = "wrong_device"
	// AlreadyAccepted: too late to cancel, reject or stop ringing.
	AlreadyAccepted Refusal = "already_accepted"
	// AnsweredElsewhere: another device of the account accepted.
	AnsweredElsewhere Refusal = "answered_elsewhere"
	// NotAccepted: too early, nobody has answered yet.
	NotAccepted Refusal = "not_accepted"
	// RingStopped: this device's own ring time-out is over.
	RingStopped Refusal = "ring_stopped"
	// StaleGeneration: not for the present media generation, or that one has
	// its description already.
	StaleGeneration Refusal = "stale_generation"
	// CallEnded: the call is over; the snapshot says how.
	CallEnded Refusal = "call_ended"
	// BusyElsewhere: another device of the caller's account is in a call.
	BusyElsewhere Refusal = "busy_elsewhere"
	// SelfCall: caller and callee are the same account.
	SelfCall Refusal = "self_call"
)

func (r Refusal) Error() string { return string(r) }
