package callqueue

import (
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Pass gives ICE candidates of the asker to the other side. Nothing is stored: a device that
// missed some gets them again when it is back.
type Pass struct {
	Candidates *pealv1.Candidates
	Asker      Asker
}

func (j Pass) asks() Asker     { return j.Asker }
func (j Pass) answered() Asker { return j.Asker }
func (j Pass) patient() bool   { return false }

func (j Pass) attempt(q *Queue) {
	from := j.Asker.Sender()
	if !q.exists() || q.call.Leg(from.Account) == nil {
		q.finish(nil, protocol.NoSuchCall.Error())
		return
	}
	to, device, err := q.call.SignalTo(from)
	stale := j.Candidates.Generation != q.call.Media.Generation
	switch {
	case (err != nil || stale) && !q.jobs[0].reread:
		q.reread()
		return
	case err != nil:
		q.finish(&q.call, refusal(err))
		return
	case stale:
		q.finish(&q.call, protocol.StaleGeneration.Error())
		return
	}
	if bad := q.count(from.Account, j.Candidates); bad != nil {
		q.finish(&q.call, bad)
		return
	}
	q.pop()
	q.host().Pass(j.Asker, &q.call, j.Candidates, to, device)
}

func (j Pass) finished(q *Queue, c *call.Call, failure *pealv1.Error) {
	q.answer(j.Asker, c, failure)
}

// sentCandidates are those that one side has sent in a generation.
type sentCandidates struct {
	generation uint32
	keys       map[string]struct{}
	bytes      int
}

// count holds a side to the number of different candidates of the present generation, by
// whichever connection it sends them. Those that are sent again count against the account's
// budget alone.
func (q *Queue) count(from call.Account, c *pealv1.Candidates) *pealv1.Error {
	l := q.all.cfg.Limits
	v := q.sent[from]
	if v == nil || v.generation != c.Generation {
		if q.sent == nil {
			q.sent = make(map[call.Account]*sentCandidates)
		}
		v = &sentCandidates{generation: c.Generation, keys: make(map[string]struct{})}
		q.sent[from] = v
	}
	for _, x := range c.Candidates {
		key := x.GetSdpMid() + " " + x.Candidate
		if _, known := v.keys[key]; known {
			continue
		}
		if len(v.keys) == l.Candidates || v.bytes+len(key) > l.CandidateBytes {
			return protocol.LimitExceeded.Because("at most %d candidates and %d bytes of them per generation", l.Candidates, l.CandidateBytes)
		}
		v.keys[key] = struct{}{}
		v.bytes += len(key)
	}
	return nil
}
