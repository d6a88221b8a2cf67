package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// ACME says from whom the server gets certificates by itself.
type ACME struct {
	Domains   []string `name:"domain" placeholder:"NAME" env:"DOMAIN" help:"Name to get a certificate for by ACME, from Let's Encrypt unless acme-directory says otherwise. The authority connects to port 443 of the name, which has to reach addr. You accept the authority's terms by it. May be repeated."`
	Email     string   `placeholder:"ADDRESS" env:"EMAIL" help:"Address to which the authority may write about the certificates."`
	Directory string   `default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" env:"DIRECTORY" help:"Directory of the ACME server (${default})."`
}

// On tells whether to get certificates by ACME.
func (a *ACME) On() bool { return len(a.Domains) > 0 }

// domainName is a name of two labels or more, as DNS has it.
var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (a *ACME) validate(t *TLS) error {
	if !a.On() {
		return nil
	}
	var errs []error
	if t.Cert != "" || t.Key != "" {
		errs = append(errs, errors.New("acme-domain and tls-cert are both given: leave one out"))
	}
	known := map[string]bool{}
	for _, name := range a.Domains {
		lower := strings.ToLower(name)
		_, err := netip.ParseAddr(name)
		switch {
		case err == nil || len(name) > 253 || !domainName.MatchString(lower):
			errs = append(errs, fmt.Errorf("acme-domain has %.300q: give a name such as calls.example.com, without port or *, "+
				"and xn--… for letters beyond ASCII", name))
		case known[lower]:
			errs = append(errs, fmt.Errorf("acme-domain has %q twice: leave one out", name))
		}
		known[lower] = true
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("acme-directory is %.300q: give the https URL of an ACME directory", a.Directory))
	}
	return errors.Join(errs...)
}
