package node

import (
	"slices"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/session"
)

// devices are the connections to this node, and what each has to do with calls.
type devices struct {
	*loop
	calls    *callqueue.Queues
	conns    map[ConnID]*device
	accounts map[call.Account][]*device
	subs     *subscriptions
	presence *presence
}

func (ds *devices) open(conn ConnID) {
	d := &device{conn: conn}
	d.session = session.New(line{ds.loop, conn}, &ds.cfg.Limits, ds.cfg.Verify, ds.now)
	ds.conns[conn] = d
	if ds.stopping {
		d.session.Close(protocol.ShuttingDown)
	}
	ds.watch(d)
}

// add registers a device whose hello is good.
func (ds *devices) add(d *device) {
	if len(ds.accounts[d.who.Account]) == 0 {
		ds.subs.begin(d.who.Account)
	}
	ds.accounts[d.who.Account] = append(ds.accounts[d.who.Account], d)
}

// close forgets a connection and tells its calls. A page that goes away may have had no
// time for the command leaving: its browser says the same by how it closes.
func (ds *devices) close(in Closed) {
	d := ds.conns[in.Conn]
	if d == nil {
		return
	}
	leaving := in.Leaving && d.session.Ready()
	d.session.Gone()
	delete(ds.conns, in.Conn)
	ds.alarms.drop(alarm{conn: in.Conn})
	if d.who.ID == "" {
		return // It never got past its hello.
	}
	others := slices.DeleteFunc(ds.accounts[d.who.Account], func(o *device) bool { return o == d })
	if len(others) == 0 {
		delete(ds.accounts, d.who.Account)
		ds.subs.end(d.who.Account)
	} else {
		ds.accounts[d.who.Account] = others
	}
	// A device that this node sent elsewhere is not gone. Its calls would only note it as gone for
	// the second until it connects to another node, with two commits a call for nothing.
	for _, id := range sorted(d.calls) {
		if leaving && !d.sent {
			ds.calls.Add(id, callqueue.Apply{Input: call.Leave{Device: d.who}})
		}
		if !d.sent {
			ds.calls.Add(id, callqueue.Apply{Input: call.Gone{Device: d.who}})
		}
		ds.part(d, id)
	}
}

// watch keeps the alarm of a connection in step with its session. Whoever calls a method of a
// session that may change its deadline calls watch after it.
func (ds *devices) watch(d *device) {
	if at, ok := d.session.Deadline(); ok && ds.conns[d.conn] == d {
		ds.alarms.set(alarm{conn: d.conn}, at)
	} else {
		ds.alarms.drop(alarm{conn: d.conn})
	}
}

// expire is the alarm of a connection.
func (ds *devices) expire(conn ConnID) {
	if d := ds.conns[conn]; d != nil {
		d.session.Expire(ds.now)
		ds.watch(d)
	}
}

// join notes that a device has to do with a call.
func (ds *devices) join(d *device, id call.ID) *involvement {
	v := d.calls[id]
	if v == nil {
		if d.calls == nil {
			d.calls = make(map[call.ID]*involvement)
		}
		v = &involvement{}
		d.calls[id] = v
		ds.calls.Hold(id)
	}
	return v
}

// part is the end of that.
func (ds *devices) part(d *device, id call.ID) {
	if d.calls[id] == nil {
		return
	}
	if delete(d.calls, id); len(d.calls) == 0 {
		d.calls = nil
	}
	ds.calls.Release(id)
	ds.quicken(d)
}

// unheard parts a device from a call that it asked about and never received: the call does not
// exist, or is none of its own. Otherwise random call identifiers would fill the node's memory.
func (ds *devices) unheard(d *device, id call.ID) {
	if v := d.calls[id]; v != nil && v.rev == 0 {
		ds.part(d, id)
	}
}

// quicken sets the heartbeat of a connection: the active one while it has a live call, so that the
// other party does not wait half a minute for a device that lost its network.
func (ds *devices) quicken(d *device) {
	active := false
	for _, v := range d.calls {
		active = active || v.active
	}
	d.session.Active(active, ds.now)
	ds.watch(d)
}

// of lists an account's devices here, or the one with an id.
func (ds *devices) of(a call.Account, id call.DeviceID) []*device {
	var list []*device
	for _, d := range ds.accounts[a] {
		if (id == "" || d.who.ID == id) && !d.session.Closed() {
			list = append(list, d)
		}
	}
	return list
}

// connection is that of a device of a call here: the one that the call knows, or else the latest.
// A device has two for a moment when its client races a second socket against a suspect one.
func (ds *devices) connection(who call.Device) (found *device) {
	for _, d := range ds.of(who.Account, who.ID) {
		if d.who == who {
			return d
		}
		found = d
	}
	return found
}

// sorted gives the keys of a map in order: what a node does must not depend on the order of
// maps.
func sorted[K interface{ ~uint64 | ~string }, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
