package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Pages says which pages may get tokens for any account from a peal dev: its own, those
// of other servers on this machine, and those that are listed. All other pages that the
// developer has open send requests here as well, and their owners point names of their
// own at this address (DNS rebinding), so that such a page counts as one of this server
// for the browser. Hence the origin and the host of a request are judged, each alone.
type Pages struct {
	host    string   // That of the address to listen on.
	origins []string // Lower case.
}

// NewPages takes the address that the server listens on, as it was configured, and the
// listed pages: hosts or scheme://host, where * stands for part of a name. The list "*"
// is every page.
func NewPages(addr string, origins []string) *Pages {
	p := &Pages{host: hostOf(addr)}
	for _, origin := range origins {
		p.origins = append(p.origins, strings.ToLower(origin))
	}
	return p
}

// refusal says why a request gets nothing, and what to do about it; nil where it may.
// What is no browser sends no origin.
func (p *Pages) refusal(r *http.Request) *pealv1.Error {
	if !p.knowsHost(hostOf(r.Host)) {
		return refuse("peal dev does not know that it is called %.100q: open it by its IP address "+
			"or as localhost, or start it with %s", r.Host, p.flag(r.Host))
	}
	for _, origin := range r.Header.Values("Origin") {
		if p.knowsOrigin(origin, r.Host) {
			continue
		}
		if origin == "null" {
			return refuse("a page opened from a file, or in a sandbox, gets no token from peal dev: " +
				"serve it from this machine (python3 -m http.server --bind 127.0.0.1), or start peal dev with " +
				"--origins \"*\", which gives tokens for any account to every page that is open in a browser here")
		}
		return refuse("pages of %.100q get no token from peal dev: serve them from localhost, "+
			"or start it with %s", origin, p.flag(origin))
	}
	return nil
}

// refuse says nothing but its own text, which is read by people.
func refuse(format string, args ...any) *pealv1.Error {
	e := protocol.BadRequest.Error()
	e.Message = fmt.Sprintf(format, args...)
	return e
}

// flag is what the developer adds to let a page in. Text that a shell may read as more
// than a name is not repeated: people paste this.
func (p *Pages) flag(page string) string {
	harmless := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".:/[]-_", c)
	}
	if page == "" || len(page) > 100 || strings.TrimFunc(page, harmless) != "" {
		return "--origins HOST"
	}
	return `--origins "` + page + `"`
}

// knowsHost: no one can point an IP address or localhost elsewhere, so a browser that asks
// for these means this server. Any other name must be one that the developer has given.
func (p *Pages) knowsHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || localName(host) {
		return true
	}
	if host != "" && host == p.host {
		return true
	}
	for _, pattern := range p.origins {
		if _, rest, found := strings.Cut(pattern, "://"); found {
			pattern = rest
		}
		if host != "" && matches(hostOf(pattern), host) {
			return true
		}
	}
	return false
}

// knowsOrigin judges the page; host is the Host of its request, which is known.
func (p *Pages) knowsOrigin(origin, host string) bool {
	origin = strings.ToLower(origin)
	for _, pattern := range p.origins {
		_, page, found := strings.Cut(origin, "://")
		switch {
		case pattern == "*":
			return true
		case strings.Contains(pattern, "://") && matches(pattern, origin),
			!strings.Contains(pattern, "://") && found && matches(pattern, page):
			return true
		}
	}
	page, err := url.Parse(origin)
	if err != nil || page.Scheme != "http" && page.Scheme != "https" || origin != page.Scheme+"://"+page.Host {
		return false
	}
	address, err := netip.ParseAddr(page.Hostname())
	return strings.EqualFold(page.Host, host) || localName(page.Hostname()) || err == nil && address.IsLoopback()
}

// localName says whether browsers take a name for this machine without asking (RFC 6761,
// section 6.3).
func localName(host string) bool { return host == "localhost" || strings.HasSuffix(host, ".localhost") }

// hostOf is the host of HOST:PORT or of HOST, in the form to compare.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// matches says whether a name is that of a pattern. The address of IPv6 is no pattern, and
// a pattern that is none matches nothing.
func matches(pattern, name string) bool {
	found, err := path.Match(pattern, name)
	return pattern == name || err == nil && found
}
