package auth

import (
	"encoding/json"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// NameBytes bounds the claim name, and AvatarBytes the claim avatar.
	NameBytes   = 64
	AvatarBytes = 512
)

// Card is how an account is shown to the other side of a call. The application's
// backend vouches for it by signing the token.
type Card struct {
	// Name is the person's name; empty where the token has none.
	Name string
	// Avatar is the https URL of the person's picture; empty where the token has none.
	Avatar string
}

// check returns what is wrong with a card, by the name of the claim. It quotes neither text.
func (c Card) check() error {
	switch {
	case len(c.Name) > NameBytes:
		return invalid("its claim name has %d bytes, at most %d: shorten the name in your backend", len(c.Name), NameBytes)
	case !utf8.ValidString(c.Name):
		return invalid("its claim name is not UTF-8: encode the name as UTF-8 in your backend")
	case strings.ContainsFunc(c.Name, breaks):
		return invalid("its claim name holds a control character or a line break: remove it in your backend")
	case len(c.Avatar) > AvatarBytes:
		return invalid("its claim avatar has %d bytes, at most %d: give a shorter URL", len(c.Avatar), AvatarBytes)
	case c.Avatar != "" && !isPicture(c.Avatar):
		return invalid("its claim avatar is not an https URL: give an absolute one such as https://example.com/a.png, " +
			"without a user name, and percent-encode what RFC 3986 does not allow in a URL")
	}
	return nil
}

// breaks says that a character is a control character or breaks the line.
func breaks(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// isPicture says whether a text is an absolute https URL in the characters of RFC 3986
// alone. Other characters, such as quotation marks, could end an attribute or a url() of
// CSS in a page that puts the URL there carelessly.
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

// textClaim is a claim whose value should be a text. A value of another type is kept as a
// fault, so that the refusal can name the claim.
type textClaim struct {
	text  string
	fault string
}

// UnmarshalJSON reads the claim; null is as good as no claim. The JSON package replaces
// bytes that are not UTF-8, so the claim looks for them in what it is given.
func (c *textClaim) UnmarshalJSON(value []byte) error {
	*c = textClaim{}
	switch {
	case !utf8.Valid(value):
		c.fault = "is not UTF-8: encode it as UTF-8 in your backend"
	case json.Unmarshal(value, &c.text) != nil:
		c.fault = "is not a string: give a string, or leave the claim out"
	}
	return nil
}

// MarshalJSON writes the text.
func (c textClaim) MarshalJSON() ([]byte, error) { return json.Marshal(c.text) }

// card checks the two claims of a token.
func (c *claims) card() (Card, error) {
	switch {
	case c.Name.fault != "":
		return Card{}, invalid("its claim name %s", c.Name.fault)
	case c.Avatar.fault != "":
		return Card{}, invalid("its claim avatar %s", c.Avatar.fault)
	}
	card := Card{c.Name.text, c.Avatar.text}
	return card, card.check()
}
