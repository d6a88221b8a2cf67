// Package callqueue puts what happens to each call in order: load the call, step it, commit
// it, and only then tell anyone.
//
// A node owns one Queues and adds jobs; the queues ask the store and report to their Host.
// They know no connection, session, bus or clock, start no goroutine and do no I/O, so a
// search can walk through every order of answers of the store.
//
// What a queue keeps of a call is a copy that saves a read. The store's compare-and-set on
// rev finds a copy that is too old; the queue then reads the call and does the job again.
package callqueue

import (
	"errors"
	"log/slog"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// Config is what queues need beside a host.
type Config struct {
	Limits *protocol.Limits
	Timing call.Timing
	// Format is the newest format of calls that the node steps; zero means call.Format.
	Format uint8
	Log    *slog.Logger
}

// Queues are those of one node, one for each call that its devices have to do with or that a
// job waits for. The node's loop owns them.
type Queues struct {
	cfg  Config
	host Host
	each map[call.ID]*Queue
}

// New makes an empty set.
func New(cfg Config, host Host) *Queues {
	if cfg.Format == 0 {
		cfg.Format = call.Format
	}
	return &Queues{cfg: cfg, host: host, each: make(map[call.ID]*Queue)}
}

// Len is how many there are.
func (s *Queues) Len() int { return len(s.each) }

// Working says that a job or a result waits for the store, or for its failure to pass.
func (s *Queues) Working() bool {
	for _, q := range s.each {
		if len(q.jobs) > 0 || q.announce {
			return true
		}
	}
	return false
}

// Copy is the copy of a call; nil where there is none to go by.
func (s *Queues) Copy(id call.ID) *call.Call {
	q := s.each[id]
	if q == nil || !q.known || !q.exists() {
		return nil
	}
	return &q.call
}

// Behind says that a call is known to have a newer rev than this.
func (s *Queues) Behind(id call.ID, rev uint32) bool {
	q := s.each[id]
	return q != nil && q.newest > rev
}

// Hold keeps a call's queue, with its copy, while a device has to do with the call.
func (s *Queues) Hold(id call.ID) { s.queue(id).holders++ }

// Release is the end of a Hold.
func (s *Queues) Release(id call.ID) {
	q := s.queue(id)
	q.holders--
	q.dropIdle()
}

func (s *Queues) queue(id call.ID) *Queue {
	q := s.each[id]
	if q == nil {
		q = &Queue{all: s, id: id}
		s.each[id] = q
	}
	return q
}

// Add adds a job to a call's queue, and does it where nothing is before it.
func (s *Queues) Add(id call.ID, j Job) {
	q := s.queue(id)
	q.jobs = append(q.jobs, entry{Job: j})
	if q.patient {
		q.patient = false
		s.host.Hurry()
	}
	q.run()
}

// Invite adds an invitation. Where the same one was refused before without its result being
// known, the call is kept.
func (s *Queues) Invite(a Asker, in call.Invite) {
	s.queue(in.ID).retake(in.Caller)
	s.Add(in.ID, invite{asker: a, Invite: in})
}

// Loaded takes the answer to Store.Load.
func (s *Queues) Loaded(id call.ID, c call.Call, err error) {
	q := s.queue(id)
	q.busy, q.running = false, true
	switch {
	case err == nil:
		q.read(c)
	case errors.Is(err, store.ErrNotFound):
		q.call, q.known, q.announce, q.unknown = call.Call{}, true, false, false
	default:
		s.cfg.Log.Warn("cannot read a call", "call", id, "error", err)
		q.fails()
	}
	q.running = false
	q.run()
}

// Committed takes the answer to Store.Commit.
func (s *Queues) Committed(id call.ID, r store.Result) {
	q := s.queue(id)
	q.committed(r)
	q.run()
}

// Ticked is the time of Store.Wake.
func (s *Queues) Ticked(id call.ID) {
	if q := s.each[id]; q != nil {
		q.ticked()
	}
}

// Due gives a tick to a call whose deadline has passed, where its queue does not wait to
// try again.
func (s *Queues) Due(id call.ID) {
	if q := s.queue(id); !q.paused {
		q.ticked()
	}
}

// Learn takes a call as another node committed it, or as it was read for somebody. It
// replaces an older copy.
func (s *Queues) Learn(c call.Call) {
	q := s.each[c.ID]
	if q == nil {
		return
	}
	q.newest = max(q.newest, c.Rev)
	if q.busy || q.announce || q.known && q.call.Rev >= c.Rev {
		return
	}
	running := q.running
	q.running = true
	q.set(c, nil)
	s.host.Update(&c)
	q.running = running
	q.run()
}

// LearnPart is Learn of a call whose session descriptions were left out that without names. A
// description does not change within a media generation, so an older copy of the same one has
// it; where there is none the call is read when it is needed.
func (s *Queues) LearnPart(c call.Call, without call.Attachments) {
	q := s.each[c.ID]
	if q == nil {
		return
	}
	was := &q.call.Media
	same := q.known && was.Generation == c.Media.Generation
	if without&call.WithOffer != 0 && same && was.Offer != "" {
		c.Media.Offer, without = was.Offer, without&^call.WithOffer
	}
	if without&call.WithAnswer != 0 && same && was.Answer != "" {
		c.Media.Answer, without = was.Answer, without&^call.WithAnswer
	}
	if without&(call.WithOffer|call.WithAnswer) == 0 {
		s.Learn(c)
		return
	}
	q.newest = max(q.newest, c.Rev)
	if q.busy || q.announce || q.call.Rev >= c.Rev {
		return
	}
	running := q.running
	q.running = true
	q.set(c, nil)
	q.known, q.running = false, running
	q.run()
}

// Look reads a call of which a rev is known to exist, and sends it to the devices that have an
// older one.
func (s *Queues) Look(id call.ID, rev uint32) {
	q := s.queue(id)
	q.newest = max(q.newest, rev)
	s.Add(id, Look{})
}
