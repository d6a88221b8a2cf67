package client

import (
	"time"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Event is something that Client.Next tells of.
type Event interface{ event() }

type (
	// StateChanged tells of the connection to the server.
	StateChanged struct{ State State }
	// LoggedOut tells that the login is over; no reconnect follows.
	LoggedOut struct{ Reason *Error }
	// Incoming is a call that rings here. Offer is that of its generation.
	Incoming struct {
		Call  *Call
		Offer string
	}
	// Resumed is a call that went on while the program was started again.
	Resumed struct {
		Call  *Call
		Offer string
	}
	// Updated is news of a call: what changed, and what came with it. Offer and
	// Answer, where they are not empty, are of Generation, and may come again.
	Updated struct {
		Call       *Call
		Changes    []Change
		Generation uint32
		Offer      string
		Answer     string
	}
	// Ended tells that a call is over for this device.
	Ended struct {
		Call *Call
		End  End
	}
	// PeerCandidates are the other side's ICE candidates.
	PeerCandidates struct {
		Call       *Call
		Generation uint32
		Candidates []Candidate
	}
	// RecordFiled is the record of a call of the account, each told once: now,
	// or after the next login.
	RecordFiled struct{ Record Record }
	// Failed is a failure that no method returns.
	Failed struct{ Err *Error }
)

func (StateChanged) event()   {}
func (LoggedOut) event()      {}
func (Incoming) event()       {}
func (Resumed) event()        {}
func (Updated) event()        {}
func (Ended) event()          {}
func (PeerCandidates) event() {}
func (RecordFiled) event()    {}
func (Failed) event()         {}

// State says whether the server can be reached.
type State = device.State

const (
	// Offline: not logged in.
	Offline = device.Offline
	// Connecting: also while connecting again.
	Connecting = device.Connecting
	// Online: welcomed by the server.
	Online = device.Online
)

// Change is what an update changes.
type Change = device.Change

// The changes.
const (
	Accepted     = device.Accepted
	TypeChanged  = device.TypeChanged
	VideoRequest = device.VideoRequest // The other side asks for video, or does so no more.
	VideoAnswer  = device.VideoAnswer  // What this side asked for is answered.
	Generation   = device.Generation   // A new media generation: the caller is to offer.
	PeerEpoch    = device.PeerEpoch    // The other side connected again: it needs the candidates again.
	PeerPresence = device.PeerPresence
	PeerMedia    = device.PeerMedia
	PeerTracks   = device.PeerTracks
	Connected    = device.Connected
	Reconnected  = device.Reconnected // This side connected again: what it told last may have been lost.
)

// CallType is what the caller asked for.
type CallType uint8

// The types of calls.
const (
	Audio CallType = 1
	Video CallType = 2
	Other CallType = 3
)

// ICEPolicy says which candidates of one side the other may have. The server's
// own policy holds where it is stricter, and keeps back what it forbids.
type ICEPolicy uint8

const (
	// AnyAddress: all candidates.
	AnyAddress ICEPolicy = 0
	// RelayUntilAccept: relayed ones until the call is answered, then all.
	RelayUntilAccept ICEPolicy = 1
	// RelayOnly: relayed ones, and no others ever.
	RelayOnly ICEPolicy = 2
)

// MediaPath is what media flows by.
type MediaPath uint8

// The paths: from machine to machine, in one network or through NATs, or by a
// relay that this side reaches over UDP, TCP or TLS, or that is the other side's.
const (
	PathHost      MediaPath = 1
	PathReflexive MediaPath = 2
	PathRelayUDP  MediaPath = 3
	PathRelayTCP  MediaPath = 4
	PathRelayTLS  MediaPath = 5
	PathRelayPeer MediaPath = 6
)

// CallState is where a call stands. It only moves forward.
type CallState uint8

const (
	// Ringing: the callee's devices ring.
	Ringing CallState = 1
	// Answered: media is not yet up on both ends.
	Answered CallState = 2
	// Talking: media was up on both ends at once.
	Talking CallState = 3
	// Over for this device.
	Over CallState = 4
)

// Snapshot is what is known of a call.
type Snapshot struct {
	ID    string
	Rev   uint32 // Grows with every change.
	State CallState
	Type  CallType
	// ICEPolicy is what holds in this call.
	ICEPolicy ICEPolicy
	// CandidatesHeld tells the caller how many of its candidates the device that
	// answered had: where it sent more it is to send them again.
	CandidatesHeld uint32
	// Local is this account's side, Peer the other one's.
	Local, Peer Party
	// Parties are all of them, the caller first.
	Parties    []Party
	Attachment string
	// RingRemaining is what was left of the ringing when the snapshot was made.
	RingRemaining time.Duration
	// Generation is that of the media. Where Rebuild is above the generation
	// that a peer connection was made for, a new one is needed.
	Generation, Rebuild uint32
	ConnectedFor        time.Duration // When the snapshot was made.
	CreatedAt           time.Time
	// VideoAskedBy is the account that asks for video and waits for an answer.
	VideoAskedBy string
}

// Role is what a person is to a call.
type Role uint8

// The roles.
const (
	Caller Role = 1
	Callee Role = 2
)

// Party is one side of a call.
type Party struct {
	Account string
	Role    Role
	// Name and Avatar are the claims of the account's token: the caller's as of the
	// invitation, the callee's as of the acceptance, and empty before that. The
	// application's backend vouches for them. Avatar is an https URL.
	Name, Avatar string
	UID          uint32
	Present      bool // False while its connection to the server is lost.
	MediaUp      bool
	Tracks       Tracks
}

// Tracks is what a side sends. With Screen the picture is a screen, to be shown whole.
type Tracks struct{ Audio, AudioMuted, Video, VideoMuted, Screen bool }

// Candidate is an ICE candidate; its text is empty where there are no more.
type Candidate struct {
	Candidate        string
	SDPMid           *string
	SDPMLineIndex    *uint32
	UsernameFragment *string
}

// ICEServer is one server for ICE.
type ICEServer struct {
	URLs                 []string
	Username, Credential string
}

// Reason is why a call is over: completed, cancelled, rejected, timeout, busy,
// failed, lost, superseded, kicked, server, or, for one device,
// answered_elsewhere.
type Reason = device.Reason

// End is how a call is over for this device.
type End struct {
	Reason Reason
	// Actor is the account that ended it; empty for the server.
	Actor        string
	ByThisDevice bool
	Answered     bool
	Duration     time.Duration
	// Final says that the server has confirmed it. Where this device left by itself the record
	// holds the outcome of the call.
	Final bool
}

// RecordKind is the kind of a record.
type RecordKind uint8

// The kinds of records.
const (
	RecordCompleted RecordKind = 1
	RecordCancelled RecordKind = 2
	RecordRejected  RecordKind = 3
	RecordTimeout   RecordKind = 4
	RecordBusy      RecordKind = 5
)

// RecordParty is one person of a record.
type RecordParty struct {
	Account string
	Role    Role
	// Name and Avatar are those of the call, as in [Party]. Those of a callee that did
	// not accept are empty.
	Name, Avatar string
}

// Record is the one lasting note of a call.
type Record struct {
	CallID         string
	Kind           RecordKind
	Type           CallType
	Caller, Callee string
	// Parties are all who had a part in it, the caller first.
	Parties   []RecordParty
	Reason    Reason
	CreatedAt time.Time
	EndedAt   time.Time
	// Duration is how long both sides had media, in whole seconds.
	Duration time.Duration
}

// Error is what the server refused, or what failed here: not_logged_in,
// request_timeout, wrong_state, token_failed.
type Error struct {
	// Code is stable, and for programs; docs/build/protocol.md lists the server's.
	Code string
	// Message says what to do.
	Message string
	// Retry says whether the same may succeed later, and after when.
	Retry      bool
	RetryAfter time.Duration
}

// Error gives code and message.
func (e *Error) Error() string { return "client: " + e.Code + ": " + e.Message }

// ------------------------------------------------------------ from the wire

func readError(e *pealv1.Error) *Error {
	return &Error{
		Code: e.GetCode(), Message: e.GetMessage(), Retry: e.GetRetry(),
		RetryAfter: time.Duration(e.GetRetryAfterMs()) * time.Millisecond,
	}
}

func readSnapshot(c *pealv1.Call, account string) Snapshot {
	local, peer := c.GetCallee(), c.GetCaller()
	if peer.GetAccount() == account {
		local, peer = peer, local
	}
	var parties []Party
	for _, p := range c.GetParties() {
		parties = append(parties, readParty(p))
	}
	return Snapshot{
		Parties: parties,
		ID:      c.GetCallId(), Rev: c.GetRev(), State: CallState(c.GetState()), Type: CallType(c.GetType()),
		ICEPolicy: ICEPolicy(c.GetIcePolicy()), CandidatesHeld: c.GetCandidatesHeld(), Local: readParty(local), Peer: readParty(peer), Attachment: c.GetAttachment(),
		RingRemaining: time.Duration(c.GetRingRemainingMs()) * time.Millisecond,
		Generation:    c.GetGeneration(), Rebuild: c.GetRebuildGeneration(),
		ConnectedFor: time.Duration(c.GetConnectedForMs()) * time.Millisecond,
		CreatedAt:    c.GetCreatedAt().AsTime(), VideoAskedBy: c.GetVideoAskedBy(),
	}
}

func readParty(p *pealv1.Party) Party {
	t := p.GetTracks()
	return Party{
		Account: p.GetAccount(), Role: Role(p.GetRole()), Name: p.GetName(), Avatar: p.GetAvatar(), UID: p.GetUid(), Present: p.GetPresent(), MediaUp: p.GetMediaUp(),
		Tracks: Tracks{t.GetAudio(), t.GetAudioMuted(), t.GetVideo(), t.GetVideoMuted(), t.GetScreen()},
	}
}

func readServers(list []*pealv1.IceServer) []ICEServer {
	servers := make([]ICEServer, 0, len(list))
	for _, s := range list {
		servers = append(servers, ICEServer{s.GetUrls(), s.GetUsername(), s.GetCredential()})
	}
	return servers
}

func readRecord(r *pealv1.Record) Record {
	var parties []RecordParty
	for _, p := range r.GetParties() {
		parties = append(parties, RecordParty{p.GetAccount(), Role(p.GetRole()), p.GetName(), p.GetAvatar()})
	}
	return Record{
		Parties: parties,
		CallID:  r.GetCallId(), Kind: RecordKind(r.GetKind()), Type: CallType(r.GetType()),
		Caller: r.GetCaller(), Callee: r.GetCallee(), Reason: device.ReasonOf(r.GetReason()),
		CreatedAt: r.GetCreatedAt().AsTime(), EndedAt: r.GetEndedAt().AsTime(),
		Duration: time.Duration(r.GetDurationS()) * time.Second,
	}
}

func readCandidates(list []*pealv1.Candidate) []Candidate {
	candidates := make([]Candidate, 0, len(list))
	for _, x := range list {
		candidates = append(candidates, Candidate{x.Candidate, x.SdpMid, x.SdpMLineIndex, x.UsernameFragment})
	}
	return candidates
}

func wireCandidates(candidates []Candidate) []*pealv1.Candidate {
	var list []*pealv1.Candidate
	for _, x := range candidates {
		list = append(list, x.wire())
	}
	return list
}

func (c Candidate) wire() *pealv1.Candidate {
	return &pealv1.Candidate{
		Candidate: c.Candidate, SdpMid: c.SDPMid, SdpMLineIndex: c.SDPMLineIndex, UsernameFragment: c.UsernameFragment,
	}
}

func (t Tracks) wire() *pealv1.Tracks {
	return &pealv1.Tracks{Audio: t.Audio, AudioMuted: t.AudioMuted, Video: t.Video, VideoMuted: t.VideoMuted, Screen: t.Screen}
}
