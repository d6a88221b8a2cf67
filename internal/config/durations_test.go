package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// Each duration has a lower bound: the bound itself is taken, what is shorter is refused by name.
func TestShortestDurations(t *testing.T) {
	tests := map[string]struct {
		field func(*Config) *time.Duration
		least time.Duration
	}{
		"keep-records":          {func(c *Config) *time.Duration { return &c.Keep }, leastRecordTime},
		"drain":                 {func(c *Config) *time.Duration { return &c.Cluster.Drain }, leastPause},
		"turn-drain":            {func(c *Config) *time.Duration { return &c.TURN.Drain }, leastPause},
		"token-max-ttl":         {func(c *Config) *time.Duration { return &c.Auth.MaxTTL }, leastTokenTTL},
		"timing-ring":           {func(c *Config) *time.Duration { return &c.Timing.Ring }, leastCallTime},
		"timing-caller-grace":   {func(c *Config) *time.Duration { return &c.Timing.CallerGrace }, leastCallTime},
		"timing-grace":          {func(c *Config) *time.Duration { return &c.Timing.Grace }, leastCallTime},
		"timing-leaving-grace":  {func(c *Config) *time.Duration { return &c.Timing.LeavingGrace }, leastCallTime},
		"timing-grace-hold":     {func(c *Config) *time.Duration { return &c.Timing.GraceHold }, leastCallTime},
		"timing-ask":            {func(c *Config) *time.Duration { return &c.Timing.Ask }, leastCallTime},
		"timing-connect":        {func(c *Config) *time.Duration { return &c.Timing.Connect }, leastCallTime},
		"limits-ring-max":       {func(c *Config) *time.Duration { return &c.Limits.RingMax }, leastCallTime},
		"limits-hello":          {func(c *Config) *time.Duration { return &c.Limits.Hello }, leastNetworkTime},
		"limits-write":          {func(c *Config) *time.Duration { return &c.Limits.Write }, leastNetworkTime},
		"limits-declined-pause": {func(c *Config) *time.Duration { return &c.Limits.DeclinedPause }, leastPause},
		"limits-token-grace":    {func(c *Config) *time.Duration { return &c.Limits.TokenGrace }, leastPause},
		"ping-idle":             {func(c *Config) *time.Duration { return &c.Pulses.Idle }, leastPing},
		"ping-active":           {func(c *Config) *time.Duration { return &c.Pulses.Active }, leastPing},
	}
	for name, test := range tests {
		c := valid()
		c.Timing.Ring = time.Second
		*test.field(&c) = test.least
		if err := c.Check(); err != nil {
			t.Errorf("%s of %s is refused: %v", name, test.least, err)
		}
		for _, short := range []time.Duration{test.least - 1, 60, -time.Hour} {
			*test.field(&c) = short
			if err := c.Check(); err == nil || !strings.Contains(err.Error(), name+" is "+short.String()+": give "+test.least.String()+" or more") {
				t.Errorf("%s of %s: got %v", name, short, err)
			}
		}
		*test.field(&c) = 0
		none := name == "limits-declined-pause" || name == "limits-token-grace" || name == "drain" || name == "turn-drain"
		if err := c.Check(); (err == nil) != none {
			t.Errorf("%s of 0: got %v", name, err)
		}
	}
	// The two beside these are bounded by ping-idle and ping-active, see TestCheck.
	if fields := durations(reflect.TypeFor[Config]()); fields != len(tests)+2 {
		t.Errorf("Config has %d durations, %d are looked at here", fields, len(tests)+2)
	}
}

// durations counts the fields of that type.
func durations(of reflect.Type) int {
	count := 0
	for field := range of.Fields() {
		switch field := field.Type; {
		case field == reflect.TypeFor[time.Duration]():
			count++
		case field.Kind() == reflect.Struct:
			count += durations(field)
		}
	}
	return count
}
