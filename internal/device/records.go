package device

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

const (
	// recordOverlap is how far back to ask again: records are filed in another
	// order than their calls ended where a server was slow.
	recordOverlap = time.Minute
	// recordsMost is how many delivered records a device remembers, beside all of the overlap: an
	// answer to an old question, or a server that was cut off, may send one again much later.
	recordsMost = 1000
	// recordsFirst is the age up to which a device without a memory receives records at its login.
	recordsFirst = 7 * 24 * time.Hour
)

// recordLog knows which records of the account it has delivered, so that the application receives
// each once: live, or after the next login.
//
// After each login it is behind until caughtUp: a record that arrives live meanwhile is remembered,
// but does not move the place from which to ask again. If it did, a connection that is lost in the
// middle of catching up would skip the records between the two places.
type recordLog struct {
	latest time.Time // When the latest call with a delivered record ended.
	told   map[string]time.Time
	order  []string // The keys of told, oldest first.
	behind bool
	// changed: what is to be remembered is not what it was.
	changed bool
}

// RecordMemory is what of the delivered records outlives the program. Times
// are milliseconds since 1970.
type RecordMemory struct {
	Account string
	// Latest is when the latest call with a delivered record ended; zero means that there is none.
	Latest int64
	// Told are the calls that ended shortly before that, or later, and when.
	Told map[string]int64
}

func newRecordLog(since time.Time) recordLog {
	l := recordLog{told: make(map[string]time.Time), behind: true}
	if !since.IsZero() {
		l.latest = since.Truncate(time.Millisecond).Add(recordOverlap)
	}
	return l
}

// merge takes what another program remembers. Where that lacks something, it is
// given again what this one does.
func (l *recordLog) merge(m RecordMemory) {
	if at := time.UnixMilli(m.Latest); m.Latest > 0 && at.After(l.latest) {
		l.latest = at.UTC()
	}
	for _, id := range slices.SortedFunc(maps.Keys(m.Told), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.Told[a], m.Told[b]), cmp.Compare(a, b))
	}) {
		if !l.has(id) {
			l.note(id, time.UnixMilli(m.Told[id]).UTC())
		}
	}
	l.trim()
	own := l.memory()
	lacks := func(id string) bool { _, told := m.Told[id]; return !told }
	if own.Latest != m.Latest || slices.ContainsFunc(slices.Collect(maps.Keys(own.Told)), lacks) {
		l.changed = true
	}
}

// memory is what is to be remembered: the overlap, from which the next login asks.
func (l *recordLog) memory() RecordMemory {
	m := RecordMemory{Told: make(map[string]int64)}
	if !l.latest.IsZero() {
		m.Latest = l.latest.UnixMilli()
	}
	for _, id := range slices.Backward(l.order) {
		if at := l.told[id]; l.overlaps(at) {
			m.Told[id] = at.UnixMilli()
		}
		if len(m.Told) == recordsMost {
			break
		}
	}
	return m
}

// overlaps says that the next login may ask for a call that ended then.
func (l *recordLog) overlaps(at time.Time) bool {
	return l.latest.IsZero() || at.UnixMilli() >= l.latest.UnixMilli()-recordOverlap.Milliseconds()
}

func (l *recordLog) note(id string, at time.Time) {
	l.told[id] = at
	l.order = append(l.order, id)
}

// take notes a record; false when it was delivered before.
func (l *recordLog) take(r *pealv1.Record) bool {
	if _, known := l.told[r.CallId]; known {
		return false
	}
	l.note(r.CallId, r.EndedAt.AsTime())
	if !l.behind {
		l.advance()
	}
	l.changed = l.changed || l.overlaps(r.EndedAt.AsTime())
	return true
}

// has says that the record of a call was delivered. Such a call is over, whatever a late update
// says of it.
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

// caughtUp notes that all records filed up to now are delivered.
func (l *recordLog) caughtUp() {
	was := l.latest
	l.behind = false
	l.advance()
	l.changed = l.changed || !l.latest.Equal(was)
}

func (l *recordLog) advance() {
	for _, at := range l.told {
		if at.After(l.latest) {
			l.latest = at
		}
	}
	l.trim()
}

// trim forgets what is older than the overlap, of more than recordsMost.
func (l *recordLog) trim() {
	for len(l.order) > recordsMost && l.told[l.order[0]].Before(l.latest.Add(-recordOverlap)) {
		delete(l.told, l.order[0])
		l.order = l.order[1:]
	}
}

// accountsMost is how many accounts a device remembers records of.
const accountsMost = 16

// accountLog is the log of another account, or of one before its welcome.
type accountLog struct {
	account string
	log     recordLog
}

func (d *Device) recordsRemembered(m RecordMemory) {
	if m.Account == d.account && d.account != "" {
		d.records.merge(m)
		return
	}
	l := d.takeLog(m.Account)
	l.merge(m)
	d.putLog(m.Account, l)
}

// nameAccount begins with what is remembered of an account, where it is another one
// than before.
func (d *Device) nameAccount(account string) {
	if account == d.account {
		return
	}
	if d.account != "" {
		d.putLog(d.account, d.records)
	}
	d.account, d.records = account, d.takeLog(account)
}

// takeLog is the log of another account, which is taken out, or a new one.
func (d *Device) takeLog(account string) recordLog {
	i := slices.IndexFunc(d.others, func(o accountLog) bool { return o.account == account })
	if i < 0 {
		return newRecordLog(d.cfg.RecordsSince)
	}
	l := d.others[i].log
	d.others = slices.Delete(d.others, i, i+1)
	return l
}

func (d *Device) putLog(account string, l recordLog) {
	if len(d.others) == accountsMost {
		d.others = d.others[1:] // The one that was put longest ago.
	}
	d.others = append(d.others, accountLog{account, l})
}

// memory is what is to be remembered of the records of this account.
func (d *Device) memory() RecordMemory {
	m := d.records.memory()
	m.Account = d.account
	return m
}

// remember gives what is to be remembered, where that changed.
func (d *Device) remember() {
	if d.records.changed {
		d.records.changed = false
		d.do(RememberRecords{d.memory()})
	}
}

// file tells of the record that comes with a snapshot.
func (d *Device) file(u *pealv1.CallUpdate) {
	if r := u.GetCall().GetRecord(); r != nil && d.records.take(r) {
		d.do(Filed{r})
	}
}

// catchUp delivers the records that were filed while this device was away. It goes on until the
// end, or until the next login restarts it.
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
