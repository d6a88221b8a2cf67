package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// command turns a command into a job of the call that it is about.
func (n *Node) command(d *device, f *pealv1.ClientFrame) {
	if bad := n.spends(d, f); bad != nil {
		d.session.Fail(f.Id, bad)
		return
	}
	who := d.who
	switch c := f.Command.(type) {
	case *pealv1.ClientFrame_Invite:
		n.invite(d, f.Id, c.Invite)
	case *pealv1.ClientFrame_Ringing:
		n.ask(d, f.Id, c.Ringing.CallId, call.Ring{Device: who, For: millis(c.Ringing.RingTimeoutMs)}, 0)
	case *pealv1.ClientFrame_RingTimeout:
		n.ask(d, f.Id, c.RingTimeout.CallId, call.StopRinging{Device: who}, 0)
	case *pealv1.ClientFrame_Accept:
		n.accept(d, f.Id, c.Accept)
	case *pealv1.ClientFrame_Reject:
		n.ask(d, f.Id, c.Reject.CallId, call.Reject{Device: who}, 0)
	case *pealv1.ClientFrame_Cancel:
		n.ask(d, f.Id, c.Cancel.CallId, call.Cancel{Device: who}, 0)
	case *pealv1.ClientFrame_Hangup:
		n.ask(d, f.Id, c.Hangup.CallId, call.Hangup{Device: who}, 0)
	case *pealv1.ClientFrame_Offer:
		n.ask(d, f.Id, c.Offer.CallId, call.Offer{Device: who, Generation: c.Offer.Generation, SDP: call.SDP(c.Offer.Sdp)}, 0)
	case *pealv1.ClientFrame_Answer:
		n.ask(d, f.Id, c.Answer.CallId, call.Answer{Device: who, Generation: c.Answer.Generation, SDP: call.SDP(c.Answer.Sdp)}, 0)
	case *pealv1.ClientFrame_Media:
		n.notePath(d, c.Media)
		n.ask(d, f.Id, c.Media.CallId, call.Report{Device: who, Generation: c.Media.Generation, Up: c.Media.Up}, 0)
	case *pealv1.ClientFrame_Restart:
		n.ask(d, f.Id, c.Restart.CallId, call.Restart{Device: who, From: c.Restart.FromGeneration, Rebuild: c.Restart.Rebuild}, call.WithServers)
	case *pealv1.ClientFrame_Tracks:
		n.ask(d, f.Id, c.Tracks.CallId, call.SetTracks{Device: who, Tracks: tracksFrom(c.Tracks.Tracks)}, 0)
	case *pealv1.ClientFrame_SwitchType:
		n.ask(d, f.Id, c.SwitchType.CallId, call.SwitchType{Device: who, Type: call.Type(c.SwitchType.Type)}, 0)
	case *pealv1.ClientFrame_ListRecords:
		n.listRecords(d, f.Id, c.ListRecords)
	case *pealv1.ClientFrame_Candidates:
		n.candidates(d, f.Id, c.Candidates)
	case *pealv1.ClientFrame_Leaving:
		n.leaving(d, f.Id)
	case *pealv1.ClientFrame_Logout:
		n.logout(d, f.Id)
	default:
		d.session.Fail(f.Id, protocol.UnknownCommand.Error())
	}
}

// snapshotBytes is about what a snapshot with its attachment costs those who receive it.
const snapshotBytes = 5 << 10

// spends takes what a command makes the other side receive from the account's budget.
func (n *Node) spends(d *device, f *pealv1.ClientFrame) *pealv1.Error {
	bytes := 0
	candidates := func(list []*pealv1.Candidate) {
		for _, c := range list {
			bytes += candidateBytes(c)
		}
	}
	switch c := f.Command.(type) {
	case *pealv1.ClientFrame_Invite:
		bytes = snapshotBytes + len(c.Invite.Offer)
	case *pealv1.ClientFrame_Restart, *pealv1.ClientFrame_Tracks, *pealv1.ClientFrame_SwitchType, *pealv1.ClientFrame_Media:
		bytes = snapshotBytes
	case *pealv1.ClientFrame_Offer:
		bytes = len(c.Offer.Sdp)
	case *pealv1.ClientFrame_Answer:
		bytes = len(c.Answer.Sdp)
	case *pealv1.ClientFrame_Accept:
		bytes = len(c.Accept.Answer)
		candidates(c.Accept.Candidates)
	case *pealv1.ClientFrame_Candidates:
		candidates(c.Candidates.Candidates)
	}
	if bytes == 0 {
		return nil
	}
	return n.quota.signal(d.who.Account, bytes, n.now)
}

