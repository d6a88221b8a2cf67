package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/relay"
)

// startRelay starts STUN and TURN; nil where the settings want none.
func (s *Server) startRelay() (*relay.Relay, error) {
	settings := &s.cfg.Settings.TURN
	if settings.Off() {
		return nil, nil
	}
	allowed, err := config.Prefixes("turn-allow-peer", settings.AllowPeer)
	if err != nil {
		return nil, err
	}
	if s.cfg.Dev && len(allowed) == 0 {
		allowed = relay.LocalPrefixes()
	}
	var external netip.Addr
	if settings.Announce != "" {
		if external, err = netip.ParseAddr(settings.Announce); err != nil {
			return nil, fmt.Errorf("read turn-announce: %w", err)
		}
	}
	host, port, err := net.SplitHostPort(settings.Addr)
	if err != nil {
		return nil, fmt.Errorf("read turn-addr: %w", err)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	// The secret need not outlive the process: neither does what it was good for.
	start := func(port string) (*relay.Relay, error) {
		return relay.Start(relay.Config{
			Listen: net.JoinHostPort(host, port), External: external, AllowPeers: allowed,
			MinPort: settings.MinPort, MaxPort: settings.MaxPort, Secret: auth.NewSecret(), Logger: s.log, Now: s.clock.now,
		})
	}
	r, err := start(port)
	if errors.Is(err, syscall.EADDRINUSE) {
		if !s.cfg.Dev {
			return nil, fmt.Errorf("address %s for STUN and TURN is in use: stop what listens there or give another --turn-addr", settings.Addr)
		}
		r, err = start("0")
	}
	return r, err
}

// TURNAddr is where clients reach STUN and TURN; invalid where there is none.
func (s *Server) TURNAddr() netip.AddrPort {
	if s.relay == nil {
		return netip.AddrPort{}
	}
	return s.relay.Addr()
}

// iceServers gives a device what it may use for one call.
func (s *Server) iceServers(id call.ID, d call.Device, now time.Time) []*pealv1.IceServer {
	if s.relay == nil {
		return nil
	}
	var servers []*pealv1.IceServer
	for _, server := range s.relay.Servers(string(id)+"."+string(d.ID), now) {
		servers = append(servers, &pealv1.IceServer{
			Urls: server.URLs, Username: server.Username, Credential: server.Credential,
		})
	}
	return servers
}

// Outbound is the address of this machine by which it reaches other networks,
// and so most likely the one by which its neighbours reach it. It is loopback
// where the machine is alone.
func Outbound() netip.Addr { return relay.Reachable(netip.IPv4Unspecified()) }
