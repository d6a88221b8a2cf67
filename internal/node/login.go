package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// hello registers a device. From here on news for it is held by its session.
func (n *Node) hello(d *device, h *pealv1.Hello) {
	who := call.Device{
		Account: call.Account(d.session.Account()),
		ID:      call.DeviceID(h.DeviceId),
		Conn:    call.Connection{Incarnation: n.cfg.Incarnation, Seq: uint64(d.conn)},
	}
	n.do(Named{d.conn, who})
	login := bus.Login{Device: who, At: n.loginAt(h), Connected: n.now, Attempt: h.GetAttemptAt().AsTime(), Single: n.single(d)}
	if bad := n.quota.hello(who.Account, n.now); bad != nil {
		d.session.RefuseWith(bad)
		return
	}
	if len(n.newer(login)) > 0 {
		d.session.Refuse(protocol.Replaced)
		return
	}
	if !n.yield(login) {
		d.session.Refuse(protocol.Kicked)
		n.kickLate(who)
		return
	}
	n.replace(login, n.now)
	if len(n.devicesOf(who.Account, "")) >= n.cfg.Limits.Devices {
		d.session.Refuse(protocol.TooManyDevices)
		return
	}
	d.who, d.loginAt, d.connected, d.attempt = who, login.At, login.Connected, login.Attempt
	if len(n.accounts[who.Account]) == 0 {
		n.do(Subscribe{who.Account})
	}
	n.accounts[who.Account] = append(n.accounts[who.Account], d)
	n.announceLogin(login)
	if n.sweep.done {
		n.greet(d)
	}
}

// loginAt is when a client logged in: now, unless it reconnects. What it says
// of that only matters among the devices of its own account.
func (n *Node) loginAt(h *pealv1.Hello) time.Time {
	if said := h.LoginAt.AsTime(); !newLogin(h) && said.Before(n.now) {
		return said
	}
	return n.now
}

func newLogin(h *pealv1.Hello) bool { return h.Fresh || h.LoginAt == nil }

// single says whether a device is to be the only one of its account.
func (n *Node) single(d *device) bool { return n.cfg.SingleLogin || d.session.SingleLogin() }

// login is what other nodes are told of a device.
func (d *device) login(single bool) bus.Login {
	return bus.Login{Device: d.who, At: d.loginAt, Connected: d.connected, Attempt: d.attempt, Single: single}
}

func (n *Node) announceLogin(l bus.Login) {
	n.do(Publish{bus.Message{Account: l.Device.Account, Login: &l}})
}

// yield has the other devices here make way for a login where there may be one
// only. It refuses a login that is older
// than that of a device which is here: a client that was away for longer than
// it knows must not push out the one that took its place.
func (n *Node) yield(l bus.Login) bool {
	var others []*device
	for _, d := range n.devicesOf(l.Device.Account, "") {
		switch {
		case d.who.ID == l.Device.ID || !l.Single && !n.single(d):
		case d.loginAt.After(l.At):
			return false
		default:
			others = append(others, d)
		}
	}
	for _, d := range others {
		n.kick(d)
	}
	return true
}

// clockMargin is by how much the clocks of two nodes may differ.
const clockMargin = time.Second

// lateMost is how late a hello may be. What seems later is a clock that was set.
const lateMost = time.Minute

// newer are the connections here of the same device that its client began to
// make after this one, whose hello was late.
func (n *Node) newer(l bus.Login) (list []*device) {
	for _, d := range n.devicesOf(l.Device.Account, l.Device.ID) {
		if late := d.attempt.Sub(l.Attempt); d.who != l.Device && late > 0 && late < lateMost {
			list = append(list, d)
		}
	}
	return list
}

// replace closes the connections of a device here that were made before a time:
// the device has a newer one.
func (n *Node) replace(l bus.Login, before time.Time) {
	for _, d := range n.devicesOf(l.Device.Account, l.Device.ID) {
		late := l.Attempt.Sub(d.attempt)
		if !d.connected.After(before) || d.who != l.Device && late > 0 && late < lateMost {
			d.session.Close(protocol.Replaced)
			n.watch(d)
		}
	}
}

// kick ends a device's part in its calls and logs it out.
func (n *Node) kick(d *device) {
	for _, id := range sorted(d.calls) {
		n.enqueue(id, &job{in: call.Kick{Device: d.who}})
	}
	d.kicked = true
	d.session.Close(protocol.Kicked)
	n.watch(d)
	n.kickLate(d.who) // What is known of them here may be old, or yet to be read.
}

// kickAbsent has a new login end what other devices of its account, which are
// away, left going. Those that are connected are kicked by the node that has them.
func (n *Node) kickAbsent(g *greeting, c *call.Call) {
	d := g.device
	leg := c.Leg(d.who.Account)
	if leg == nil || !n.single(d) || !newLogin(d.session.Hello()) {
		return
	}
	away := []call.Device{leg.Device}
	for _, r := range leg.Ringers {
		away = append(away, r.Device)
	}
	for _, other := range away {
		if other.ID != "" && other.ID != d.who.ID {
			g.pending++
			n.enqueue(c.ID, &job{in: call.Kick{Device: other}, greeting: g})
		}
	}
}

// kickReads is how often the calls of a device that is refused are read, where that fails.
const kickReads = 3

// kickLate ends what a device that is refused had going: it was made while word of
// the newer login was on its way, or at a node that died since.
func (n *Node) kickLate(d call.Device) { n.kickRead(d, kickReads) }

func (n *Node) kickRead(d call.Device, reads int) {
	t := n.await(func(in Input) {
		r := in.(Listed)
		switch {
		case r.Err != nil && reads > 1:
			n.kickRead(d, reads-1)
			return
		case r.Err != nil:
			// Nobody comes back to it: its grace ends it.
			n.log.Warn("cannot read the calls of a device that was logged out", "error", r.Err)
			return
		}
		for i := range r.Calls {
			if c := &r.Calls[i]; c.Live() && concerns(c, d) {
				n.learn(*c)
				n.enqueue(c.ID, &job{in: call.Kick{Device: d}})
			}
		}
	})
	n.do(List{t, d.Account, n.now})
}

// loggedIn takes a login at another node. Word of it may be late, and the
// device have connected here since; where the clocks leave open which connection
// is the newer one, both stay: the older one will be found silent.
func (n *Node) loggedIn(l bus.Login) {
	if newer := n.newer(l); len(newer) > 0 {
		d := newer[0]
		n.announceLogin(d.login(n.single(d)))
		// The late one may have taken its place in the calls.
		for _, id := range sorted(d.calls) {
			if d.calls[id].inCall && n.Ready() {
				n.enqueue(id, &job{back: d})
			}
		}
		return
	}
	if n.yield(l) {
		n.replace(l, l.Connected.Add(-clockMargin))
		return
	}
	// It does not know of the newer one here.
	for _, d := range n.devicesOf(l.Device.Account, "") {
		if d.loginAt.After(l.At) {
			n.announceLogin(d.login(true))
			return
		}
	}
}
