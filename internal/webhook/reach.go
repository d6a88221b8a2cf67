package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/reach"
)

const (
	// connectTime is how long a look-up and a connection may take.
	connectTime = 3 * time.Second
	urlMost     = 2048
	httpsPort   = 443
	httpPort    = 80
	// leastPort is the first port that needs no privilege. The ports below belong to services of the
	// machine, such as SSH and mail.
	leastPort = 1024
)

// Reach says which addresses webhooks may reach. The zero value is the public internet by
// HTTPS. It is plain data.
type Reach struct {
	// Allow are ranges that may be reached although they are not public, over plain HTTP too: an
	// operator who allows a range trusts the network.
	Allow []netip.Prefix
	// Plain allows plain HTTP to all that may be reached.
	Plain bool
}

// Check validates the URL of an endpoint. It resolves no name: each connection checks its address. The
// errors say what to send instead.
func (r Reach) Check(text string) error {
	if len(text) > urlMost {
		return fmt.Errorf("the URL has %d bytes: give one of %d at most", len(text), urlMost)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("the URL cannot be read: give one such as https://example.com/hooks")
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return errors.New("the URL has no https: give one such as https://example.com/hooks")
	case u.User != nil:
		return errors.New("the URL has a user or password: the signature proves who sends, so leave them out")
	case u.Hostname() == "":
		return errors.New("the URL has no host: give one such as https://example.com/hooks")
	case strings.Contains(text, "#"):
		return errors.New("the URL has a fragment (#), which is never sent: leave it out")
	case u.Scheme == "http" && !r.Plain && len(r.Allow) == 0:
		return errors.New("the URL is plain http, by which anyone on the way can read calls: give an https URL, " +
			"or allow the receiver's network by --webhook-allow")
	}
	if err := checkPort(u); err != nil {
		return err
	}
	return r.checkHost(u)
}

func checkPort(u *url.URL) error {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Port() == "" && !strings.HasSuffix(u.Host, ":"):
		return nil // That of the scheme.
	case err != nil || !portAllowed(u.Scheme, uint16(port)):
		return fmt.Errorf("the URL has the port %q: give 443, or one of %d to 65535", u.Port(), leastPort)
	}
	return nil
}

func portAllowed(scheme string, port uint16) bool {
	return port >= leastPort || scheme == "https" && port == httpsPort || scheme == "http" && port == httpPort
}

// checkHost refuses hosts that no connection could reach.
func (r Reach) checkHost(u *url.URL) error {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	addr, err := netip.ParseAddr(host)
	if err == nil && addr.Zone() != "" {
		return errors.New("the URL has an address with a zone: give one without")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		addr, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	if err == nil {
		return r.allows(u.Scheme, addr)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c > '~' }):
		return errors.New("the host of the URL has characters beyond ASCII: give its form that begins with xn--")
	case host == "" || strings.Contains(host, "%") || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"):
		// Some resolvers read 2130706433 and 0x7f.1 as 127.0.0.1.
		return errors.New("the host of the URL is neither a name nor an address: give one such as example.com")
	}
	return nil
}

// blocked is the error of an address that may not be reached.
type blocked struct{ text string }

func (b *blocked) Error() string { return b.text }

// allows checks an address of a URL, or one before a connection to it.
func (r Reach) allows(scheme string, addr netip.Addr) error {
	switch {
	case !(reach.Policy{Allow: r.Allow}).Allows(addr):
		return &blocked{fmt.Sprintf("%s is not of the public internet: give an address that is, or allow this one by --webhook-allow", addr)}
	case scheme == "http" && !r.Plain && !reach.Within(reach.Canonical(addr), r.Allow):
		return &blocked{fmt.Sprintf("plain http to %s: give an https URL, or allow the address by --webhook-allow", addr)}
	}
	return nil
}

// dial connects for a scheme. It checks the address after the name was resolved, right before the
// connection, so a name cannot resolve to another address in between.
func (r Reach) dial(scheme string, resolver *net.Resolver) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{
		Timeout: connectTime, Resolver: resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return &blocked{"the address of the connection cannot be read"}
			}
			if !portAllowed(scheme, to.Port()) {
				return &blocked{fmt.Sprintf("port %d may not be reached", to.Port())}
			}
			return r.allows(scheme, to.Addr())
		},
	}
	return dialer.DialContext
}
