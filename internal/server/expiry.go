package server

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// expiryCheck is how often to look at the end of the certificate.
const expiryCheck = time.Hour

// expiryWarnings are the times before its end at which a certificate is warned of. The last
// one is the end itself.
var expiryWarnings = []time.Duration{14 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour, 0}

// servedName is a name or an address by which clients come, and the setting that gives it.
type servedName struct{ name, setting string }

// expiry warns of a certificate that clients refuse, or will. It belongs to one goroutine.
type expiry struct {
	log   *slog.Logger
	file  string
	names []servedName // That the certificate has to be for.

	seen []byte // The certificate of the last look.
	told int    // How many of expiryWarnings are over for it.
}

// look warns of what is new since the last look.
func (e *expiry) look(leaf *x509.Certificate, now time.Time) {
	const renew = "renew it: the files are read again by themselves"
	if !bytes.Equal(e.seen, leaf.Raw) {
		e.seen, e.told = leaf.Raw, 0
		e.judge(leaf, now)
	}
	left := leaf.NotAfter.Sub(now)
	due := 0
	for _, before := range expiryWarnings {
		if left <= before {
			due++
		}
	}
	if due <= e.told {
		return
	}
	e.told = due
	until := leaf.NotAfter.UTC().Format(time.RFC3339)
	if left <= 0 {
		e.log.Warn("certificate has expired", "expired", until, "file", e.file, "advice", renew)
		return
	}
	e.log.Warn("certificate expires soon", "expires", until, "left", rough(left), "file", e.file, "advice", renew)
}

// judge looks at what does not change with time alone.
func (e *expiry) judge(leaf *x509.Certificate, now time.Time) {
	if now.Before(leaf.NotBefore) {
		e.log.Warn("certificate is not valid yet", "from", leaf.NotBefore.UTC().Format(time.RFC3339), "file", e.file,
			"advice", "compare the clock of this machine with that of the one that made it")
	}
	for _, served := range e.names {
		if leaf.VerifyHostname(served.name) != nil {
			e.log.Warn("certificate is for another name", "name", served.name, "certificate_names", namesIn(leaf),
				"setting", served.setting, "file", e.file, "advice", "give a certificate for this name, or the name that the certificate is for")
		}
	}
}

// namesIn lists what a certificate is for.
func namesIn(leaf *x509.Certificate) string {
	names := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return strings.Join(names, ", ")
}

// rough is a duration in days, or hours where it is less than a day.
func rough(d time.Duration) string {
	if days := int(d / (24 * time.Hour)); days > 0 {
		return fmt.Sprintf("%d days", days)
	}
	return fmt.Sprintf("%d hours", int(d/time.Hour))
}

// namesToServe are the names by which clients come, as far as the settings tell: people may
// reach pages by others.
func (s *Server) namesToServe() []servedName {
	settings := &s.cfg.Settings
	var names []servedName
	host, _, _ := net.SplitHostPort(settings.Addr)
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		names = append(names, servedName{host, "addr"})
	}
	switch {
	case s.relay == nil || settings.TURN.TLSAddr == "":
	case settings.TURN.Host != "":
		names = append(names, servedName{settings.TURN.Host, "turn-host"})
	default:
		names = append(names, servedName{s.relay.Addr().Addr().String(), "turn-host"})
	}
	return names
}

// watchCertificate warns of the certificate now, and returns what goes on doing so until the
// server stops; nil where there is no certificate.
func (s *Server) watchCertificate() func() {
	if s.certificate == nil {
		return nil
	}
	e := &expiry{log: s.log, file: s.certificate.certFile}
	if !s.cfg.SelfSigned {
		e.names = s.namesToServe()
	}
	e.look(s.certificate.leaf(time.Now()), time.Now())
	return func() {
		ticker := time.NewTicker(expiryCheck)
		defer ticker.Stop()
		for {
			select {
			case <-s.quit:
				return
			case now := <-ticker.C:
				e.look(s.certificate.leaf(now), now)
			}
		}
	}
}
