package relay

// Drain has the relay live on without what told it of calls. Relayed addresses stay for as long as
// their clients refresh them; new ones are refused by 508, so that clients take the relay of another
// server. Config.Live is not called any more once Drain has returned: a question that is under way
// is broken off.
//
// It returns how many relayed addresses are left, and a channel that is closed when none is.
func (r *Relay) Drain() (left int, empty <-chan struct{}) {
	r.stopAsking()
	r.asks.Lock() // Until a question that is under way has ended.
	defer r.asks.Unlock()
	return r.ports.drain()
}

// Left is how many relayed addresses there are.
func (r *Relay) Left() int {
	r.ports.mu.RLock()
	defer r.ports.mu.RUnlock()
	return len(r.ports.open)
}

// drain refuses new relayed addresses from now on.
func (p *ports) drain() (left int, empty <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty == nil {
		p.empty = make(chan struct{})
		p.noteEmpty()
	}
	return len(p.open), p.empty
}

// draining needs the lock.
func (p *ports) draining() bool { return p.empty != nil }

// noteEmpty needs the lock. While ports drain the last one goes once: nothing is opened after it.
func (p *ports) noteEmpty() {
	if p.draining() && len(p.open) == 0 {
		close(p.empty)
	}
}
