package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// logins decide which devices of an account may be here: one connection of each, and where
// there is single login the newest alone.
type logins struct {
	*loop
	calls     *callqueue.Queues
	devices   *devices
	greetings *greetings
	quota     *quota
	owed      []owed
	// recent are connections with a single login that are sent to other nodes once more, those of
	// the last round, and former those of the round before.
	recent, former []ConnID
}

// hello registers a device. From here on its session holds back updates for it until the welcome.
//
// The order of the checks matters. A hello spends the account's quota even where it is refused, or
// a page that is refused could try in a loop. A late hello of a connection that its own client has
// replaced already is refused before the single login is judged: it would otherwise kick the other
// devices for a connection that nobody uses. The limit of devices comes last, since replace frees
// the place of the device's own older connection.
func (lg *logins) hello(d *device, h *pealv1.Hello) {
	who := call.Device{
		Account: call.Account(d.session.Account()),
		ID:      call.DeviceID(h.DeviceId),
		Conn:    call.Connection{Incarnation: lg.cfg.Incarnation, Seq: uint64(d.conn)},
	}
	lg.do(Named{d.conn, who})
	login := bus.Login{Device: who, At: lg.loginAt(h), Connected: lg.now, Attempt: h.GetAttemptAt().AsTime(), Single: d.single(&lg.cfg)}
	if bad := lg.quota.hello(who.Account, lg.now); bad != nil {
		d.session.RefuseWith(bad)
		return
	}
	if len(lg.newer(login)) > 0 {
		d.session.Refuse(protocol.Replaced)
		return
	}
	if !lg.yield(login) {
		// It may still be in a call: it lost its connection in the call, another device logged in
		// meanwhile, and this one comes back with its old login.
		d.session.Refuse(protocol.Kicked)
		lg.kickLate(who)
		return
	}
	lg.replace(login, lg.now)
	if len(lg.devices.of(who.Account, "")) >= lg.cfg.Limits.Devices {
		d.session.Refuse(protocol.TooManyDevices)
		return
	}
	d.who, d.loginAt, d.connected, d.attempt, d.client = who, login.At, login.Connected, login.Attempt, clientOf(h)
	lg.devices.add(d)
	if login.Single {
		lg.recent = append(lg.recent, d.conn)
	}
	if lg.devices.subs.effective(d.who.Account) {
		lg.admitted(d)
	} // Otherwise subscriptions.settled admits it.
}

// admitted tells the other nodes of a device, and greets it. What they answer is heard here: of
// two logins at once at two nodes one receives the other.
func (lg *logins) admitted(d *device) {
	l := d.login(d.single(&lg.cfg))
	l.Asks = lg.devices.presence.ask(d.who.Account)
	lg.announceLogin(l)
	if lg.swept {
		lg.greetings.begin(d)
	}
}

// loginAt is when a client logged in: now, unless it reconnects. A client could lie about the time,
// but only to win over other devices of its own account. A time in the future is not believed: a
// device with a fast clock could never be replaced by a newer login.
func (lg *logins) loginAt(h *pealv1.Hello) time.Time {
	if said := h.LoginAt.AsTime(); !newLogin(h) && said.Before(lg.now) {
		return said
	}
	return lg.now
}

func newLogin(h *pealv1.Hello) bool { return h.Fresh || h.LoginAt == nil }

// login is what other nodes receive of a device.
func (d *device) login(single bool) bus.Login {
	return bus.Login{Device: d.who, At: d.loginAt, Connected: d.connected, Attempt: d.attempt, Single: single}
}

func (lg *logins) announceLogin(l bus.Login) {
	lg.publish(bus.Message{Account: l.Device.Account, Login: &l})
}

// repeat tells the other nodes once more of the single logins of the round before the last: where
// the first word of one was lost, two devices would stay.
func (lg *logins) repeat() {
	for _, id := range lg.former {
		if d := lg.devices.conns[id]; d != nil && !d.session.Closed() {
			lg.announceLogin(d.login(true))
		}
	}
	lg.former, lg.recent = lg.recent, nil
}

// ask asks the other nodes which accounts they have as well, where that is not known any more.
func (lg *logins) ask() {
	for _, d := range lg.devices.presence.next() {
		l := d.login(d.single(&lg.cfg))
		l.Asks = true
		lg.devices.presence.ask(d.who.Account)
		lg.announceLogin(l)
	}
}

// answer tells a node that asked of a device here.
func (lg *logins) answer(l bus.Login) {
	if here := lg.devices.of(l.Device.Account, ""); l.Asks && len(here) > 0 {
		lg.announceLogin(here[0].login(here[0].single(&lg.cfg)))
	}
}

