package protocol

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// This file is the gate for session descriptions (RFC 8866, RFC 8829). A
// description is never passed on as it came: one strict reader takes it apart,
// and what a peer receives is rebuilt from the lines and attributes that
// Chromium, Firefox, Safari and pion send. Browsers read more than they write,
// and each reads other things: Firefox takes "a= CANDIDATE:" for a candidate.
// So the list names what passes, and no spelling of anything else does.
//
// No address passes: those travel as candidates, which can be counted and kept
// back. Nothing passes that makes a browser send before its user has accepted.

// rebuild reads the description that a field holds and writes it again from the
// allowed lines. It refuses what is no description, and candidates, whose loss
// the sender should learn of; it drops every other line that is not allowed.
func rebuild(field string, sdp *string, l *Limits) *pealv1.Error {
	text := *sdp
	if err := size(field, text, 1, l.SDPBytes); err != nil {
		return err
	}
	r := description{field: field}
	r.out.Grow(len(text) + 64)
	for number := 1; text != ""; number++ {
		line, rest, _ := strings.Cut(text, "\n")
		line, text = strings.TrimSuffix(line, "\r"), rest
		if err := r.line(number, line); err != nil {
			return err
		}
	}
	if len(r.seen) < len(preamble) {
		return BadRequest.Because("%s is not a session description: it has no line %c=", field, preamble[len(r.seen)])
	}
	*sdp = r.out.String()
	return size(field, *sdp, 1, l.SDPBytes)
}

// preamble are the lines by which each description begins, in their order.
const preamble = "vost"

// description is one that is being rebuilt.
type description struct {
	field string
	out   strings.Builder
	seen  string // What of the preamble has come.
	// sections are the kinds of the media sections so far.
	sections string
}

func (r *description) refuse(number int, why string) *pealv1.Error {
	return BadRequest.Because("%s, line %d: %s", r.field, number, why)
}

// line takes one line, without its end.
func (r *description) line(number int, line string) *pealv1.Error {
	if i := strings.IndexFunc(line, func(c rune) bool { return c < ' ' || c > '~' }); i >= 0 {
		return r.refuse(number, "byte "+strconv.Itoa(i+1)+" is not printable ASCII")
	}
	if len(line) < 2 || line[1] != '=' {
		return r.refuse(number, "it is not of the form letter=value")
	}
	kind, value := line[0], line[2:]
	// Between subject and times there may be who to ask, and the like.
	if len(r.seen) < len(preamble) && kind != preamble[len(r.seen)] && strings.IndexByte("iuepcb", kind) < 0 {
		return r.refuse(number, "want "+string(preamble[len(r.seen)])+"=")
	}
	switch kind {
	case 'v', 'o', 's', 't':
		if len(r.seen) == len(preamble) {
			return r.refuse(number, "there is a line "+string(kind)+"= already")
		}
		r.seen += string(kind)
		return r.begin(number, kind, value)
	case 'c':
		r.write("c=IN IP4 0.0.0.0")
	case 'b':
		if bandwidth(value) {
			r.write(line)
		}
	case 'm':
		return r.section(number, value)
	case 'a':
		return r.attribute(number, value)
	}
	return nil
}

func (r *description) write(line string) {
	r.out.WriteString(line)
	r.out.WriteString("\r\n")
}

// begin takes a line of the preamble. Of the origin only what numbers the
// description stays.
func (r *description) begin(number int, kind byte, value string) *pealv1.Error {
	switch kind {
	case 'v':
		if value != "0" {
			return r.refuse(number, "want v=0")
		}
		r.write("v=0")
	case 'o':
		f := strings.Split(value, " ")
		if len(f) != 6 || !digits(f[1], 20) || !digits(f[2], 20) {
			return r.refuse(number, "want o=NAME ID VERSION IN IP4 0.0.0.0")
		}
		r.write("o=- " + f[1] + " " + f[2] + " IN IP4 0.0.0.0")
	case 's':
		r.write("s=-")
	case 't':
		r.write("t=0 0")
	}
	return nil
}

// section begins a media section. There is one of audio and one of video, as
// Peal's clients make them: for each further one a browser would open a sender. One
// more is refused, since without it the sections after it would have other numbers.
func (r *description) section(number int, value string) *pealv1.Error {
	f := strings.Split(value, " ")
	if len(f) < 4 || !digits(f[1], 5) {
		return r.refuse(number, "want m=KIND PORT PROTOCOL FORMATS")
	}
	if f[0] != "audio" && f[0] != "video" || f[2] != "UDP/TLS/RTP/SAVPF" {
		return r.refuse(number, "want audio or video over UDP/TLS/RTP/SAVPF")
	}
	if strings.Contains(r.sections, f[0]) {
		return r.refuse(number, "there is a section "+f[0]+" already")
	}
	r.sections += " " + f[0]
	for _, format := range f[3:] {
		if !digits(format, 3) {
			return r.refuse(number, "a format is not a payload type")
		}
	}
	if f[1] != "0" { // A port is used by candidates alone; 0 means a refused or bundled section.
		f[1] = "9"
	}
	r.write("m=" + strings.Join(f, " "))
	return nil
}

