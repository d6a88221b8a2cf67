// Package delivery decides which event is tried at which endpoint when, and what becomes of it:
// retries with growing pauses, the order of each call, how many run at a time, endpoints that
// fail, and when to give up.
//
// It is pure: a Schedule gets inputs and the time, and gives effects, which its owner carries
// out. internal/webhook is its owner in a server, with goroutines and HTTP; the simulator is
// another. A Schedule belongs to one goroutine.
//
// What it holds at a time is bounded: a few deliveries for each endpoint. All others wait in the
// outbox. What was claimed from the outbox and not settled is due again after a restart, so an
// event may come twice, and never too late in the order of its call.
package delivery