func candidateBytes(c *pealv1.Candidate) int { return len(c.GetSdpMid()) + 1 + len(c.Candidate) }

// ask has a device's input done and answered.
func (n *Node) ask(d *device, id uint32, callID string, in call.Input, with call.Attachments) {
	n.join(d, call.ID(callID))
	n.enqueue(call.ID(callID), &job{in: in, asker: &asker{d, id, with}})
}

func (n *Node) invite(d *device, id uint32, in *pealv1.Invite) {
	policy := max(call.Policy(in.IcePolicy), n.cfg.Policy)
	if policy != call.AnyAddress && len(n.cfg.Servers(call.ID(in.CallId), d.who, n.now)) == 0 {
		d.session.Fail(id, protocol.NoRelay.Error())
		return
	}
	inv := call.Invite{
		ID: call.ID(in.CallId), Caller: d.who, Card: d.card(), Callee: call.Account(in.Callee),
		Type: call.Type(in.Type), Offer: call.SDP(in.Offer), Attachment: in.Attachment, Policy: policy, Tracks: tracksFrom(in.Tracks),
		Ring: millis(in.RingTimeoutMs), Timing: n.cfg.Timing,
	}
	n.join(d, inv.ID)
	n.turn(inv.ID).retake(inv.Caller)
	n.enqueue(inv.ID, &job{invite: &invitation{Invite: inv}, asker: &asker{d, id, call.WithServers}})
}

// accept has a device answer. Its candidates follow the answer once the call
// is its own; where it is another's they go nowhere.
func (n *Node) accept(d *device, id uint32, c *pealv1.Accept) {
	n.ask(d, id, c.CallId, call.Accept{
		Device: d.who, Generation: c.Generation, Answer: call.SDP(c.Answer), Held: c.CandidatesHeld, Card: d.card(),
	}, 0)
	if len(c.Candidates) > 0 {
		first := &pealv1.Candidates{CallId: c.CallId, Generation: c.Generation, Candidates: c.Candidates}
		n.enqueue(call.ID(c.CallId), &job{signal: first, asker: &asker{device: d}})
	}
}

// notePath notes what media flow by, once for each generation. Before the call is connected
// that is told when it is.
func (n *Node) notePath(d *device, c *pealv1.MediaReport) {
	if v := d.calls[call.ID(c.CallId)]; v != nil && v.inCall && c.Up && c.Path != pealv1.MediaPath_MEDIA_PATH_UNSPECIFIED && v.pathOf < c.Generation {
		t := n.turns[call.ID(c.CallId)]
		if t == nil || c.Generation != t.call.Media.Generation {
			return
		}
		v.path, v.pathOf = c.Path, c.Generation
		if t.call.State == call.Connected {
			n.do(Flows{call.ID(c.CallId), d.who, c.Path})
		}
	}
}

// moved tells that a call came to another state.
func (n *Node) moved(c *call.Call, from call.State) {
	if c.State == from {
		return
	}
	e := Moved{Call: c, From: from}
	if c.State == call.Connected {
		e.CallerPath, e.CalleePath = n.pathOf(c, c.Caller()), n.pathOf(c, c.Callee())
	}
	n.do(e)
}

func (n *Node) pathOf(c *call.Call, l *call.Leg) pealv1.MediaPath {
	for _, d := range n.devicesOf(l.Account, l.Device.ID) {
		if v := d.calls[c.ID]; v != nil && v.pathOf == c.Media.Generation {
			return v.path
		}
	}
	return pealv1.MediaPath_MEDIA_PATH_UNSPECIFIED
}

