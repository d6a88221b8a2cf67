package device

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// view is what this device makes of the snapshots of a call:
//
//	ringing ──► connecting ──► connected
//	   │             │             │
//	   └─────────────┴─────────────┴──► over
//
// It never goes back, and nothing leaves over. A device is done with a call
// before the call ends when another device answered, when its own ring time-out
// is over, or when it left.
type view struct {
	call *pealv1.Call // The newest snapshot; rev 0 before the server knows the call.
	over bool
	seen time.Time // When the snapshot came.
	// draft: nothing of it was sent.
	draft bool
	// asked: the person has answered it, whatever became of that.
	asked bool
	// ringTimeoutMs is this device's own ring time-out; zero while it has none.
	ringTimeoutMs uint32
}

// Change is what a snapshot changes for this device.
type Change string

// The changes, in the order in which the application receives them.
const (
	Accepted     Change = "accepted"
	TypeChanged  Change = "type"
	VideoRequest Change = "videoRequest" // The other side asks for video, or does so no more.
	VideoAnswer  Change = "videoAnswer"  // What this side asked for is answered.
	Generation   Change = "generation"
	PeerEpoch    Change = "peerEpoch" // The other side connected again: it needs the candidates.
	PeerPresence Change = "peerPresence"
	PeerMedia    Change = "peerMedia"
	PeerTracks   Change = "remoteTracks"
	Connected    Change = "connected"
	Reconnected  Change = "reconnected" // This side did: what it tells may have been lost.
)

// Reason is why a call is over for a device: the server's word, or one of the
// device's own.
type Reason string

// The reasons that are named here. The others are as the server says.
const (
	ReasonCompleted         Reason = "completed"
	ReasonCancelled         Reason = "cancelled"
	ReasonRejected          Reason = "rejected"
	ReasonTimeout           Reason = "timeout"
	ReasonLost              Reason = "lost"
	ReasonKicked            Reason = "kicked"
	ReasonAnsweredElsewhere Reason = "answered_elsewhere"
	reasonServer            Reason = "server"
)

// End is how a call is over for a device.
type End struct {
	Reason Reason
	// Actor is the account that ended it; empty for the server.
	Actor        string
	ByThisDevice bool
	Answered     bool
	Duration     time.Duration
	// Final says that the server said so. Otherwise this device left, and its record holds the
	// outcome of the call.
	Final bool
	// Record is the call's, where the server filed one with that ending.
	Record *pealv1.Record
}

// advance takes a snapshot: what it changes, or how the call is over. One that
// is not newer than the view's changes nothing.
func (v *view) advance(next *pealv1.Call, account, device string, now time.Time) ([]Change, *End) {
	was := v.call
	if v.over || next.Rev <= was.Rev {
		return nil, nil
	}
	answered := was.State != pealv1.CallState_CALL_STATE_RINGING
	v.call, v.seen = next, now
	if end := ending(was, next, account, device, answered); end != nil {
		return nil, end
	}
	peer, peerWas := peerOf(next, account), peerOf(was, account)
	asks := func(c *pealv1.Call, by string) bool { return c.VideoAskedBy != "" && c.VideoAskedBy == by }
	var changes []Change
	note := func(happened bool, c Change) {
		if happened {
			changes = append(changes, c)
		}
	}
	note(!answered && next.State != pealv1.CallState_CALL_STATE_RINGING, Accepted)
	note(next.Type != was.Type, TypeChanged)
	note(asks(next, peer.GetAccount()) != asks(was, peer.GetAccount()), VideoRequest)
	note(asks(was, account) && !asks(next, account), VideoAnswer)
	note(next.Generation > was.Generation, Generation)
	note(peer.GetEpoch() > peerWas.GetEpoch() && answered, PeerEpoch)
	note(peer.GetPresent() != peerWas.GetPresent() && answered, PeerPresence)
	note(peer.GetMediaUp() != peerWas.GetMediaUp(), PeerMedia)
	note(!proto.Equal(tracksOf(peer), tracksOf(peerWas)), PeerTracks)
	note(next.State == pealv1.CallState_CALL_STATE_CONNECTED && was.State != next.State, Connected)
	return changes, nil
}

// ending is how a call is over for a device, if it is.
func ending(was, next *pealv1.Call, account, device string, answered bool) *End {
	switch {
	case next.State == pealv1.CallState_CALL_STATE_ENDED:
		return &End{
			Reason: ReasonOf(next.Reason), Actor: next.Actor,
			ByThisDevice: next.Actor == account && next.ActorDevice == device,
			Answered:     answered, Duration: time.Duration(next.GetRecord().GetDurationS()) * time.Second,
			Final: true, Record: next.Record,
		}
	case was.Role == pealv1.Role_ROLE_CALLEE && next.Role == pealv1.Role_ROLE_OBSERVER:
		return &End{Reason: ReasonAnsweredElsewhere, Actor: account, Final: true}
	case next.Role == pealv1.Role_ROLE_CALLEE && next.RingStopped:
		return &End{Reason: ReasonTimeout, Actor: account, ByThisDevice: true, Final: true}
	}
	return nil
}

// leave is how the call is over for a device that leaves it by itself.
func (v *view) leave(account string, why Reason, now time.Time) End {
	e := End{
		Reason: why, Actor: account, ByThisDevice: true,
		Answered: v.call.State != pealv1.CallState_CALL_STATE_RINGING,
	}
	if v.call.State == pealv1.CallState_CALL_STATE_CONNECTED {
		e.Duration = (millis(v.call.ConnectedForMs) + now.Sub(v.seen)).Truncate(time.Second)
	}
	return e
}

func (v *view) ringing(role pealv1.Role) bool {
	return v.call.Role == role && v.call.State == pealv1.CallState_CALL_STATE_RINGING
}

// ReasonOf reads the server's word. What a newer server calls an ending is an
// ending all the same.
func ReasonOf(r pealv1.Reason) Reason {
	name, known := pealv1.Reason_name[int32(r)]
	if !known || r == pealv1.Reason_REASON_UNSPECIFIED {
		return reasonServer
	}
	return Reason(strings.ToLower(strings.TrimPrefix(name, "REASON_")))
}

// peerOf is the other side's part.
func peerOf(c *pealv1.Call, account string) *pealv1.Party {
	if c.GetCaller().GetAccount() == account {
		return c.GetCallee()
	}
	return c.GetCaller()
}

func tracksOf(p *pealv1.Party) *pealv1.Tracks {
	if t := p.GetTracks(); t != nil {
		return t
	}
	return &pealv1.Tracks{}
}
