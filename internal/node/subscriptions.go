package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// subscribeMost is how long a hello waits for the bus. After that the look for changes finds
// what is published until the subscription is in effect.
const subscribeMost = time.Second

// subscriptions are the accounts whose messages this node receives. It reads the calls of an account
// only when the subscription is in effect. In the other order a change could fall between: committed
// after the read, and published before the subscription.
type subscriptions struct {
	*loop
	devices *devices
	logins  *logins
	pending map[call.Account]Ticket // Those that are not in effect yet.
}

// begin subscribes to the first device of an account.
func (s *subscriptions) begin(a call.Account) {
	if s.cfg.Alone {
		s.do(Subscribe{Account: a})
		return
	}
	s.pending[a] = s.await(func(Input) { s.settled(a) })
	s.alarms.set(alarm{account: a}, s.now.Add(subscribeMost))
	s.do(Subscribe{s.pending[a], a})
}

// end unsubscribes from an account without devices.
func (s *subscriptions) end(a call.Account) {
	s.forget(a)
	s.devices.presence.forget(a)
	s.do(Unsubscribe{a})
}

// effective says that nothing is to wait for a subscription.
func (s *subscriptions) effective(a call.Account) bool {
	_, waits := s.pending[a]
	return !waits
}

// late gives up waiting.
func (s *subscriptions) late(a call.Account) {
	s.log.Warn("the bus is slow to subscribe: devices are welcomed all the same")
	s.settled(a)
}

// forget ends the wait for a subscription.
func (s *subscriptions) forget(a call.Account) {
	delete(s.tickets, s.pending[a])
	delete(s.pending, a)
	s.alarms.drop(alarm{account: a})
}

// settled admits the devices that came while the subscription was on its way.
func (s *subscriptions) settled(a call.Account) {
	s.forget(a)
	for _, d := range s.devices.accounts[a] {
		if d.session.Greeting() {
			s.logins.admitted(d)
		}
	}
}
