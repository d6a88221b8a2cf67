package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// nameBytes and labelBytes are the longest name and the longest part of one (RFC 1035,
	// section 2.3.4).
	nameBytes  = 253
	labelBytes = 63
)

// hostMarks are the characters of names beside letters and digits. DNS has no underscore in
// names of hosts, though networks have, and browsers take it.
const hostMarks = ".-_"

// checkCharacters names the first character that a host does not have; marks are those that
// it may have beside letters and digits.
func checkCharacters(host, marks string) error {
	for _, c := range host {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune(marks, c):
		case c > unicode.MaxASCII && c != utf8.RuneError && unicode.IsLetter(c):
			return errors.New("give the form that browsers send, which begins with xn--")
		default:
			return fmt.Errorf("it holds %q, which no host has", string(c))
		}
	}
	return nil
}

// checkShape finds what browsers take for no host although its characters are those of one.
func checkShape(host string) error {
	last := host[strings.LastIndex(strings.TrimSuffix(host, "."), ".")+1:]
	switch {
	case strings.HasPrefix(host, "."):
		return errors.New("it begins with a dot")
	case strings.Contains(host, ".."):
		return errors.New("it has two dots in a row")
	case strings.Trim(last, "0123456789.") == "":
		// Browsers read a name whose last part is a number as an IPv4 address.
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("it is not an IPv4 address, and no name ends with a number")
		}
	}
	return nil
}

// checkName finds what browsers refuse as the host of an ICE server's URL (RFC 7064 and
// RFC 7065, section 3.1), and what no certificate is for.
func checkName(host string) error {
	if err := checkCharacters(host, hostMarks); err != nil {
		return err
	}
	if err := checkShape(host); err != nil {
		return err
	}
	if strings.HasSuffix(host, ".") {
		return errors.New("it ends with a dot, which certificates do not have")
	}
	if len(host) > nameBytes {
		return fmt.Errorf("a name has %d characters at most", nameBytes)
	}
	for label := range strings.SplitSeq(host, ".") {
		if len(label) > labelBytes {
			return fmt.Errorf("a part of a name has %d characters at most", labelBytes)
		}
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return errors.New("no part of a name begins or ends with a hyphen")
		}
	}
	return nil
}

// checkOrigin refuses an entry that is the origin of no page. Browsers send scheme://host,
// with the port only where it is not the scheme's own, and names in their ASCII form.
func checkOrigin(origin string) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("origins has %.100q, which no page matches: "+format, append([]any{origin}, args...)...)
	}
	scheme, rest, hasScheme := strings.Cut(origin, "://")
	if !hasScheme {
		scheme, rest = "", origin
	}
	scheme = strings.ToLower(scheme)
	if hasScheme && scheme != "http" && scheme != "https" {
		return wrong("the scheme is http or https")
	}
	if strings.EqualFold(origin, "null") {
		return wrong("all pages of files and in sandboxes have the origin null, so it names no page; serve the page by HTTP and give that host, " +
			`or give "*" for every page`)
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return wrong("leave out what follows the host: %s", rest[i:])
	}
	if addr, err := netip.ParseAddr(rest); err == nil && addr.Is6() {
		return wrong("write an IPv6 address in brackets: [%s]", rest)
	}
	host, port, hasPort := rest, "", false
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "]") {
		host, port, hasPort = rest[:i], rest[i+1:], true
	}
	if err := checkOriginHost(host); err != nil {
		return wrong("%w", err)
	}
	if !hasPort {
		return nil
	}
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || number == 0 || port[0] == '0' || port[0] == '+':
		return wrong("a port is 1 to 65535")
	case port == "443" && scheme != "http", port == "80" && scheme != "https":
		return wrong("browsers send no port where it is the scheme's own, so leave out :%s", port)
	}
	return nil
}

func checkOriginHost(host string) error {
	if host == "" {
		return errors.New("give a host such as app.example.com, or https://app.example.com")
	}
	if inside, isIPv6 := strings.CutPrefix(host, "["); isIPv6 {
		inside, closed := strings.CutSuffix(inside, "]")
		addr, err := netip.ParseAddr(inside)
		switch {
		case err != nil || !closed || !addr.Is6() || addr.Zone() != "":
			return fmt.Errorf("%s is not an IPv6 address in brackets", host)
		case !addr.Is4In6() && addr.String() != strings.ToLower(inside):
			return fmt.Errorf("write [%s], as browsers send it", addr)
		}
		return nil
	}
	if err := checkCharacters(host, hostMarks+"*"); err != nil {
		return err
	}
	return checkShape(host)
}
