package sim

import (
	"maps"

	"github.com/peal-rtc/peal/internal/device"
)

// browser is what programs of one account have in common: the memory of the records that any of
// them received.
type browser struct {
	w       *world
	memory  device.RecordMemory
	writes  int             // How often memory was written.
	filed   map[string]bool // The records that any of them received.
	persons []*person
}

// browserOf is the browser of a new program: that of another one of the account, or its own.
func (w *world) browserOf(account string) *browser {
	for _, c := range w.clients {
		if p, ok := c.(*person); ok && p.account == account && w.chance(0.5) {
			return p.browser
		}
	}
	return &browser{w: w, filed: make(map[string]bool)}
}

// remember stores what one of the programs gives, and shows it to the others. A program that slept
// has yet to receive what others stored meanwhile: it is given that first, as record-memory.ts does.
// What it gives then has both.
func (b *browser) remember(by *person, m device.RecordMemory) {
	if by.reads != b.writes {
		by.reads = b.writes
		by.later(0, device.RecordsRemembered{RecordMemory: b.memory})
		return
	}
	b.memory = device.RecordMemory{Account: m.Account, Latest: m.Latest, Told: maps.Clone(m.Told)}
	b.writes++
	by.reads = b.writes
	written := b.writes
	for _, p := range b.persons {
		if p != by {
			b.show(p, p.starts, written, m)
		}
	}
}

// show gives what was stored to a start of a program, once that does not sleep.
func (b *browser) show(p *person, start, written int, m device.RecordMemory) {
	b.w.after(max(p.sleeps.Sub(b.w.now), 0), func() {
		switch {
		case p.starts != start:
		case p.frozen():
			b.show(p, start, written, m)
		default:
			p.reads = written
			p.step(device.RecordsRemembered{RecordMemory: m})
		}
	})
}
