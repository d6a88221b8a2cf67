package server

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/node"
)

// taken is a batch, and when it was taken since the start.
type taken struct {
	at      time.Duration
	tickets []node.Ticket
}

// takes runs play beside what takes commits, and returns what was taken.
func takes(t *testing.T, play func(*commits)) (all []taken) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, begin := newCommits(), time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				batch := c.take()
				if len(batch) == 0 {
					return
				}
				one := taken{at: time.Since(begin)}
				for _, e := range batch {
					one.tickets = append(one.tickets, e.Ticket)
				}
				all = append(all, one)
			}
		}()
		play(c)
		c.close()
		<-done
	})
	return all
}

func urgent(ticket node.Ticket) node.Commit  { return node.Commit{Ticket: ticket} }
func patient(ticket node.Ticket) node.Commit { return node.Commit{Ticket: ticket, Patient: true} }

func TestCommitsGoTogether(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		play func(*commits)
		want []taken
	}{
		"the first at once, those that follow closely together": {
			func(c *commits) {
				c.put(urgent(1))
				synctest.Wait()
				c.put(urgent(2))
				time.Sleep(commitEvery - ms)
				c.put(urgent(3))
				time.Sleep(10 * commitEvery)
				c.put(urgent(4))
				synctest.Wait()
			},
			[]taken{
				{0, []node.Ticket{1}},
				{commitEvery, []node.Ticket{2, 3}},
				{11*commitEvery - ms, []node.Ticket{4}},
			},
		},
		"a patient one waits for company, but not for ever": {
			func(c *commits) {
				c.put(patient(1))
				time.Sleep(companyWait - ms)
				c.put(patient(2))
				time.Sleep(2 * companyWait)
			},
			[]taken{{companyWait, []node.Ticket{1, 2}}},
		},
		"a patient one goes with the next": {
			func(c *commits) {
				c.put(patient(1))
				time.Sleep(ms)
				c.put(urgent(2))
				time.Sleep(2 * companyWait)
			},
			[]taken{{ms, []node.Ticket{1, 2}}},
		},
		"patience ends when something waits for it": {
			func(c *commits) {
				c.put(patient(1))
				time.Sleep(ms)
				c.hurry()
				time.Sleep(2 * companyWait)
				c.hurry() // For nothing.
				time.Sleep(ms)
				c.put(patient(2))
				time.Sleep(2 * companyWait)
			},
			[]taken{{ms, []node.Ticket{1}}, {ms + 2*companyWait + ms + companyWait, []node.Ticket{2}}},
		},
		"what waits at the end is taken": {
			func(c *commits) {
				c.put(patient(1))
				time.Sleep(ms)
			},
			[]taken{{ms, []node.Ticket{1}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, takes(t, test.play), cmp.AllowUnexported(taken{})); diff != "" {
				t.Errorf("taken (-want +got):\n%s", diff)
			}
		})
	}
}

// Two who take changes have them between them: none twice, none left, and while one commits the
// other goes on.
func TestCommitsAreTakenByTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCommits()
		batches, slow := make(chan []node.Commit, 9), make(chan struct{})
		var workers sync.WaitGroup
		for range 2 {
			workers.Go(func() {
				for {
					batch := c.take()
					if len(batch) == 0 {
						return
					}
					batches <- batch
					if batch[0].Ticket == 1 {
						<-slow
					}
				}
			})
		}
		for ticket := range node.Ticket(3) {
			c.put(urgent(ticket + 1))
			time.Sleep(2 * commitEvery)
		}
		if len(batches) != 3 {
			t.Errorf("%d of 3 were taken beside a slow commit", len(batches))
		}
		c.put(patient(4))
		c.close()
		synctest.Wait()
		close(slow)
		workers.Wait()
		close(batches)
		var got []node.Ticket
		for batch := range batches {
			for _, e := range batch {
				got = append(got, e.Ticket)
			}
		}
		if want := []node.Ticket{1, 2, 3, 4}; !slices.Equal(got, want) {
			t.Errorf("%v were taken, want %v", got, want)
		}
	})
}

func TestCommitsAreTakenInPieces(t *testing.T) {
	all := takes(t, func(c *commits) {
		for i := range 2*batchSize + 1 {
			c.put(urgent(node.Ticket(i)))
		}
		time.Sleep(10 * commitEvery)
	})
	var sizes []int
	next := node.Ticket(0)
	for _, one := range all {
		sizes = append(sizes, len(one.tickets))
		for _, ticket := range one.tickets {
			if ticket != next {
				t.Fatalf("ticket %d came in place of %d", ticket, next)
			}
			next++
		}
	}
	if int(next) != 2*batchSize+1 || slices.Max(sizes) > batchSize {
		t.Errorf("taken in pieces of %v, %d in all", sizes, next)
	}
}
