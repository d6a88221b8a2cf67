package store

import (
	"context"
	"errors"
)

// ErrInjected is the error of a commit that Faulty spoils.
var ErrInjected = errors.New("injected fault")

// Fault is what goes wrong with one commit.
type Fault uint8

const (
	// NoFault lets the commit be.
	NoFault Fault = iota
	// Skip reports an error and commits nothing.
	Skip
	// Hide commits, and reports an error nevertheless.
	Hide
	// Delay commits, and pauses before it reports so.
	Delay
)

// Faulty is a store with commits that go wrong as planned. All else it leaves
// to the store inside. It is as safe for concurrent use as its functions are.
type Faulty struct {
	Store
	plan  func([]Change) Fault
	pause func()
}

// NewFaulty wraps a store. The plan decides about every commit before it is
// begun; pause is called for those that it delays, and may be nil when there
// are none.
func NewFaulty(inner Store, plan func([]Change) Fault, pause func()) *Faulty {
	return &Faulty{Store: inner, plan: plan, pause: pause}
}

// Commit commits as planned.
func (f *Faulty) Commit(ctx context.Context, changes []Change) ([]Result, error) {
	fault := f.plan(changes)
	if fault == Skip {
		return Unknown(len(changes), ErrInjected), ErrInjected
	}
	results, err := f.Store.Commit(ctx, changes)
	if err != nil {
		return results, err
	}
	switch fault {
	case Hide:
		return Unknown(len(changes), ErrInjected), ErrInjected
	case Delay:
		f.pause()
	case NoFault, Skip:
	}
	return results, nil
}
