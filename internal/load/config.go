// Package load puts load on a server: many devices that log in, and calls
// between them at a rate.
//
// cmd/peal makes a command of it and bench/ its measurements. A Fleet is all
// devices of one process. Each is the core of the Go SDK (internal/device) in a
// shell that is leaner than the SDK's: one goroutine for each connection.
//
// Calls begin by the clock, whatever became of those before, and what is timed
// is timed from when it was due. A server that stalls is thus seen to stall for
// everybody who would have called meanwhile (no coordinated omission).
package load

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/protocol"
)

// The most that one run may be asked for.
const (
	MaxDevices  = 50_000
	MaxRate     = 5_000
	MaxCalls    = 2_000_000
	MaxDuration = time.Hour
	MaxPause    = 10 * time.Minute
	MaxConnects = 1_000
)

// Config says what load to put on which server. Server and Token are required;
// Check tells of what is out of bounds.
type Config struct {
	// Server is where the server is: "http://127.0.0.1:7325".
	Server string
	// Token gives a bearer token for an account.
	Token func(ctx context.Context, account string) (string, error)
	// Prefix begins the names of all accounts; a number follows.
	Prefix string
	// Devices is how many log in, each of an account of its own. Half of them call
	// the other half.
	Devices int
	// Connects is how many may be logging in at the same time.
	Connects int
	// Rate is how many calls begin each second, evenly spaced, for Duration.
	Rate     float64
	Duration time.Duration
	// Ring is how long a callee lets it ring, Talk how long a call lasts from when
	// both have media.
	Ring, Talk time.Duration
	// JSON has the devices speak JSON, as browsers do.
	JSON bool

	// Progress is called each second with the counts of the run so far. May be nil.
	Progress func(Progress)
	// Watch is called with each frame of each device. May be nil; it is called by many
	// goroutines.
	Watch func(Frame)
}

// Frame is one message between a device and the server.
type Frame struct {
	Account string
	// Sent is true of what the device sends.
	Sent bool
	// Kind is the name of the command or the body; what is an answer says so.
	Kind   string
	Answer bool
	Bytes  int
}

// Progress holds the counts of a run so far.
type Progress struct {
	Elapsed time.Duration
	// Online is how many devices are logged in.
	Online int
	// Begun, Ended and Failed count calls.
	Begun, Ended, Failed int
	// RingP99 is of the calls since the last progress.
	RingP99 time.Duration
}

// Check finds what is missing or out of bounds, all at once.
func (c *Config) Check() error {
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		err = fmt.Errorf("server is %q: give an address such as http://127.0.0.1:7325", c.Server)
	}
	limits := protocol.DefaultLimits()
	if !protocol.ValidAccount(c.Prefix+"0", &limits) || len(c.Prefix) > 64 {
		err = errors.Join(err, fmt.Errorf("account-prefix is %q: give up to 64 bytes of printable text", c.Prefix))
	}
	if c.Token == nil {
		err = errors.Join(err, errors.New("no tokens: give the server's secret, or name a peal dev"))
	}
	for _, b := range []struct {
		name              string
		value, least, top float64
	}{
		{"devices", float64(c.Devices), 2, MaxDevices},
		{"connects", float64(c.Connects), 1, MaxConnects},
		{"rate", c.Rate, 0, MaxRate},
		{"duration in seconds", c.Duration.Seconds(), 0, MaxDuration.Seconds()},
		{"calls in all (rate × duration)", c.Rate * c.Duration.Seconds(), 0, MaxCalls},
		{"ring in seconds", c.Ring.Seconds(), 0, MaxPause.Seconds()},
		{"talk in seconds", c.Talk.Seconds(), 0, MaxPause.Seconds()},
	} {
		if !(b.value >= b.least && b.value <= b.top) {
			err = errors.Join(err, fmt.Errorf("%s is %g: give %g to %g", b.name, b.value, b.least, b.top))
		}
	}
	return err
}

// Advice says which limit this load would meet, of its own and, where the server is
// limited, of a server with the default limits, and what to do about it; empty when none.
func (c *Config) Advice(limited bool) string {
	limits := protocol.DefaultLimits()
	var advice []string
	callers := float64(c.Devices / 2)
	if perMinute := 60 * c.Rate / callers; limited && perMinute > float64(limits.InvitesPerMin) {
		need := int(2*60*c.Rate/float64(limits.InvitesPerMin)) + 1
		advice = append(advice, fmt.Sprintf(
			"each account invites %.0f times a minute, and a server takes %d unless told otherwise: give --devices %d, or start it with --limits-invites-per-min %.0f",
			perMinute, limits.InvitesPerMin, need, perMinute+1))
	}
	if perMinute := 60 * c.Rate / callers; limited && perMinute > float64(limits.RingsPerMin)/2 {
		advice = append(advice, fmt.Sprintf(
			"each account is rung %.0f times a minute on average, and a server takes %d unless told otherwise: give more --devices, or start it with --limits-rings-per-min %.0f --limits-signal-bytes %.0f",
			perMinute, limits.RingsPerMin, 4*perMinute+10, (perMinute+10)*float64(limits.SignalBytes)))
	}
	if perPair := 60 * c.Rate / (callers * callers); limited && perPair > float64(limits.PairPerMin)/2 {
		advice = append(advice, fmt.Sprintf(
			"two accounts meet %.1f times a minute on average, and a server takes %d unless told otherwise: give more --devices, or start it with --limits-pair-per-min %.0f",
			perPair, limits.PairPerMin, 4*perPair+10))
	}
	if busy := c.Rate * (c.Ring + c.Talk).Seconds(); busy > callers*0.8 {
		advice = append(advice, fmt.Sprintf(
			"about %.0f calls are live at a time, and %d devices can have %.0f: give --devices %.0f", busy, c.Devices, callers, 3*busy+2))
	}
	if limited && c.Connects > limits.SocketsPerAddr {
		advice = append(advice, fmt.Sprintf(
			"%d devices log in at the same time, and a server takes %d from one address unless told otherwise: start it with --limits-sockets-per-addr %d",
			c.Connects, limits.SocketsPerAddr, 2*c.Connects))
	}
	return strings.Join(advice, "\n")
}
