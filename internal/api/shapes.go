package api

import (
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// The shapes of the server API. Names and numbers are those of the SDK.

// callShape is a call as a backend sees it.
type callShape struct {
	CallID  string       `json:"callId"`
	Rev     uint32       `json:"rev"`
	State   string       `json:"state"`
	Type    int          `json:"type"`
	Parties []partyShape `json:"parties"`
	// Unheard says that the callee did not receive the call because of a block.
	Unheard     bool         `json:"unheard,omitempty"`
	Attachment  string       `json:"attachment,omitempty"`
	CreatedAt   time.Time    `json:"createdAt"`
	ConnectedAt *time.Time   `json:"connectedAt,omitempty"`
	EndedAt     *time.Time   `json:"endedAt,omitempty"`
	Reason      string       `json:"reason,omitempty"`
	EndedBy     string       `json:"endedBy,omitempty"`
	Record      *recordShape `json:"record,omitempty"`
}

type partyShape struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Name    string `json:"name,omitempty"`
	Avatar  string `json:"avatar,omitempty"`
	// Of live calls: the device that is in the call, whether it is connected and has media.
	Device  string `json:"device,omitempty"`
	Present *bool  `json:"present,omitempty"`
	MediaUp *bool  `json:"mediaUp,omitempty"`
}

// recordShape is the record of a call that has ended.
type recordShape struct {
	CallID          string       `json:"callId"`
	Kind            int          `json:"kind"`
	Type            int          `json:"type"`
	Reason          string       `json:"reason"`
	Parties         []partyShape `json:"parties"`
	CreatedAt       time.Time    `json:"createdAt"`
	EndedAt         time.Time    `json:"endedAt"`
	DurationSeconds int          `json:"durationSeconds"`
	Unheard         bool         `json:"unheard,omitempty"`
}

const (
	callerRole = "caller"
	calleeRole = "callee"
)

func callOf(c *call.Call) callShape {
	s := callShape{
		CallID: string(c.ID), Rev: c.Rev, State: name(pealv1.CallState(c.State), "CALL_STATE_"), Type: int(c.Type),
		Unheard: c.Deaf, Attachment: c.Attachment, CreatedAt: c.CreatedAt.UTC(),
	}
	for i := range c.Legs {
		l := &c.Legs[i]
		if l.Account == "" {
			continue // The call was cancelled before its invitation arrived.
		}
		p := partyShape{Account: string(l.Account), Role: calleeRole, Name: l.Card.Name, Avatar: l.Card.Avatar}
		if i == 0 {
			p.Role = callerRole
		}
		if c.Live() {
			present, up := l.Device.ID != "" && l.Gone.IsZero(), l.MediaUp
			p.Device, p.Present, p.MediaUp = string(l.Device.ID), &present, &up
		}
		s.Parties = append(s.Parties, p)
	}
	if !c.ConnectedAt.IsZero() {
		at := c.ConnectedAt.UTC()
		s.ConnectedAt = &at
	}
	if !c.Live() {
		o := &c.Outcome
		at := o.EndedAt.UTC()
		s.EndedAt, s.Reason, s.EndedBy = &at, reason(o.Reason), string(o.Actor)
		if r, ok := c.Record(); ok {
			record := recordOf(&r)
			s.Record = &record
		}
	}
	return s
}

func recordOf(r *call.Record) recordShape {
	return recordShape{
		CallID: string(r.Call), Kind: int(r.Kind), Type: int(r.Type), Reason: reason(r.Reason),
		Parties: []partyShape{
			{Account: string(r.Caller), Role: callerRole, Name: r.CallerCard.Name, Avatar: r.CallerCard.Avatar},
			{Account: string(r.Callee), Role: calleeRole, Name: r.CalleeCard.Name, Avatar: r.CalleeCard.Avatar},
		},
		CreatedAt: r.CreatedAt.UTC(), EndedAt: r.EndedAt.UTC(), DurationSeconds: int(r.Duration / time.Second),
		Unheard: r.Deaf,
	}
}

func reason(r call.Reason) string { return name(pealv1.Reason(r), "REASON_") }

// name is a value of the schema as the SDK spells it.
func name(v interface{ String() string }, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(v.String(), prefix))
}

// accountShape is an account as a backend sees it.
type accountShape struct {
	Account string `json:"account"`
	// Scope is where the devices are: at all of the service, or at the node that was asked.
	Scope   string        `json:"scope"`
	Devices []deviceShape `json:"devices"`
	Call    *callShape    `json:"call,omitempty"`
}

const (
	serviceScope = "service"
	nodeScope    = "node"
)

// deviceShape is a device that is connected.
type deviceShape struct {
	Device string    `json:"device"`
	Client string    `json:"client,omitempty"`
	Since  time.Time `json:"since"`
	// CallID is the call that the device is in, and Rings are those that ring there.
	CallID string   `json:"callId,omitempty"`
	Rings  []string `json:"rings"`
}

func deviceOf(d Device) deviceShape {
	s := deviceShape{Device: string(d.ID), Client: d.Client, Since: d.Since.UTC(), CallID: string(d.Call), Rings: []string{}}
	for _, id := range d.Rings {
		s.Rings = append(s.Rings, string(id))
	}
	return s
}

// logOutShape is the result of a log-out.
type logOutShape struct {
	Devices   int       `json:"devices"`
	NotBefore time.Time `json:"notBefore"`
}

// erasedShape is the alias that replaces an account.
type erasedShape struct {
	Alias string `json:"alias"`
}

// auditShape is an entry of the audit.
type auditShape struct {
	Seq       int64     `json:"seq"`
	At        time.Time `json:"at"`
	Key       string    `json:"key"`
	Action    string    `json:"action"`
	Target    string    `json:"target,omitempty"`
	Other     string    `json:"other,omitempty"`
	RequestID string    `json:"requestId,omitempty"`
	Addr      string    `json:"addr,omitempty"`
	Status    int       `json:"status"`
}

func auditOf(a *store.Audit) auditShape {
	return auditShape{
		Seq: a.Seq, At: a.At.UTC(), Key: a.Key, Action: a.Action, Target: a.Target, Other: a.Other,
		RequestID: a.Request, Addr: a.Addr, Status: a.Status,
	}
}
