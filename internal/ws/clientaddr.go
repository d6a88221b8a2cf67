package ws

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/peal-rtc/peal/internal/doorstep"
)

// ClientAddr is where a request comes from: an IPv4 address, or the /64 of an
// IPv6 one, since that is what one customer has. Each trusted proxy is believed
// about the one before it, so what an outsider writes himself is not.
//
// A proxy writes X-Forwarded-For or Forwarded, and may pass on the other one as
// the client wrote it. Where the two differ neither is believed, and the request
// counts for the proxy.
func ClientAddr(r *http.Request, trusted []netip.Prefix) (netip.Addr, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("split remote address: %w", err)
	}
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read remote address: %w", err)
	}
	peer = peer.Unmap().WithZone("")
	hops, others := xForwardedForHops(r.Header.Values("X-Forwarded-For")), forwardedHops(r.Header.Values("Forwarded"))
	if len(hops) == 0 {
		hops, others = others, nil
	}
	addr := doorstep.Of(before(peer, hops, trusted))
	if len(others) > 0 && addr != doorstep.Of(before(peer, others, trusted)) {
		return doorstep.Of(peer), nil
	}
	return addr, nil
}

// before follows the hops of a request back from the peer, as far as the trusted proxies go.
func before(peer netip.Addr, hops []string, trusted []netip.Prefix) netip.Addr {
	addr := peer
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			break
		}
		known, ok := hopAddr(hop)
		if !ok {
			break
		}
		addr = known
	}
	return addr
}

// hopAddr reads an address as proxies write it: alone, in brackets, with a port.
func hopAddr(hop string) (netip.Addr, bool) {
	host := hop
	if inside, brackets := strings.CutPrefix(hop, "["); brackets {
		before, after, closed := strings.Cut(inside, "]")
		port, hasPort := strings.CutPrefix(after, ":")
		if !closed || !strings.Contains(before, ":") || hasPort != (after != "") || hasPort && !isPort(port) {
			return netip.Addr{}, false
		}
		host = before
	} else if before, port, found := strings.Cut(hop, ":"); found && !strings.Contains(port, ":") {
		if !isPort(port) {
			return netip.Addr{}, false
		}
		host = before
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap().WithZone(""), err == nil
}

// isPort says whether a text is a port, or one that hides it (RFC 7239, section 6.3).
func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil || strings.HasPrefix(text, "_")
}

// xForwardedForHops lists who asked whom, the first one first. Empty entries are none.
func xForwardedForHops(lines []string) []string {
	var hops []string
	for hop := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if hop = strings.TrimSpace(hop); hop != "" {
			hops = append(hops, hop)
		}
	}
	return hops
}

// forwardedHops lists the same of the header of RFC 7239. A hop that is not named is empty,
// and so is a whole line that is not well-formed: a client may have written its beginning,
// and what it left open would take in what the proxy added.
func forwardedHops(lines []string) []string {
	var hops []string
	for _, line := range lines {
		if strings.Trim(line, " \t,") == "" {
			continue
		}
		of, ok := forwardedLine(line)
		if !ok {
			of = []string{""}
		}
		hops = append(hops, of...)
	}
	return hops
}

// forwardedLine reads one line: elements between commas, made of pairs between semicolons.
func forwardedLine(line string) (hops []string, ok bool) {
	hop, named, pairs := "", false, 0
	end := func() {
		if pairs > 0 {
			hops = append(hops, hop)
		}
		hop, named, pairs = "", false, 0
	}
	for rest := line; ; {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			end()
			return hops, true
		}
		switch rest[0] {
		case ',':
			end()
			rest = rest[1:]
			continue
		case ';':
			rest = rest[1:]
			continue
		}
		name, value, after, ok := forwardedPair(rest)
		if !ok {
			return nil, false
		}
		pairs++
		if strings.EqualFold(name, "for") {
			if named {
				return nil, false
			}
			hop, named = value, true
		}
		rest = after
	}
}

// forwardedPair reads name=value, where the value may be quoted; rest begins with what ends it.
func forwardedPair(text string) (name, value, rest string, ok bool) {
	name, rest, found := strings.Cut(text, "=")
	if !found || !isToken(name) {
		return "", "", "", false
	}
	if quoted, is := strings.CutPrefix(rest, `"`); is {
		value, rest, ok = unquote(quoted)
	} else {
		i := strings.IndexAny(rest, ",; \t")
		if i < 0 {
			i = len(rest)
		}
		value, rest = rest[:i], rest[i:]
		ok = isToken(value)
	}
	rest = strings.TrimLeft(rest, " \t")
	return name, value, rest, ok && (rest == "" || rest[0] == ',' || rest[0] == ';')
}

// unquote reads up to the closing quotation mark.
func unquote(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}

// isToken says whether a text is a token of RFC 9110, section 5.6.2. Some proxies write a
// port without quotes, so : is taken as well.
func isToken(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~:", c) >= 0:
		default:
			return false
		}
	}
	return text != ""
}
