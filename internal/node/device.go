package node

import (
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/session"
)

// device is one connection to this node and, after its hello, the client on it.
type device struct {
	conn    ConnID
	session *session.Session
	// who is set by the hello.
	who call.Device
	// loginAt is when the client logged in; a reconnect does not change it.
	loginAt time.Time
	// connected is when it said hello.
	connected time.Time
	// attempt is when its client began to connect, by the client's clock; the
	// beginning of Unix time where it did not say.
	attempt time.Time
	// kicked says that a newer login took its place.
	kicked bool
	// calls are the live calls that this device knows of: those that it is to
	// hear about, and that hear of it when it goes. It is nil where there are none.
	calls map[call.ID]*involvement
	// over are the latest calls that it was told the end of.
	over []call.ID
}

// overMost is how many of those are kept in mind.
const overMost = 16

// involvement is what a device has to do with one call.
type involvement struct {
	// rev is the highest that the device was told; 0 before it was.
	rev uint32
	// inCall says that it is the caller's device or the one that answered.
	inCall bool
	// ringing or in the call: its connection is watched more closely.
	active bool
	// path is what its media flow by, as it told first in the generation pathOf.
	path   pealv1.MediaPath
	pathOf uint32
}

// card is how the account of the device is shown, as its latest token says.
func (d *device) card() call.Card { return call.Card(d.session.Card()) }

// line lets a session speak through the node's effects.
type line struct {
	n    *Node
	conn ConnID
}

func (l line) Send(f *pealv1.ServerFrame) { l.n.do(Send{l.conn, f}) }
func (l line) Ping()                      { l.n.do(Ping{l.conn}) }
func (l line) Close(status int, reason string) {
	l.n.do(Close{l.conn, status, reason})
}

func (n *Node) opened(conn ConnID) {
	d := &device{conn: conn}
	d.session = session.New(line{n, conn}, &n.cfg.Limits, n.cfg.Verify, n.now)
	n.conns[conn] = d
	if n.stopping {
		d.session.Close(protocol.ShuttingDown)
	}
	n.watch(d)
}

func (n *Node) received(in Received) {
	d := n.conns[in.Conn]
	if d == nil {
		return
	}
	if f := d.session.Receive(in.Frame, in.Error, n.now); f != nil {
		if h, ok := f.Command.(*pealv1.ClientFrame_Hello); ok {
			n.hello(d, h.Hello)
		} else {
			n.command(d, f)
		}
	}
	n.watch(d)
}

// closed forgets a connection and tells its calls. A page that goes away may have had no
// time for the command leaving: its browser says the same by how it closes.
func (n *Node) closed(in Closed) {
	d := n.conns[in.Conn]
	if d == nil {
		return
	}
	leaving := in.Leaving && d.session.Ready()
	d.session.Gone()
	delete(n.conns, in.Conn)
	n.schedule.drop(alarm{conn: in.Conn})
	if d.who.ID == "" {
		return
	}
	others := slices.DeleteFunc(n.accounts[d.who.Account], func(o *device) bool { return o == d })
	if len(others) == 0 {
		delete(n.accounts, d.who.Account)
		n.do(Unsubscribe{d.who.Account})
	} else {
		n.accounts[d.who.Account] = others
	}
	for _, id := range sorted(d.calls) {
		if leaving && !n.stopping {
			n.enqueue(id, &job{in: call.Leave{Device: d.who}})
		}
		if !n.stopping {
			n.enqueue(id, &job{in: call.Gone{Device: d.who}})
		}
		n.part(d, id)
	}
}

// watch keeps the alarm of a connection in step with its session.
func (n *Node) watch(d *device) {
	if at, ok := d.session.Deadline(); ok && n.conns[d.conn] == d {
		n.schedule.set(alarm{conn: d.conn}, at)
	} else {
		n.schedule.drop(alarm{conn: d.conn})
	}
}

// join notes that a device has to do with a call.
func (n *Node) join(d *device, id call.ID) *involvement {
	v := d.calls[id]
	if v == nil {
		if d.calls == nil {
			d.calls = make(map[call.ID]*involvement)
		}
		v = &involvement{}
		d.calls[id] = v
		n.turn(id).refs++
	}
	return v
}

// part is the end of that.
func (n *Node) part(d *device, id call.ID) {
	if d.calls[id] == nil {
		return
	}
	if delete(d.calls, id); len(d.calls) == 0 {
		d.calls = nil
	}
	t := n.turn(id)
	t.refs--
	n.forget(t)
	n.quicken(d)
}

// quicken has a connection watched more closely while it has a live call.
func (n *Node) quicken(d *device) {
	active := false
	for _, v := range d.calls {
		active = active || v.active
	}
	d.session.Active(active, n.now)
	n.watch(d)
}

// heard takes a message of another node.
func (n *Node) heard(m bus.Message) {
	switch {
	case m.Login != nil:
		n.loggedIn(*m.Login)
	case m.Call != nil:
		n.tell(m.Call, m.Account, m.Device, m.With)
		n.learn(*m.Call)
	case m.Signal != nil:
		n.signal(m.Account, m.Device, m.Signal)
	}
}

// devicesOf lists an account's devices here, or the one with an id.
func (n *Node) devicesOf(a call.Account, id call.DeviceID) []*device {
	var list []*device
	for _, d := range n.accounts[a] {
		if (id == "" || d.who.ID == id) && !d.session.Closed() {
			list = append(list, d)
		}
	}
	return list
}

func (n *Node) connIDs() []ConnID { return sorted(n.conns) }

// sorted gives the keys of a map in order: what a node does must not depend on
// the order of maps.
func sorted[K interface{ ~uint64 | ~string }, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
