package node

import (
	"time"
	"unique"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/session"
)

// device is one connection to this node and, after its hello, the client on it.
type device struct {
	conn    ConnID
	session *session.Session
	// The hello sets who.
	who call.Device
	// loginAt is when the client logged in; a reconnect does not change it.
	loginAt time.Time
	// connected is when it said hello.
	connected time.Time
	// attempt is when its client began to connect, by the client's clock; the
	// beginning of Unix time where it did not say.
	attempt time.Time
	// client is the name and the version of its program.
	client unique.Handle[string]
	// kicked says that a newer login took its place, or that its account was logged out.
	kicked bool
	// sent says that this node stops, and sent it to another one.
	sent bool
	// calls are the live calls that this device knows of: those that it is to
	// hear about, and that hear of it when it goes. It is nil where there are none.
	calls map[call.ID]*involvement
	// over are the latest calls whose end was sent to it.
	over []call.ID
}

// overMost is how many of those the node remembers.
const overMost = 16

// involvement is what a device has to do with one call.
type involvement struct {
	// rev is the highest that was sent to the device; 0 before the first.
	rev uint32
	// described is the media generation of the last session description that the device was sent.
	described uint32
	// inCall says that it is the caller's device or the one that answered.
	inCall bool
	// ringing or in the call: its connection is watched more closely.
	active bool
	// path is what its media flow by, as it first reported in the generation pathOf.
	path   pealv1.MediaPath
	pathOf uint32
}

// card is how the account of the device is shown, as its latest token says.
func (d *device) card() call.Card { return call.Card(d.session.Card()) }

// line lets a session speak through the node's effects.
type line struct {
	loop *loop
	conn ConnID
}

func (l line) Send(f *pealv1.ServerFrame) { l.loop.do(Send{l.conn, f}) }
func (l line) Ping()                      { l.loop.do(Ping{l.conn}) }
func (l line) Close(status int, reason string) {
	l.loop.do(Close{l.conn, status, reason})
}

// busy says that the device is in a call.
func (d *device) busy() bool {
	for _, v := range d.calls {
		if v.inCall {
			return true
		}
	}
	return false
}

// single says whether the device is to be the only one of its account.
func (d *device) single(c *Config) bool { return c.SingleLogin || d.session.SingleLogin() }

// Input implements callqueue.Presence: the device came back, or, while it is being greeted,
// its program was started again, if it was.
func (d *device) Input() call.Input {
	if h := d.session.Hello(); h.GetFresh() {
		return call.Reload{Device: d.who, Resume: h.Resume}
	}
	return call.Back{Device: d.who}
}
