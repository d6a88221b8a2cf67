package node

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// listRecords answers with a page of the account's records. It reads one more than asked for: that
// row says whether more follow, without a count of them all.
func (cs *commands) listRecords(d *device, id uint32, q *pealv1.ListRecords) {
	page := pageOf(q)
	if page.Limit == 0 {
		page.Limit = cs.cfg.Limits.RecordPage
	}
	limit := page.Limit
	page.Limit++
	ticket := cs.await(func(in Input) {
		r := in.(ListedRecords)
		if r.Err != nil {
			cs.log.Warn("cannot read records", "error", r.Err)
			d.session.Fail(id, protocol.Unavailable.Error())
			return
		}
		list := &pealv1.RecordList{More: len(r.Records) > limit}
		for _, one := range r.Records[:min(limit, len(r.Records))] {
			list.Records = append(list.Records, record(one))
		}
		d.session.Reply(id, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Records{Records: list}})
	})
	cs.do(ListRecords{ticket, d.who.Account, page})
}

// pageOf is the page that a device asks for. A call's identifier is a better place to go on from
// than its time: two calls may have ended in one millisecond.
func pageOf(q *pealv1.ListRecords) store.Page {
	page := store.Page{Limit: int(q.Limit)}
	switch from := q.From.(type) {
	case *pealv1.ListRecords_Before:
		page.Time = from.Before.AsTime()
	case *pealv1.ListRecords_BeforeCall:
		page.Call = call.ID(from.BeforeCall)
	case *pealv1.ListRecords_Since:
		page.Forward, page.Time = true, from.Since.AsTime()
	case *pealv1.ListRecords_AfterCall:
		page.Forward, page.Call = true, call.ID(from.AfterCall)
	}
	return page
}

func record(r call.Record) *pealv1.Record {
	return &pealv1.Record{
		CallId:    string(r.Call),
		Kind:      pealv1.RecordKind(r.Kind),
		Type:      pealv1.CallType(r.Type),
		Caller:    string(r.Caller),
		Callee:    string(r.Callee),
		Reason:    pealv1.Reason(r.Reason),
		CreatedAt: timestamppb.New(r.CreatedAt),
		EndedAt:   timestamppb.New(r.EndedAt),
		DurationS: uint32(r.Duration / time.Second),
		Parties: []*pealv1.RecordParty{
			{Account: string(r.Caller), Role: pealv1.Role_ROLE_CALLER, Name: r.CallerCard.Name, Avatar: r.CallerCard.Avatar},
			{Account: string(r.Callee), Role: pealv1.Role_ROLE_CALLEE, Name: r.CalleeCard.Name, Avatar: r.CalleeCard.Avatar},
		},
	}
}
