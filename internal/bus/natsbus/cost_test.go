package natsbus

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// The most that a call may cost on the bus of two nodes, on average over where its people are.
const (
	messagesMost = 6
	bytesMost    = 10 << 10
)

// cluster are nodes on one store and one bus, which counts. Everything happens at once.
type cluster struct {
	t        *testing.T
	now      time.Time
	store    *store.Memory
	nodes    []*machine
	messages int
	bytes    int
	logins   int
}

// machine is one node.
type machine struct {
	node *node.Node
	name string
	subs map[call.Account]bool
	todo []node.Input
	last node.ConnID
	id   uint32
}

func newCluster(t *testing.T, nodes int) *cluster {
	c := &cluster{t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	c.store = store.NewMemory(func() time.Time { return c.now })
	for i := range nodes {
		m := &machine{name: fmt.Sprint("n", i), subs: make(map[call.Account]bool)}
		n, err := node.New(node.Config{
			Incarnation: m.name, Limits: protocol.DefaultLimits(), Timing: call.DefaultTiming(),
			Verify: func(token string, now time.Time) (auth.Identity, error) {
				return auth.Identity{Account: token, ExpiresAt: now.Add(time.Hour)}, nil
			},
			Servers: func(call.ID, call.Device, time.Time) []*pealv1.IceServer { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		m.node = n
		c.nodes = append(c.nodes, m)
	}
	c.wait(20 * time.Second)
	return c
}

// wait lets time pass.
func (c *cluster) wait(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(100 * time.Millisecond) {
		for _, m := range c.nodes {
			if at, ok := m.node.Deadline(); ok && !at.After(c.now) {
				c.tell(m, node.Woke{})
			}
		}
	}
}

// tell gives a node an input, and does all that follows from it.
func (c *cluster) tell(m *machine, in node.Input) {
	m.todo = append(m.todo, in)
	for busy := true; busy; {
		busy = false
		for _, m := range c.nodes {
			for len(m.todo) > 0 {
				busy = true
				in := m.todo[0]
				m.todo = m.todo[1:]
				var published []task
				for _, e := range m.node.Step(c.now, in) {
					if p, ok := e.(node.Publish); ok {
						published = append(published, task{message: &p.Message})
					} else {
						c.carryOut(m, e)
					}
				}
				for _, messages := range together(published) {
					c.publish(m, messages)
				}
			}
		}
	}
}

func (c *cluster) carryOut(m *machine, e node.Effect) {
	answer := func(in node.Input) { m.todo = append(m.todo, in) }
	switch e := e.(type) {
	case node.Commit:
		results, err := c.store.Commit(c.t.Context(), []store.Change{e.Change})
		if err != nil {
			c.t.Fatal(err)
		}
		answer(node.Committed{Ticket: e.Ticket, Result: results[0]})
	case node.Request:
		in, _ := e.Ask(c.t.Context(), c.store) // The error is in the answer.
		answer(in)
	case node.Ping:
		answer(node.Ponged(e))
	case node.Subscribe:
		m.subs[e.Account] = true
		answer(node.Subscribed{Ticket: e.Ticket})
	case node.Unsubscribe:
		delete(m.subs, e.Account)
	}
}

// publish counts what goes together.
func (c *cluster) publish(from *machine, together []*bus.Message) {
	data, bad := encode(together)
	if bad != nil {
		c.t.Fatal(bad)
	}
	c.messages++
	c.bytes += len(subject("peal", together[0].Account)) + len(data)
	if together[0].Login != nil {
		c.logins++
	}
	messages, bad := decode(data)
	if bad != nil {
		c.t.Fatal(bad)
	}
	for _, other := range c.nodes {
		if other == from || !other.subs[messages[0].Account] {
			continue
		}
		for _, m := range messages {
			other.todo = append(other.todo, node.Heard{Message: m})
		}
	}
}

// phone is a device of an account at a node.
type phone struct {
	*machine
	c    *cluster
	conn node.ConnID
}

func (c *cluster) login(at int, account string) phone {
	m := c.nodes[at]
	m.last++
	p := phone{m, c, m.last}
	c.tell(m, node.Opened{Conn: p.conn})
	p.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hello{Hello: &pealv1.Hello{Token: account, DeviceId: "d", Fresh: true}}})
	return p
}

func (p phone) send(f *pealv1.ClientFrame) {
	p.id++
	f.Id = p.id
	p.c.tell(p.machine, node.Received{Conn: p.conn, Frame: f})
}

func (p phone) logout() { p.c.tell(p.machine, node.Closed{Conn: p.conn}) }

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../protocol/testdata/sdp/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// candidates are those that a browser sends in its n-th frame of them.
func candidates(id string, n int) *pealv1.Candidates {
	cs := &pealv1.Candidates{CallId: id, Generation: 1}
	for i := range 4 - n {
		cs.Candidates = append(cs.Candidates, &pealv1.Candidate{
			Candidate: fmt.Sprintf("candidate:84216304%d %d udp 1686052607 203.0.113.141 54400 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag Wq3R network-id 1", i, n),
			SdpMid:    new("0"), SdpMLineIndex: new(uint32(0)), UsernameFragment: new("Wq3R"),
		})
	}
	return cs
}

// converse has one person call another, as pages do: each page sends its candidates in two frames.
func (c *cluster) converse(id string, alice, bob phone, callee string) {
	alice.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Invite{Invite: &pealv1.Invite{
		CallId: id, Callee: callee, Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: read(c.t, "chromium-offer.sdp"),
		Tracks: &pealv1.Tracks{Audio: true, Video: true},
	}}})
	alice.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: candidates(id, 0)}})
	bob.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{CallId: id}}})
	c.wait(100 * time.Millisecond)
	alice.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: candidates(id, 1)}})
	c.wait(3 * time.Second)
	bob.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Accept{Accept: &pealv1.Accept{
		CallId: id, Generation: 1, Answer: read(c.t, "chromium-answer.sdp"), Candidates: candidates(id, 0).Candidates, CandidatesHeld: 7,
	}}})
	c.wait(100 * time.Millisecond)
	bob.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: candidates(id, 1)}})
	bob.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Tracks{Tracks: &pealv1.TrackReport{
		CallId: id, Tracks: &pealv1.Tracks{Audio: true, Video: true},
	}}})
	c.wait(200 * time.Millisecond)
	for _, p := range []phone{bob, alice} {
		p.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{CallId: id, Generation: 1, Up: true}}})
	}
	c.wait(10 * time.Second)
	alice.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hangup{Hangup: &pealv1.Hangup{CallId: id}}})
	c.wait(time.Second)
}

