package config

import (
	"errors"
	"fmt"
	"time"
)

// The shortest durations that a server works with. What is shorter is a slip, mostly one of
// the unit.
const (
	// leastRecordTime is how long records of calls are kept at least.
	leastRecordTime = time.Hour
	// leastTokenTTL leaves a page the time to connect, with clocks that differ a little.
	leastTokenTTL = time.Minute
	// leastCallTime is for what people do and for devices that reconnect: a second is little
	// for either. The protocol has no shorter ringing.
	leastCallTime = time.Second
	// leastNetworkTime is for one message over a slow network.
	leastNetworkTime = time.Second
	// leastPing keeps heartbeats from being most of the traffic.
	leastPing = time.Second
	// leastAnswerTime is for the answer to a ping.
	leastAnswerTime = time.Second
	// leastPause is for pauses that may be left out.
	leastPause = time.Second
)

// durations checks all of them against the shortest ones.
func (c *Config) durations() error {
	var errs []error
	for _, d := range []struct {
		name         string
		value, least time.Duration
		orNone       bool // 0 stands for none.
	}{
		{"keep-records", c.Keep, leastRecordTime, false},
		{"drain", c.Cluster.Drain, leastPause, true},
		{"turn-drain", c.TURN.Drain, leastPause, true},
		{"token-max-ttl", c.Auth.MaxTTL, leastTokenTTL, false},
		{"timing-ring", c.Timing.Ring, leastCallTime, false},
		{"timing-caller-grace", c.Timing.CallerGrace, leastCallTime, false},
		{"timing-grace", c.Timing.Grace, leastCallTime, false},
		{"timing-leaving-grace", c.Timing.LeavingGrace, leastCallTime, false},
		{"timing-grace-hold", c.Timing.GraceHold, leastCallTime, false},
		{"timing-ask", c.Timing.Ask, leastCallTime, false},
		{"timing-connect", c.Timing.Connect, leastCallTime, false},
		{"limits-ring-max", c.Limits.RingMax, leastCallTime, false},
		{"limits-hello", c.Limits.Hello, leastNetworkTime, false},
		{"limits-write", c.Limits.Write, leastNetworkTime, false},
		{"limits-declined-pause", c.Limits.DeclinedPause, leastPause, true},
		{"limits-token-grace", c.Limits.TokenGrace, leastPause, true},
		{"ping-idle", c.Pulses.Idle, leastPing, false},
		{"ping-active", c.Pulses.Active, leastPing, false},
	} {
		switch {
		case d.value >= d.least || d.orNone && d.value == 0:
		case d.orNone:
			errs = append(errs, fmt.Errorf("%s is %s: give %s or more, or 0s for none", d.name, d.value, d.least))
		default:
			errs = append(errs, fmt.Errorf("%s is %s: give %s or more", d.name, d.value, d.least))
		}
	}
	return errors.Join(errs...)
}