// candidates passes ICE candidates on, and stores nothing: a device that
// missed some gets them again when it is back.
func (n *Node) candidates(d *device, id uint32, c *pealv1.Candidates) {
	n.join(d, call.ID(c.CallId))
	n.enqueue(call.ID(c.CallId), &job{signal: c, asker: &asker{device: d, id: id}})
}

// sentCandidates are those that one side has sent in a generation.
type sentCandidates struct {
	generation uint32
	keys       map[string]struct{}
	bytes      int
}

// count holds a side to the number of different candidates of the present
// generation, by whichever connection it sends them. Those that are sent again count
// against the account's budget alone.
func (t *turn) count(from call.Account, c *pealv1.Candidates, l *protocol.Limits) *pealv1.Error {
	v := t.sent[from]
	if v == nil || v.generation != c.Generation {
		if t.sent == nil {
			t.sent = make(map[call.Account]*sentCandidates)
		}
		v = &sentCandidates{generation: c.Generation, keys: make(map[string]struct{})}
		t.sent[from] = v
	}
	for _, x := range c.Candidates {
		key := x.GetSdpMid() + " " + x.Candidate
		if _, known := v.keys[key]; known {
			continue
		}
		if len(v.keys) == l.Candidates || v.bytes+candidateBytes(x) > l.CandidateBytes {
			return protocol.LimitExceeded.Because("at most %d candidates and %d bytes of them per generation", l.Candidates, l.CandidateBytes)
		}
		v.keys[key] = struct{}{}
		v.bytes += candidateBytes(x)
	}
	return nil
}

func (n *Node) attemptSignal(t *turn, j *job) {
	to, device, err := t.call.SignalTo(j.asker.device.who)
	switch {
	case err != nil && !j.reloaded:
		j.reloaded, t.known = true, false
		return
	case err != nil:
		n.finish(t, &t.call, refusal(err))
		return
	case j.signal.Generation != t.call.Media.Generation && !j.reloaded:
		j.reloaded, t.known = true, false
		return
	case j.signal.Generation != t.call.Media.Generation:
		n.finish(t, &t.call, protocol.StaleGeneration.Error())
		return
	}
	if bad := t.count(j.asker.device.who.Account, j.signal, &n.cfg.Limits); bad != nil {
		n.finish(t, &t.call, bad)
		return
	}
	t.queue = t.queue[1:]
	if j.asker.id != 0 {
		j.asker.device.session.Done(j.asker.id)
		n.unheard(j.asker.device, t.id)
	}
	passing := j.signal
	if t.call.RelayedOnly() {
		passing = protocol.Relayed(passing, n.cfg.Announced)
	}
	if len(passing.Candidates) == 0 {
		return
	}
	f := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Candidates{Candidates: passing}}
	if n.signal(to, device, f) && device != "" {
		return
	}
	n.do(Publish{bus.Message{Account: to, Device: device, Signal: f}})
}

// signal gives a frame to an account's devices here, and says whether there are any.
func (n *Node) signal(a call.Account, id call.DeviceID, f *pealv1.ServerFrame) bool {
	devices := n.devicesOf(a, id)
	for _, d := range devices {
		d.session.Tell(f)
		n.watch(d)
	}
	return len(devices) > 0
}

// leaving notes that a page is closing, in the calls that it is in.
func (n *Node) leaving(d *device, id uint32) {
	for _, c := range sorted(d.calls) {
		n.enqueue(c, &job{in: call.Leave{Device: d.who}})
	}
	d.session.Done(id)
}

// logout ends the calls that the device is in. One that only rings here rings
// on elsewhere.
func (n *Node) logout(d *device, id uint32) {
	for _, c := range sorted(d.calls) {
		if d.calls[c].inCall {
			n.enqueue(c, &job{in: call.Hangup{Device: d.who}})
		}
	}
	d.session.Done(id)
	d.session.Close(protocol.LoggedOut)
}

func millis(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
