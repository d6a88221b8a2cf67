package server

import (
	"net/netip"
	"slices"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/reach"
)

// limits are the protocol's with what is configured.
func limits(c *config.Config) protocol.Limits {
	l := protocol.DefaultLimits()
	l.MessageBytes = c.Sizes.MessageBytes
	l.SDPBytes = c.Sizes.SDPBytes
	l.Candidates = c.Sizes.Candidates
	l.CandidateBytes = c.Sizes.CandidateBytes
	l.AttachmentBytes = c.Sizes.AttachmentBytes
	l.MessageRate = c.Limits.MessageRate
	l.MessageBurst = c.Limits.MessageBurst
	l.InvitesPerMin = c.Limits.InvitesPerMin
	l.PairPerMin = c.Limits.PairPerMin
	l.RingsPerMin = c.Limits.RingsPerMin
	l.HellosPerMin = c.Limits.HellosPerMin
	l.SignalBytes, l.SignalRate = c.Limits.SignalBytes, max(c.Limits.SignalBytes/32, 1)
	l.DeclinedPause = c.Limits.DeclinedPause
	l.TokenGrace = c.Limits.TokenGrace
	l.Devices = c.Limits.Devices
	l.SocketsPerAddr = c.Limits.SocketsPerAddr
	l.QueueMessages = c.Limits.QueueMessages
	l.QueueBytes = c.Limits.QueueBytes
	l.Hello = c.Limits.Hello
	l.Write = c.Limits.Write
	l.RingMax = c.Limits.RingMax
	l.PingIdle = protocol.Pulse{Every: c.Pulses.Idle, Dead: c.Pulses.IdleDead}
	l.PingActive = protocol.Pulse{Every: c.Pulses.Active, Dead: c.Pulses.ActiveDead}
	return l
}

func policy(m *config.Media) call.Policy {
	switch {
	case m.RelayOnly:
		return call.RelayOnly
	case m.RelayUntilAccept:
		return call.RelayUntilAccept
	}
	return call.AnyAddress
}

func timing(t *config.Timing) call.Timing {
	return call.Timing{
		Ring:         t.Ring,
		CallerGrace:  t.CallerGrace,
		Grace:        t.Grace,
		LeavingGrace: t.LeavingGrace,
		GraceHold:    t.GraceHold,
		Connect:      t.Connect,
		Ask:          t.Ask,
	}
}

func keysOf(a *config.Auth) auth.Keys {
	keys := auth.Keys{a.KeyID: auth.Secret(a.Secret)}
	for id, secret := range a.Keys {
		keys[id] = auth.Secret(secret)
	}
	return keys
}

func apiKeysOf(a *config.API) auth.APIKeys {
	keys := make(auth.APIKeys, len(a.Keys))
	for id, secret := range a.Keys {
		keys[id] = auth.Secret(secret)
	}
	return keys
}

// devPeers are the special addresses that the relay of a peal dev reaches unless told.
// Where others reach the server, loopback is not among them: programs that listen there
// trust every connection.
func devPeers(c *config.Config) []netip.Prefix {
	local := reach.Local()
	if c.Exposed() {
		local = slices.DeleteFunc(local, config.Loopback)
	}
	return local
}
