package config

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Exposed tells whether anything listens where other machines may reach it. An address
// that cannot be read counts as such.
func (c *Config) Exposed() bool {
	return !onLoopback(c.Addr) || c.TURN.exposed()
}

func (t *TURN) exposed() bool {
	return !t.Off() && (!onLoopback(t.Addr) || t.TLSAddr != "" && !onLoopback(t.TLSAddr))
}

// onLoopback tells whether only this machine reaches what listens on HOST:PORT.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// own are the ranges by which a machine reaches itself and nobody else reaches it: loopback,
// and the unspecified address, which systems send to loopback.
var own = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("::/128"),
}

// Loopback tells whether a range holds an address of this machine's loopback.
func Loopback(p netip.Prefix) bool { return slices.ContainsFunc(own, p.Overlaps) }

// CheckDev finds settings that are too open for a server that gives tokens to everyone
// who reaches it.
func (c *Config) CheckDev() error {
	allowed, err := Prefixes("turn-allow-peer", c.TURN.AllowPeer)
	if err != nil || !c.Exposed() {
		return err
	}
	var open []string
	for _, prefix := range allowed {
		if Loopback(prefix) {
			open = append(open, prefix.String())
		}
	}
	if len(open) == 0 {
		return nil
	}
	return errors.New("turn-allow-peer has " + strings.Join(open, ", ") + ", and the server listens on more than loopback: everyone " +
		"who reaches it could send to services that trust this machine; leave loopback out, or listen on 127.0.0.1 by addr and turn-addr")
}
