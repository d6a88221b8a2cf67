package sim

import (
	"time"

	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// client is one end of a link: a person's program, or a rude client.
type client interface {
	name() string
	// turn is one moment of acting; each plans the next.
	turn()
	receive(*link, *pealv1.ServerFrame)
	disconnected(l *link, retry bool, reason string)
	goHome()
	// rests says that the client waits for nothing.
	rests() bool
	// agrees compares what the client received with the truth.
	agrees()
	// seen is what the watch may know of it.
	seen() sight
}

// link is one connection of a client to a host: ordered both ways, each way
// with its own delays, until it is cut. Frames pass through the real codec.
type link struct {
	w      *world
	client client
	host   *host
	start  int
	conn   node.ConnID
	// encoding is binary, as the Go SDK has it, or JSON, as browsers do.
	encoding protocol.Encoding

	// A dead direction swallows everything. A half-open link has both dead and
	// neither end told.
	deadUp, deadDown     bool
	lastUp, lastDown     time.Time
	late                 time.Duration // By how much what the client says comes later.
	serverSaw, clientSaw bool          // Who knows that it is over.
}

// dial connects a client to a host that is up.
func dial(c client, w *world, h *host) *link {
	h.last++
	l := &link{w: w, client: c, host: h, start: h.start, conn: h.last, encoding: protocol.Binary}
	if h.last%16 == 0 {
		l.encoding = protocol.JSON
	}
	if p, ok := c.(*person); ok && w.fault(w.cfg.Faults.Late, p.name()+" is heard late") {
		l.late, l.deadDown = w.between(time.Second, 4*time.Second), true
		w.after(w.upTo(time.Second), func() {
			l.up(l.tellServer)
			l.tellClient(true, "cut")
		})
	}
	h.conns[l.conn] = l
	h.step(node.Opened{Conn: l.conn})
	return l
}

// up has the server see something in the order of sending.
func (l *link) up(do func()) {
	l.lastUp = l.inOrder(l.lastUp, l.late, do)
}

func (l *link) down(do func()) {
	l.lastDown = l.inOrder(l.lastDown, 0, do)
}

func (l *link) inOrder(last time.Time, late time.Duration, do func()) time.Time {
	at := l.w.now.Add(late + l.w.upTo(l.w.cfg.Faults.LinkDelay))
	if at.Before(last) {
		at = last
	}
	l.w.after(at.Sub(l.w.now), do)
	return at
}

// current says whether the host still is the incarnation of this link.
func (l *link) current() bool {
	return l.host.alive && l.host.start == l.start && l.host.conns[l.conn] == l
}

func (l *link) toServer(f *pealv1.ClientFrame) {
	text, err := l.encoding.EncodeCommand(f)
	if err != nil {
		l.w.violate("cannot encode %v: %v", f, err)
		return
	}
	if l.deadUp {
		return
	}
	l.up(func() {
		if l.deadUp || !l.current() {
			return
		}
		in, bad := l.encoding.Decode(text, &l.host.limits)
		if bad != nil {
			l.w.violate("a client's command is refused: %s", bad.Message)
		}
		l.host.step(node.Received{Conn: l.conn, Frame: in, Error: bad})
	})
}

func (l *link) toClient(f *pealv1.ServerFrame) {
	text, err := l.encoding.Encode(f)
	if err != nil {
		l.w.violate("cannot encode %v: %v", f, err)
		return
	}
	if l.deadDown {
		return
	}
	l.down(func() {
		if l.deadDown || l.clientSaw {
			return
		}
		out, err := l.encoding.DecodeFrame(text)
		if err != nil {
			l.w.violate("cannot decode %s: %v", text, err)
			return
		}
		l.client.receive(l, out)
	})
}

func (l *link) ping() {
	if p, ok := l.client.(*person); l.deadDown || l.deadUp || ok && p.frozen() {
		return
	}
	l.up(func() {
		if !l.deadUp && l.current() {
			l.host.step(node.Ponged{Conn: l.conn})
		}
	})
}

// closeByServer is the node's Close.
func (l *link) closeByServer(status int, reason string) {
	l.down(func() { l.tellClient(status == protocol.CloseRetry || status == protocol.CloseSilent, reason) })
	l.w.after(0, l.tellServer)
}

// cutByServer is the host's death. The client finds out, or has to find out.
func (l *link) cutByServer() {
	l.deadUp, l.serverSaw = true, true
	l.down(func() { l.tellClient(true, "cut") })
}

// cut ends the link: both ends are notified, or none, and then at times one direction goes on.
func (l *link) cut(halfOpen bool) {
	if halfOpen {
		way := l.w.rng.IntN(4)
		l.deadUp, l.deadDown = l.deadUp || way != 0, l.deadDown || way != 1
		return
	}
	l.deadDown = true
	if l.w.chance(0.3) { // What is on its way still arrives, when the client may be elsewhere.
		l.up(l.tellServer)
	} else {
		l.deadUp = true
		l.w.after(l.w.upTo(l.w.cfg.Faults.LinkDelay), l.tellServer)
	}
	l.w.after(l.w.upTo(l.w.cfg.Faults.LinkDelay), func() { l.tellClient(true, "cut") })
}

func (l *link) tellServer() {
	if l.serverSaw {
		return
	}
	l.serverSaw, l.deadUp = true, true
	if l.current() {
		delete(l.host.conns, l.conn)
		l.host.step(node.Closed{Conn: l.conn})
	}
}

func (l *link) tellClient(retry bool, reason string) {
	if l.clientSaw {
		return
	}
	l.clientSaw = true
	l.client.disconnected(l, retry, reason)
}

// hangUp is the client's end of it. What was sent before arrives before.
func (l *link) hangUp() {
	if l.clientSaw {
		return
	}
	l.clientSaw = true
	if !l.deadUp {
		l.up(l.tellServer)
	}
}

// anyHost is a host to connect to; nil when none is up.
func (w *world) anyHost() *host {
	var up []*host
	for _, h := range w.hosts {
		if h.alive && !h.stopping {
			up = append(up, h)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[w.rng.IntN(len(up))]
}
