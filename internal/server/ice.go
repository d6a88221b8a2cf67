package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/reach"
	"github.com/peal-rtc/peal/internal/relay"
	"github.com/peal-rtc/peal/internal/store"
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
		allowed = devPeers(&s.cfg.Settings)
	}
	proxies, err := config.Prefixes("trusted-proxies", s.cfg.Settings.Access.TrustedProxies)
	if err != nil {
		return nil, err
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
	var secure *tls.Config
	if settings.TLSAddr != "" {
		if !s.hasTLS() {
			return nil, errors.New("turn-tls-addr needs a certificate: give tls-cert and tls-key, or acme-domain")
		}
		secure = s.secure()
	}
	start := func(port string) (*relay.Relay, error) {
		return relay.Start(relay.Config{
			Listen: net.JoinHostPort(host, port), ListenTLS: settings.TLSAddr, TLS: secure,
			External: external, PublicHost: settings.Host, AllowPeers: allowed,
			MinPort: settings.MinPort, MaxPort: settings.MaxPort, MaxAllocations: settings.Most,
			Secrets: s.keys.Load().turn, Logger: s.log, Now: s.clock.now, Live: s.liveCalls,
			StreamsPerAddr: s.limits.SocketsPerAddr, TrustedProxies: proxies,
		})
	}
	r, err := start(port)
	if errors.Is(err, syscall.EADDRINUSE) {
		if !s.cfg.Dev {
			return nil, fmt.Errorf("an address for STUN and TURN is in use (%w): stop what listens there or give another --turn-addr", err)
		}
		r, err = start("0")
	}
	if err != nil {
		return nil, err
	}
	s.doubt(r.Addr().Addr(), allowed)
	return r, nil
}

// doubt warns of an address that clients elsewhere cannot reach.
func (s *Server) doubt(announced netip.Addr, allowed []netip.Prefix) {
	public := reach.Policy{}.Allows(announced)
	if s.cfg.Dev || public || (reach.Policy{Allow: allowed}).Allows(announced) {
		return
	}
	s.log.Warn("clients receive an address of STUN and TURN that is not of the public internet: "+
		"give the public one by turn-announce, or, where all clients are in this network, allow it by turn-allow-peer",
		"address", announced)
}

// TURNAddr is where clients reach STUN and TURN; invalid where there is none.
func (s *Server) TURNAddr() netip.AddrPort {
	if s.relay == nil {
		return netip.AddrPort{}
	}
	return s.relay.Addr()
}

// announced says whether an address is that of what a relay relays: this one, or that of another
// node, where a device was that has come here.
func (s *Server) announced(at netip.Addr) bool {
	return s.relay != nil && s.relay.Addr().Addr() == at || s.neighbours.announce(at)
}

// liveCalls says which calls are live. The relay asks from a goroutine of its own once a
// minute, about the calls that hold relayed addresses: one read by key for each.
func (s *Server) liveCalls(ctx context.Context, ids []string) (map[string]bool, error) {
	live := make(map[string]bool, len(ids))
	for _, id := range ids {
		switch c, err := s.store.Call(ctx, call.ID(id)); {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, fmt.Errorf("read a call for the relay: %w", err)
		case c.Live():
			live[id] = true
		}
	}
	return live, nil
}

// iceServers gives a device what it may use for one call.
func (s *Server) iceServers(id call.ID, d call.Device, now time.Time) []*pealv1.IceServer {
	return s.serversFor(string(id), string(d.Account), string(d.ID), now)
}

// serversFor gives ICE servers to a device of an account, for a call or for none.
func (s *Server) serversFor(callID, account, device string, now time.Time) []*pealv1.IceServer {
	if s.relay == nil {
		return nil
	}
	var servers []*pealv1.IceServer
	for _, server := range s.relay.Servers(s.relay.User(callID, account, device), now) {
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
