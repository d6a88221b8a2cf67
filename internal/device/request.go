package device

import (
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// request is a command that waits for its answer. Every command is idempotent,
// so it is sent again on each new connection.
type request struct {
	command *pealv1.ClientFrame
	// lasting: it must arrive, however long that takes, and goes before all
	// others on a new connection.
	lasting bool
	then    func(reply)
	ticket  Ticket
	chore   bool      // A later login asks for it again.
	id      uint32    // As it was sent on this connection; zero when it was not.
	until   time.Time // When it fails; zero for one that lasts.
	again   time.Time // When to send one that lasts again.
}

// reply is what came of a request.
type reply struct {
	update  *pealv1.CallUpdate
	records *pealv1.RecordList
	err     *pealv1.Error
}

func (r reply) code() protocol.Code { return protocol.Code(r.err.GetCode()) }

// about is the call that a command to leave one is about.
func (r *request) about() string {
	switch c := r.command.Command.(type) {
	case *pealv1.ClientFrame_Hangup:
		return c.Hangup.CallId
	case *pealv1.ClientFrame_Cancel:
		return c.Cancel.CallId
	case *pealv1.ClientFrame_Reject:
		return c.Reject.CallId
	}
	return ""
}

func (r *request) deadline() time.Time { return earlier(r.until, r.again) }

// request sends a command, now or after the next welcome.
func (d *Device) request(r *request) {
	if d.link.phase == offline && !r.lasting {
		r.then(reply{err: problem(CodeOffline, "log in first", false)})
		return
	}
	if !r.lasting {
		r.until = d.now.Add(requestTimeout)
	}
	d.requests = append(d.requests, r)
	if d.link.phase == online {
		d.send(r)
	}
}

func (d *Device) send(r *request) {
	if slices.Contains(d.requests, r) {
		r.id, r.again = d.write(r.command), time.Time{}
	}
}

// ask sends a command of the application's.
func (d *Device) ask(in Ask) {
	d.request(&request{command: in.Command, ticket: in.Ticket, then: func(r reply) {
		d.do(Answer{in.Ticket, r.update, r.records, r.err})
		if v, own := d.active, in.Command.GetRinging(); v != nil && r.err == nil && own.GetCallId() == v.call.CallId {
			v.ringTimeoutMs = own.GetRingTimeoutMs()
		}
		d.update(r.update)
	}})
}

// answered gives an answer to who waits for it; false when nobody does.
func (d *Device) answered(f *pealv1.ServerFrame) bool {
	i := slices.IndexFunc(d.requests, func(r *request) bool { return r.id == f.ReplyTo })
	if i < 0 {
		return false
	}
	r := d.requests[i]
	if r.lasting && f.GetError().GetRetry() { // The store is away; hanging up must still happen.
		r.id, r.again = 0, d.now.Add(lastingRetry)
		return true
	}
	d.settle(r, reply{f.GetCall(), f.GetRecords(), f.Error})
	return true
}

func (d *Device) settle(r *request, with reply) {
	i := slices.Index(d.requests, r)
	if i < 0 {
		return
	}
	d.requests = slices.Delete(d.requests, i, i+1)
	r.then(with)
}

func (d *Device) wokeRequest(r *request) {
	switch {
	case due(r.until, d.now):
		d.settle(r, reply{err: problem(CodeTimeout, "the server did not answer in time", true)})
	case due(r.again, d.now):
		r.again = time.Time{}
		if d.link.phase == online {
			d.send(r)
		}
	}
}

// forgetTicket ends a request that nobody waits for any more. One that lasts continues: the person
// has hung up, whether or not a promise of the page is still there.
func (d *Device) forgetTicket(t Ticket) {
	for _, r := range d.requests {
		if r.ticket == t && !r.lasting {
			d.settle(r, reply{err: problem(CodeTimeout, "nobody waits for the answer any more", true)})
			return
		}
	}
}

func (d *Device) failAll(why *pealv1.Error) {
	for _, r := range append([]*request(nil), d.requests...) {
		d.settle(r, reply{err: why})
	}
}

// logout leaves in order: the call first, then the login. In the other order the server would note
// the device as gone, and the other person would wait for its grace.
func (d *Device) logout(t Ticket) {
	if d.link.phase == offline {
		d.do(Answer{Ticket: t})
		return
	}
	d.logsOut = true
	if v := d.active; v != nil {
		d.hangup(Hangup{Call: v.call.CallId})
	}
	r := &request{
		command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Logout{Logout: &pealv1.Logout{}}},
		ticket:  t,
		then: func(reply) {
			d.do(Answer{Ticket: t})
			d.stop(loggedOut(), ReasonLost)
		},
	}
	d.request(r)
	r.until = d.now.Add(logoutPatience) // A person who logs out on a dead network is logged out here.
}
