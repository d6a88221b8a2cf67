// Package delivery schedules the tries of events at endpoints. It decides about retries with growing
// pauses, the order of each call's events, the number of tries that run at a time, failing endpoints,
// and when an event is dead.
//
// It is pure: a Schedule takes inputs and the time, and returns effects, which its owner carries out.
// In a server the owner is internal/webhook, with goroutines and HTTP. In the simulator it is an actor.
// A Schedule belongs to one goroutine.
//
// A Schedule holds a few deliveries of each endpoint. All others wait in the outbox. A delivery that
// was claimed and not settled is due again after a restart. So an endpoint may receive an event twice,
// but never before an older event of the same call.
package delivery
