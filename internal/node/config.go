package node

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Config is what a node is made of. Incarnation, Verify and Servers are required.
type Config struct {
	// Incarnation names this start of this node; never used again.
	Incarnation string
	Limits      protocol.Limits
	Timing      call.Timing
	// Verify judges a bearer token.
	Verify func(token string, now time.Time) (auth.Identity, error)
	// Servers gives the ICE servers of one device for one call.
	Servers func(id call.ID, d call.Device, now time.Time) []*pealv1.IceServer
	// Policy is the least strict that calls may have. What is above AnyAddress
	// needs a relay among Servers.
	Policy call.Policy
	// Announced says whether an address is one that a relay of the service is
	// announced by: relayed candidates with another one pass in no call whose
	// policy keeps addresses back. Nil means none.
	Announced func(netip.Addr) bool
	// SingleLogin lets each account be logged in on one device: a newer login
	// ends the older. Tokens can say so for their account alone.
	SingleLogin bool
	// Alone says that no other node shares the store, so that there is nobody
	// whose messages could be lost.
	Alone bool
	// Drain is how long a stopping node takes to close its connections, so that the nodes
	// that take them over are not asked for all at once. Where it is zero, or no other node
	// lives, the node closes all of them at once.
	Drain time.Duration
	// Format is the newest format of calls that the node steps; zero means call.Format.
	Format uint8
	// Lowest gives the lowest format of the nodes that live: new calls have none above it.
	// It must not block. Nil where no other node shares the store.
	Lowest func() uint8
	Logger *slog.Logger
}
