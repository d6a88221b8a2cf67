package sim

import (
	"time"

	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// link is one connection of a client to a host: ordered both ways, each way
// with its own delays, until it is cut. Frames pass through the real codec.
type link struct {
	w     *world
	agent *agent
	host  *host
	start int
	conn  node.ConnID

	// A dead direction swallows everything. A half-open link has both dead and
	// neither end told.
	deadUp, deadDown    bool
	lastUp, lastDown    time.Time
	serverSaw, agentSaw bool // Who knows that it is over.
}

// dial connects a client to a host that is up.
func dial(g *agent, h *host) *link {
	h.last++
	l := &link{w: g.w, agent: g, host: h, start: h.start, conn: h.last}
	h.conns[l.conn] = l
	h.step(node.Opened{Conn: l.conn})
	return l
}

// up has the server see something in the order of sending.
func (l *link) up(do func()) {
	l.lastUp = l.inOrder(l.lastUp, do)
}

func (l *link) down(do func()) {
	l.lastDown = l.inOrder(l.lastDown, do)
}

func (l *link) inOrder(last time.Time, do func()) time.Time {
	at := l.w.now.Add(l.w.delay())
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
	text, err := protocol.EncodeCommand(f)
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
		in, bad := protocol.Decode(text, &l.host.limits)
		if bad != nil {
			l.w.violate("a client's command is refused: %s", bad.Message)
		}
		l.host.step(node.Received{Conn: l.conn, Frame: in, Error: bad})
	})
}

func (l *link) toClient(f *pealv1.ServerFrame) {
	text, err := protocol.Encode(f)
	if err != nil {
		l.w.violate("cannot encode %v: %v", f, err)
		return
	}
	if l.deadDown {
		return
	}
	l.down(func() {
		if l.deadDown || l.agentSaw {
			return
		}
		out, err := protocol.DecodeFrame(text)
		if err != nil {
			l.w.violate("cannot decode %s: %v", text, err)
			return
		}
		l.agent.receive(l, out)
	})
}

func (l *link) ping() {
	if l.deadDown || l.deadUp {
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
	l.down(func() { l.tellAgent(status == protocol.CloseRetry, reason) })
	l.w.after(0, l.tellServer)
}

// cutByServer is the host's death. The client finds out, or has to find out.
func (l *link) cutByServer() {
	l.deadUp, l.serverSaw = true, true
	l.down(func() { l.tellAgent(true, "cut") })
}

// cut ends the link: both ends are told, or none.
func (l *link) cut(halfOpen bool) {
	l.deadUp, l.deadDown = true, true
	if halfOpen {
		return
	}
	l.w.after(l.w.delay(), l.tellServer)
	l.w.after(l.w.delay(), func() { l.tellAgent(true, "cut") })
}

func (l *link) tellServer() {
	if l.serverSaw {
		return
	}
	l.serverSaw, l.deadUp, l.deadDown = true, true, true
	if l.current() {
		delete(l.host.conns, l.conn)
		l.host.step(node.Closed{Conn: l.conn})
	}
}

func (l *link) tellAgent(retry bool, reason string) {
	if l.agentSaw {
		return
	}
	l.agentSaw = true
	l.agent.disconnected(l, retry, reason)
}
