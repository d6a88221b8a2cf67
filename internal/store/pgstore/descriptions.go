package pgstore

import (
	"bytes"
	"compress/flate"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"sync"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// descriptions are what this store knows of stored descriptions. Descriptions are stored
// compressed: they are most of what a call writes, and PostgreSQL's own compression is slower and
// leaves half as much again.
type descriptions struct {
	writers sync.Pool // Of *flate.Writer, each of which takes half a megabyte.
	seed    maphash.Seed

	mu sync.Mutex // Guards what follows.
	// known is which descriptions the database has for live calls that this store read or changed last.
	known map[call.ID]described
}

// described is which descriptions the database has for a call at a rev, as hashes.
type described struct {
	rev           uint32
	offer, answer uint64
}

// knownMost bounds for how many calls it is known which descriptions are stored.
const knownMost = 1 << 16

func newDescriptions() *descriptions {
	return &descriptions{seed: maphash.MakeSeed(), known: make(map[call.ID]described)}
}

func (d *descriptions) describe(c *call.Call) described {
	return described{c.Rev, maphash.String(d.seed, string(c.Media.Offer)), maphash.String(d.seed, string(c.Media.Answer))}
}

// changed says which descriptions an update has to write: those that are stored may be others.
func (d *descriptions) changed(c *store.Change) (offer, answer bool) {
	if bare(&c.Call) {
		return false, false // All are deleted.
	}
	d.mu.Lock()
	known, ok := d.known[c.Call.ID]
	d.mu.Unlock()
	now := d.describe(&c.Call)
	if !ok || known.rev != c.From {
		return true, true
	}
	return known.offer != now.offer, known.answer != now.answer
}

// note remembers which descriptions are stored with a call, while it lives.
func (d *descriptions) note(c *call.Call) {
	now := d.describe(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !c.Live() {
		delete(d.known, c.ID)
		return
	}
	if len(d.known) >= knownMost {
		clear(d.known) // They are written once more than needed.
	}
	d.known[c.ID] = now
}

// compress gives a description as it is stored; none stays empty.
func (d *descriptions) compress(sdp call.SDP) ([]byte, error) {
	if sdp == "" {
		return []byte{}, nil
	}
	var out bytes.Buffer
	w, ok := d.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(&out)
	} else {
		var err error
		if w, err = flate.NewWriter(&out, flate.BestSpeed); err != nil {
			return nil, fmt.Errorf("compress description: %w", err)
		}
	}
	defer d.writers.Put(w)
	if _, err := io.WriteString(w, string(sdp)); err != nil {
		return nil, fmt.Errorf("compress description: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress description: %w", err)
	}
	return out.Bytes(), nil
}

// expand gives the description that is stored so.
func expand(compressed []byte) (call.SDP, error) {
	if len(compressed) == 0 {
		return "", nil
	}
	var sdp strings.Builder
	if _, err := io.Copy(&sdp, flate.NewReader(bytes.NewReader(compressed))); err != nil {
		return "", fmt.Errorf("expand description: %w", err)
	}
	return call.SDP(sdp.String()), nil
}
