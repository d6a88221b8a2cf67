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

// remember stores what one of the programs gives, and shows it to the others.
func (b *browser) remember(by *person, m device.RecordMemory) {
	b.memory = device.RecordMemory{Account: m.Account, Latest: m.Latest, Told: maps.Clone(m.Told)}
	for _, p := range b.persons {
		if p != by {
			p.later(0, device.RecordsRemembered{RecordMemory: m})
		}
	}
}
