package device

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

const (
	// recordOverlap is how far back to ask again: records are filed in another
	// order than their calls ended where a server was slow.
	recordOverlap = time.Minute
	// recordsMost is how many of those that were told are kept in mind, and all of
	// the overlap: an answer to an old question, or a server that was cut off, may
	// tell of one again much later.
	recordsMost = 1000
	// recordsFirst is what a device that knows of nothing is told at its login.
	recordsFirst = 7 * 24 * time.Hour
)

// recordLog knows which records of the account were told, so that each is told
// once: live, or after the next login.
//
// After each login it is behind until caughtUp: what is told meanwhile is
// remembered, but does not move the place from which to ask again.
type recordLog struct {
	latest time.Time // When the latest call that was told of ended.
	told   map[string]time.Time
	order  []string // Of told.
	behind bool
}

func newRecordLog(since time.Time) recordLog {
	l := recordLog{told: make(map[string]time.Time), behind: true}
	if !since.IsZero() {
		l.latest = since.Truncate(time.Millisecond).Add(recordOverlap)
	}
	return l
}

// take notes a record; false when it was told before.
func (l *recordLog) take(r *pealv1.Record) bool {
	if _, known := l.told[r.CallId]; known {
		return false
	}
	l.told[r.CallId] = r.EndedAt.AsTime()
	l.order = append(l.order, r.CallId)
	if !l.behind {
		l.advance()
	}
	return true
}

// has says that the record of a call was told, which is over then, whatever late
// news says of it.
func (l *recordLog) has(id string) bool {
	_, told := l.told[id]
	return told
}

// ask is the first page to ask for, after a login at this time of the server's.
func (l *recordLog) ask(loginAt time.Time) *pealv1.ListRecords {
	l.behind = true
	since := l.latest.Add(-recordOverlap)
	if l.latest.IsZero() {
		since = loginAt.Add(-recordsFirst)
	}
	return &pealv1.ListRecords{From: &pealv1.ListRecords_Since{Since: timestamppb.New(since)}}
}

// caughtUp notes that all that was filed up to now has been told.
func (l *recordLog) caughtUp() {
	l.behind = false
	l.advance()
}

func (l *recordLog) advance() {
	for _, at := range l.told {
		if at.After(l.latest) {
			l.latest = at
		}
	}
	for len(l.order) > recordsMost && l.told[l.order[0]].Before(l.latest.Add(-recordOverlap)) {
		delete(l.told, l.order[0])
		l.order = l.order[1:]
	}
}

// file tells of the record that comes with a snapshot.
func (d *Device) file(u *pealv1.CallUpdate) {
	if r := u.GetCall().GetRecord(); r != nil && d.records.take(r) {
		d.do(Filed{r})
	}
}

// catchUp tells of the records that were filed while this device was away. It
// goes on until it is through, or until the next login begins it anew.
func (d *Device) catchUp(page *pealv1.ListRecords) {
	command := &pealv1.ClientFrame{Command: &pealv1.ClientFrame_ListRecords{ListRecords: page}}
	d.request(&request{command: command, lasting: true, chore: true, then: func(r reply) {
		if r.err != nil {
			if d.link.phase == online {
				d.do(Failed{r.err})
			}
			return
		}
		list := r.records.GetRecords()
		for _, one := range list {
			if d.records.take(one) {
				d.do(Filed{one})
			}
		}
		if !r.records.GetMore() || len(list) == 0 {
			d.records.caughtUp()
			return
		}
		d.catchUp(&pealv1.ListRecords{From: &pealv1.ListRecords_AfterCall{AfterCall: list[len(list)-1].CallId}})
	}})
}
