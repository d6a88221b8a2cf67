package sim

import (
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// What the shell around a device does of tokens and sockets.

// fetch asks the backend for a token.
func (p *person) fetch() {
	w := p.w
	if p.fetches {
		w.violate("%s asks for a token, and waits for one", p.name())
	}
	p.fetches = true
	if !w.calmed && w.fault(w.cfg.Faults.TokenFail, p.name()+" gets no token") {
		p.noToken = w.now.Add(w.upTo(40 * time.Second))
	}
	p.getsToken()
}

// getsToken is the backend's answer, as it is when the program takes it.
func (p *person) getsToken() {
	w, start := p.w, p.starts
	w.after(w.upTo(w.cfg.Faults.LinkDelay), func() {
		switch {
		case p.starts != start:
		case p.frozen():
			p.getsToken()
		// A device that was never welcome would get that error, and be offline.
		case p.heard != nil && w.now.Before(p.noToken) && !w.calmed:
			p.step(device.GotToken{Err: errInjected})
		default:
			p.step(device.GotToken{Token: w.tokenOf(p.account, p.life)})
		}
	})
}

// sends passes a frame on, and holds a token that was used before to its end.
func (p *person) sends(e device.Send) {
	if id := leaves(e.Frame); id != "" {
		p.over[id] = p.w.now
	}
	for _, id := range []string{leaves(e.Frame), e.Frame.GetInvite().GetCallId()} {
		if p.unsent[id] {
			p.w.violate("S11: %s tells the server of %s, which is a draft", p.name(), id)
		}
	}
	if h := e.Frame.GetHello(); h != nil {
		p.hello = h.Token
		if end, known := p.ends[h.Token]; known && !p.dialed[e.Socket].Before(end) {
			p.w.violate("%s connects by a token that ended %s before", p.name(), p.w.now.Sub(end))
		}
	}
	if l := p.links[e.Socket]; l != nil {
		l.toServer(e.Frame)
	}
}

func (p *person) dial(s device.Socket) {
	start := p.starts
	p.dialed[s] = p.w.now
	p.w.after(p.w.upTo(p.w.cfg.Faults.LinkDelay), func() {
		if p.starts != start || !slices.Contains(p.sockets, s) {
			return
		}
		h := p.w.anyHost()
		if h == nil || !p.w.calmed && p.w.now.Before(p.tunnel) || p.w.fault(p.w.cfg.Faults.Refused, p.name()+" is not connected") {
			p.step(device.Closed{Socket: s})
			return
		}
		p.links[s] = dial(p, p.w, h)
		p.step(device.Opened{Socket: s})
	})
}

func (p *person) receive(l *link, f *pealv1.ServerFrame) {
	if s := p.socketOf(l); s != 0 {
		if c := f.GetCandidates(); c != nil {
			p.w.hearsCandidates(p.account, p.name(), c)
		}
		p.step(device.Received{Socket: s, Frame: f})
	}
}

// link is the connection that the device uses; nil when there is none.
func (p *person) link() *link { return p.links[p.listens()] }

// listens is the socket that the device listens to, whatever has become of it meanwhile.
func (p *person) listens() device.Socket {
	if len(p.sockets) == 0 {
		return 0
	}
	return p.sockets[0]
}

// socketOf is the socket of a connection that is not over; zero otherwise.
func (p *person) socketOf(l *link) device.Socket {
	for _, s := range p.sockets {
		if p.links[s] == l {
			return s
		}
	}
	return 0
}

// forget notes that a socket is over for the device.
func (p *person) forget(s device.Socket) {
	p.sockets = slices.DeleteFunc(p.sockets, func(o device.Socket) bool { return o == s })
}

func (p *person) disconnected(l *link, _ bool, reason string) {
	if s := p.socketOf(l); s != 0 {
		p.w.trace("%s disconnected: %s", p.name(), reason)
		delete(p.links, s)
		p.step(device.Closed{Socket: s})
	}
}
