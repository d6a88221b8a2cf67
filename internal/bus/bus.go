// Package bus carries messages between nodes. It may lose them: the store is
// the truth, and each node asks it what it may have missed.
//
// The node's shell is its only caller. An implementation is safe for
// concurrent use. Every implementation passes the suite in bustest.
package bus

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Bus fans messages about accounts out to the nodes that hold their devices.
type Bus interface {
	// Join makes a node a member; deliver gets every message, of other
	// members, for an account that the member subscribed to. missed, which may
	// be nil, is called when messages may have been lost without a trace: the
	// connection to the bus was lost and is back. Both are called on the bus's
	// goroutines and must not block.
	Join(deliver func(Message), missed func()) (Member, error)
	// Close makes all members leave and waits until nothing is being delivered.
	Close() error
}

// Member is one node's place on the bus.
type Member interface {
	// Subscribe chooses an account. ready, which may be nil, is called once, on
	// any goroutine, when the subscription is in effect: the member receives
	// what is published after that. It may be called before Subscribe returns,
	// and is never called where the bus cannot be reached, or where the member
	// unsubscribes or leaves first. It must not block.
	Subscribe(account call.Account, ready func())
	// Unsubscribe ends a subscription, for what is published after it returns.
	Unsubscribe(call.Account)
	// Publish sends to the other members and never blocks; what cannot be
	// carried is dropped. What one member publishes about one account arrives
	// in order.
	Publish(Message)
	// Leave ends the membership. A message that is being delivered may still
	// be, no other is. What is done after it has no effect.
	Leave()
}

// Message is news for the devices of one account. It is immutable.
type Message struct {
	Account call.Account
	// Device narrows it to one device; empty means all of the account's.
	Device call.DeviceID
	// Exactly one of the following is set.

	// Call is the committed state of a call, told with attachments. Without has
	// the session descriptions that the call has and that were left out: those
	// that With does not ask for.
	Call    *call.Call
	With    call.Attachments
	Without call.Attachments
	// Signal is a Candidates frame for the device, or for all.
	Signal *pealv1.ServerFrame
	// Login tells that a device has connected.
	Login *Login
	// LoggedOut tells that a backend has logged the device out, or all of them.
	LoggedOut bool
}

// Login is a device that has connected, so that an older connection of the
// same device elsewhere is closed as replaced, and, where the account may have
// one login only, other devices as kicked.
type Login struct {
	Device call.Device
	// At is when the client logged in, which a reconnect does not change.
	At time.Time
	// Connected is when it said hello on this connection.
	Connected time.Time
	// Attempt is when its client began to make the connection, by its own clock.
	Attempt time.Time
	Single  bool
	// Asks has other nodes with a device of the account answer with the login of one.
	Asks bool
}