// TestCost counts what a call costs on the bus.
func TestCost(t *testing.T) {
	for _, nodes := range []int{1, 2, 3} {
		c := newCluster(t, nodes)
		calls := 0
		for a := range nodes {
			for b := range nodes {
				caller, callee := fmt.Sprint("alice ", a, b), fmt.Sprint("bob ", a, b)
				alice, bob := c.login(a, caller), c.login(b, callee)
				c.wait(10 * time.Second)
				messages, bytes := c.messages, c.bytes
				id := fmt.Sprintf("01900000-0000-7000-8000-0000000%d%d%03d", a, b, nodes)
				c.converse(id, alice, bob, callee)
				if ended, err := c.store.Call(t.Context(), call.ID(id)); err != nil || ended.Outcome.Reason != call.Completed {
					t.Fatalf("call %s comes to %v, %v", id, ended.Outcome, err)
				}
				calls++
				t.Logf("%d nodes, %d to %d: %d messages, %d bytes", nodes, a, b, c.messages-messages, c.bytes-bytes)
				alice.logout()
				bob.logout()
			}
		}
		perCall, bytes := float64(c.messages-c.logins)/float64(calls), float64(c.bytes)/float64(calls)
		t.Logf("%d nodes: %.1f messages and %.0f bytes a call, and %d messages of logins", nodes, perCall, bytes, c.logins)
		if nodes == 2 && (perCall > messagesMost || bytes > bytesMost) {
			t.Errorf("on 2 nodes a call takes %.1f messages and %.0f bytes of the bus, more than %d and %d", perCall, bytes, messagesMost, bytesMost)
		}
	}
}