// yield has the other devices here make way for a login where there may be one
// only. It refuses a login that is older
// than that of a device which is here: a client that was away for longer than
// it knows must not push out the one that took its place.
func (lg *logins) yield(l bus.Login) bool {
	var others []*device
	for _, d := range lg.devices.of(l.Device.Account, "") {
		switch {
		case d.who.ID == l.Device.ID || !l.Single && !d.single(&lg.cfg): // For replace, or for nobody.
		case d.loginAt.After(l.At):
			return false
		default:
			others = append(others, d)
		}
	}
	// Only now: a login that is refused kicks nobody.
	for _, d := range others {
		lg.kick(d)
	}
	return true
}

// clockMargin is by how much the clocks of two nodes may differ.
const clockMargin = time.Second

// lateMost is how late a hello may be. What seems later is a clock that was set.
const lateMost = time.Minute

// newer are the connections here of the same device that its client began to
// make after this one, whose hello was late.
func (lg *logins) newer(l bus.Login) (list []*device) {
	for _, d := range lg.devices.of(l.Device.Account, l.Device.ID) {
		if late := d.attempt.Sub(l.Attempt); d.who != l.Device && late > 0 && late < lateMost {
			list = append(list, d)
		}
	}
	return list
}

// replace closes the connections of a device here that were made before a time:
// the device has a newer one.
func (lg *logins) replace(l bus.Login, before time.Time) {
	for _, d := range lg.devices.of(l.Device.Account, l.Device.ID) {
		late := l.Attempt.Sub(d.attempt)
		if !d.connected.After(before) || d.who != l.Device && late > 0 && late < lateMost {
			d.session.Close(protocol.Replaced)
			lg.devices.watch(d)
		}
	}
}

// kick has a device make way for a newer login.
func (lg *logins) kick(d *device) {
	lg.end(d, protocol.Kicked)
	lg.kickLate(d.who) // What is known of them here may be old, or yet to be read.
}

// end ends a device's part in its calls, and its connection. The inputs are queued before the
// session closes: Closed, which follows, parts the device from its calls, and Gone alone would hold
// the other party for the grace of a device that is not allowed to return.
func (lg *logins) end(d *device, why protocol.Code) {
	for _, id := range sorted(d.calls) {
		lg.calls.Add(id, callqueue.Apply{Input: call.Kick{Device: d.who}})
	}
	d.kicked = true
	d.session.Close(why)
	lg.devices.watch(d)
}

// kickReads is how often the calls of a device that is refused are read, where that fails.
const kickReads = 3

// owed is a device whose calls could not be read yet.
type owed struct {
	device call.Device
	reads  int // That are left.
}

// kickLate ends the calls of a device that is refused: they were made while the message of
// the newer login was on its way, or at a node that died since.
func (lg *logins) kickLate(d call.Device) { lg.kickRead(owed{d, kickReads}) }

// kickOwed tries again what failed since the last round.
func (lg *logins) kickOwed() {
	again := lg.owed
	lg.owed = nil
	for _, o := range again {
		lg.kickRead(o)
	}
}

func (lg *logins) kickRead(o owed) {
	d := o.device
	t := lg.await(func(in Input) {
		r := in.(Listed)
		if r.Err != nil {
			if o.reads--; o.reads > 0 {
				lg.owed = append(lg.owed, o)
			} else {
				// Nobody comes back to the device's calls: their graces end them.
				lg.log.Warn("cannot read the calls of a device that was logged out", "error", r.Err)
			}
			return
		}
		for i := range r.Calls {
			if c := &r.Calls[i]; c.Live() && concerns(c, d) {
				lg.calls.Learn(*c)
				lg.calls.Add(c.ID, callqueue.Apply{Input: call.Kick{Device: d}})
			}
		}
	})
	lg.do(List{t, d.Account, lg.now})
}

// loggedIn takes a login at another node. Word of it may be late, and the
// device have connected here since; where the clocks leave open which connection
// is the newer one, both stay: the older one will be found silent.
func (lg *logins) loggedIn(l bus.Login) {
	lg.devices.presence.seen(l.Device.Account)
	if newer := lg.newer(l); len(newer) > 0 {
		d := newer[0]
		lg.announceLogin(d.login(d.single(&lg.cfg)))
		// The late one may have taken its place in the calls.
		for _, id := range sorted(d.calls) {
			if d.calls[id].inCall && lg.swept {
				lg.calls.Add(id, callqueue.Present{Device: d})
			}
		}
		return
	}
	if lg.yield(l) {
		lg.replace(l, l.Connected.Add(-clockMargin))
		lg.answer(l)
		return
	}
	// It does not know of the newer one here.
	for _, d := range lg.devices.of(l.Device.Account, "") {
		if d.loginAt.After(l.At) {
			lg.announceLogin(d.login(true))
			return
		}
	}
}
