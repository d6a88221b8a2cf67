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
	r := description{field: field, text: text}
	for number := 1; r.next < len(text); number++ {
		line, _, _ := strings.Cut(text[r.next:], "\n")
		r.start, r.next = r.next, min(r.next+len(line)+1, len(text))
		if err := r.line(number, strings.TrimSuffix(line, "\r")); err != nil {
			return err
		}
	}
	if r.seen < len(preamble) {
		return BadRequest.Because("%s is not a session description: it has no line %c=", field, preamble[r.seen])
	}
	*sdp = r.rebuilt()
	return size(field, *sdp, 1, l.SDPBytes)
}

// preamble are the lines by which each description begins, in their order.
const preamble = "vost"

// description is one that is being rebuilt.
type description struct {
	field, text string
	// start is where the line is that is being read, and next where the next one is.
	start, next int
	// kept is how much of the text is as it is to be. Where that is not all of it, what
	// is to be is in out.
	kept    int
	changed bool
	out     strings.Builder
	seen    int // How many lines of the preamble have come.
	// sections are the kinds of the media sections so far.
	sections string
}

func (r *description) refuse(number int, why string) *pealv1.Error {
	return BadRequest.Because("%s, line %d: %s", r.field, number, why)
}

// line takes one line, without its end.
func (r *description) line(number int, line string) *pealv1.Error {
	for i := range len(line) {
		if line[i] < ' ' || line[i] > '~' {
			return r.refuse(number, "byte "+strconv.Itoa(i+1)+" is not printable ASCII")
		}
	}
	if len(line) < 2 || line[1] != '=' {
		return r.refuse(number, "it is not of the form letter=value")
	}
	kind, value := line[0], line[2:]
	// Between subject and times there may be who to ask, and the like.
	if r.seen < len(preamble) && kind != preamble[r.seen] && strings.IndexByte("iuepcb", kind) < 0 {
		return r.refuse(number, "want "+string(preamble[r.seen])+"=")
	}
	switch kind {
	case 'v', 'o', 's', 't':
		if r.seen == len(preamble) {
			return r.refuse(number, "there is a line "+string(kind)+"= already")
		}
		r.seen++
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

// write adds a line of those parts. While each line is as it came, nothing is copied.
func (r *description) write(parts ...string) {
	came := r.text[r.start:r.next]
	for _, part := range parts {
		if !r.changed {
			rest, same := strings.CutPrefix(came, part)
			r.changed = !same
			came = rest
		}
	}
	if r.changed = r.changed || r.kept != r.start || came != "\r\n"; !r.changed {
		r.kept = r.next
		return
	}
	if r.out.Len() == 0 {
		r.out.Grow(len(r.text) + 64)
		r.out.WriteString(r.text[:r.kept])
	}
	for _, part := range parts {
		r.out.WriteString(part)
	}
	r.out.WriteString("\r\n")
}

// rebuilt is the description as it is to be.
func (r *description) rebuilt() string {
	if r.changed {
		return r.out.String()
	}
	return r.text[:r.kept]
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
		r.write("o=- ", f[1], " ", f[2], " IN IP4 0.0.0.0")
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
	colon := ""
	if has {
		colon = ":"
	}
	if name != "fingerprint" && namesAddress(name, colon, rest) { // The name may be the first part of it.
		return nil
	}
	r.write("a=", name, colon, rest)
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
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '+' && s[i] != '/' {
			return false
		}
	}
	return len(s) >= 4 && len(s) <= 256
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
	if !ok || hash == "" || len(sum)%3 != 2 || len(sum) < 3*16-1 || len(sum) > 3*64-1 {
		return false
	}
	for i := range len(hash) {
		if !alphanumeric(hash[i]) && hash[i] != '-' {
			return false
		}
	}
	for i := range len(sum) {
		if i%3 == 2 && sum[i] != ':' || i%3 != 2 && !hexadecimal(sum[i]) {
			return false
		}
	}
	return true
}

func bandwidth(s string) bool {
	kind, kilobits, ok := strings.Cut(s, ":")
	return ok && (kind == "AS" || kind == "TIAS") && digits(kilobits, 12)
}

func digits(s string, most int) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= most
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func hexadecimal(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// The forms of an IP address: four numbers, leading zeros included, which some
// readers accept; and eight groups of hexadecimal digits. An IPv6 address in any other
// form has "::" or ends in four numbers.
var (
	fourNumbers = regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+`)
	eightGroups = regexp.MustCompile(`(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}`)
)

// namesAddress reports whether a text, in parts, contains an IP address.
func namesAddress(parts ...string) bool {
	dots, colons := 0, 0
	var last byte
	for _, part := range parts {
		for i := range len(part) {
			switch c := part[i]; {
			case c == '.':
				dots++
			case c == ':' && last == ':':
				return true
			case c == ':':
				colons++
			}
			last = part[i]
		}
	}
	if dots < 3 && colons < 7 {
		return false
	}
	text := strings.Join(parts, "")
	return dots >= 3 && fourNumbers.MatchString(text) || colons >= 7 && eightGroups.MatchString(text)
}
