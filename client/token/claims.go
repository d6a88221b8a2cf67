package token

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds are those of a server by default.
const (
	accountBytes = 128
	nameBytes    = 64
	avatarBytes  = 512
)

// check refuses what a server refuses, so that a backend learns of it and not a page. The
// server's rules are in internal/protocol and internal/auth; a test of cmd/peal compares.
func (c Claims) check() error {
	switch {
	case c.Account == "" || len(c.Account) > accountBytes || !printable(c.Account):
		return fmt.Errorf("token: Claims.Account is %.200q: give 1 to %d bytes of printable text without blanks around it", c.Account, accountBytes)
	case len(c.Name) > nameBytes:
		return fmt.Errorf("token: Claims.Name has %d bytes, at most %d: shorten it", len(c.Name), nameBytes)
	case !utf8.ValidString(c.Name) || strings.ContainsFunc(c.Name, breaksLine):
		return fmt.Errorf("token: Claims.Name is %q: give UTF-8 without control characters and line breaks", c.Name)
	case len(c.Avatar) > avatarBytes:
		return fmt.Errorf("token: Claims.Avatar has %d bytes, at most %d: give a shorter URL", len(c.Avatar), avatarBytes)
	case c.Avatar != "" && !isPicture(c.Avatar):
		return fmt.Errorf("token: Claims.Avatar is %q: give an absolute https URL such as https://example.com/a.png, without a user name, "+
			"and percent-encode what RFC 3986 does not allow in a URL", c.Avatar)
	}
	return nil
}

// printable says whether a text is UTF-8 that can be read, without blanks around it.
func printable(text string) bool {
	return utf8.ValidString(text) && strings.TrimSpace(text) == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func breaksLine(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// isPicture says whether a text is an absolute https URL in the characters of RFC 3986 alone.
func isPicture(text string) bool {
	const marks = "-._~:/?#[]@!$&'()*+,;=%"
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(marks, c) >= 0:
		default:
			return false
		}
	}
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil
}
