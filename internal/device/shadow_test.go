package device

import (
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// An invitation that rings while another is being made is not forgotten for news
// of others, nor its offer.
func TestShadow(t *testing.T) {
	d := New(Config{ID: "d1"})
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	step := func(in Input) []Effect {
		now = now.Add(time.Millisecond)
		return d.Step(now, in)
	}
	tell := func(f *pealv1.ServerFrame) []Effect { return step(Received{1, f}) }
	of := func(id string, rev uint32, state pealv1.CallState, offer string) *pealv1.ServerFrame {
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{Offer: offer, Call: &pealv1.Call{
			CallId: id, Rev: rev, State: state, Role: pealv1.Role_ROLE_CALLEE, Generation: 1,
			Caller: &pealv1.Party{Account: "alice"}, Callee: &pealv1.Party{Account: "bob"},
		}}}}
	}
	const ringing, ended = pealv1.CallState_CALL_STATE_RINGING, pealv1.CallState_CALL_STATE_ENDED
	step(Login{})
	step(GotToken{Token: "t"})
	step(Opened{1})
	tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{Account: "bob"}}})
	tell(of("declined", 1, ringing, "v=0"))
	step(Reject{Ticket: 1, Call: "declined"})
	var invite uint32
	for _, e := range step(Invite{Ticket: 2, Invite: &pealv1.Invite{CallId: "own", Callee: "carol"}}) {
		if s, ok := e.(Send); ok && s.Frame.GetInvite() != nil {
			invite = s.Frame.Id
		}
	}
	tell(of("rings", 1, ringing, "v=0 offer"))
	tell(of("declined", 2, ringing, ""))
	for i := range shadowsMost - 2 { // Late news of calls that other devices were in.
		late := of(fmt.Sprint("late ", i), 5, pealv1.CallState_CALL_STATE_CONNECTED, "")
		late.GetCall().Call.Role = pealv1.Role_ROLE_OBSERVER
		tell(late)
	}
	tell(of("declined", 3, ended, ""))
	tell(of("rings", 2, ringing, ""))
	tell(&pealv1.ServerFrame{ReplyTo: invite, Error: &pealv1.Error{Code: "busy_elsewhere"}})
	tell(of("rings", 1, ringing, "")) // Late.
	for _, e := range step(Woke{}) {
		if in, ok := e.(Incoming); ok && in.Update.Call.CallId == "rings" && in.Update.Call.Rev == 2 && in.Update.Offer == "v=0 offer" {
			return
		}
	}
	t.Errorf("it does not ring for the call, or without its offer: %v", d.Call())
}