func (r *description) attribute(number int, value string) *pealv1.Error {
	name, rest, has := strings.Cut(value, ":")
	if strings.EqualFold(strings.TrimSpace(name), "candidate") {
		return r.refuse(number, "it holds a candidate: send those by the command candidates")
	}
	switch name {
	case "rtcp": // Its port and address are of use to nobody since rtcp-mux.
		r.write("a=rtcp:9 IN IP4 0.0.0.0")
		return nil
	case "ice-options":
		rest = iceOptions(rest)
	}
	rule, allowed := attributes[name]
	if !allowed || has == (rule == nil) || has && !rule(rest) {
		return nil
	}
	line := name
	if has {
		line += ":" + rest
	}
	if name != "fingerprint" && namesAddress(line) { // The name may be the first part of it.
		return nil
	}
	r.write("a=" + line)
	return nil
}

// attributes are those that pass, each with the rule for its value; nil where it
// has none.
var attributes = map[string]func(string) bool{
	// The session and its transport.
	"group": plain, "msid-semantic": plain, "extmap-allow-mixed": nil, "cryptex": nil,
	"ice-ufrag": iceText, "ice-pwd": iceText, "ice-options": plain,
	"fingerprint": fingerprint, "setup": oneOf("active", "passive", "actpass", "holdconn"),
	// A media section.
	"mid": plain, "msid": plain, "bundle-only": nil,
	"sendrecv": nil, "sendonly": nil, "recvonly": nil, "inactive": nil,
	"rtcp-mux": nil, "rtcp-mux-only": nil, "rtcp-rsize": nil, "rtcp-xr": plain,
	"rtpmap": plain, "fmtp": plain, "rtcp-fb": plain, "extmap": plain, "ptime": plain, "maxptime": plain,
	"ssrc": plain, "ssrc-group": plain, "rid": plain, "simulcast": plain,
	"framerate": plain, "imageattr": plain, "packetization": plain, "x-google-flag": plain,
}

// plain takes a text that is there. It may not name an address; that is looked for
// in the whole line.
func plain(s string) bool { return s != "" }

func oneOf(words ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(words, s) }
}

// iceText takes a user fragment or a password (RFC 8839, section 5.4).
func iceText(s string) bool {
	return len(s) >= 4 && len(s) <= 256 && strings.IndexFunc(s, func(c rune) bool {
		return !alphanumeric(c) && c != '+' && c != '/'
	}) < 0
}

// iceOptions keeps the options that change nothing about who sends first.
func iceOptions(s string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(s), func(option string) bool {
		return option != "trickle" && option != "ice2" && option != "renomination"
	}), " ")
}

// fingerprint takes the name of a hash and its bytes in hexadecimal (RFC 8122,
// section 5).
func fingerprint(s string) bool {
	hash, sum, ok := strings.Cut(s, " ")
	if !ok || hash == "" || strings.IndexFunc(hash, func(c rune) bool { return !alphanumeric(c) && c != '-' }) >= 0 {
		return false
	}
	bytes := strings.Split(sum, ":")
	for _, b := range bytes {
		if _, err := strconv.ParseUint(b, 16, 8); err != nil || len(b) != 2 {
			return false
		}
	}
	return len(bytes) >= 16 && len(bytes) <= 64
}

func bandwidth(s string) bool {
	kind, kilobits, ok := strings.Cut(s, ":")
	return ok && (kind == "AS" || kind == "TIAS") && digits(kilobits, 12)
}

func digits(s string, most int) bool {
	return s != "" && len(s) <= most && strings.IndexFunc(s, func(c rune) bool { return c < '0' || c > '9' }) < 0
}

func alphanumeric(c rune) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// The forms of an IP address: four numbers, leading zeros included, which some
// readers accept; and eight groups of hexadecimal digits. An IPv6 address in any other
// form has "::" or ends in four numbers.
var (
	fourNumbers = regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+`)
	eightGroups = regexp.MustCompile(`(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}`)
)

// namesAddress reports whether a text contains an IP address.
func namesAddress(s string) bool {
	return strings.Contains(s, "::") ||
		strings.Count(s, ".") >= 3 && fourNumbers.MatchString(s) ||
		strings.Count(s, ":") >= 7 && eightGroups.MatchString(s)
}
