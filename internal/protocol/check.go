package protocol

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// check holds a command to the shapes and limits of the schema's comments, and
// rebuilds its session description.
func check(f *pealv1.ClientFrame, l *Limits) *pealv1.Error {
	if id, ok := commandCallID(f); ok {
		if err := uuid("call_id", id); err != nil {
			return err
		}
	}
	if f.Quiet && !mayBeQuiet(f) {
		return BadRequest.Because("only ringing, ring_timeout, candidates, media, tracks and leaving may be quiet: the effect of every other command is in its answer")
	}
	switch c := f.Command.(type) {
	case *pealv1.ClientFrame_Hello:
		return checkHello(c.Hello, l)
	case *pealv1.ClientFrame_Authenticate:
		return size("token", c.Authenticate.Token, 1, l.TokenBytes)
	case *pealv1.ClientFrame_Invite:
		return checkInvite(c.Invite, l)
	case *pealv1.ClientFrame_Ringing:
		return ringTimeout(c.Ringing.RingTimeoutMs, l)
	case *pealv1.ClientFrame_Accept:
		if err := checkCandidates(c.Accept.Candidates, l); err != nil {
			return err
		}
		return rebuild("answer", &c.Accept.Answer, l)
	case *pealv1.ClientFrame_Offer:
		return rebuild("sdp", &c.Offer.Sdp, l)
	case *pealv1.ClientFrame_Answer:
		return rebuild("sdp", &c.Answer.Sdp, l)
	case *pealv1.ClientFrame_Candidates:
		return checkCandidates(c.Candidates.Candidates, l)
	case *pealv1.ClientFrame_Media:
		if _, known := pealv1.MediaPath_name[int32(c.Media.Path)]; !known {
			return BadRequest.Because("path %d is unknown", c.Media.Path)
		}
	case *pealv1.ClientFrame_SwitchType:
		return checkType(c.SwitchType.Type)
	case *pealv1.ClientFrame_ListRecords:
		return checkListRecords(c.ListRecords, l)
	case *pealv1.ClientFrame_Tracks:
		if c.Tracks.Tracks == nil {
			return BadRequest.Because("tracks is missing")
		}
	}
	return nil
}

// mayBeQuiet says that nothing but the answer's failure matters to who sends this.
func mayBeQuiet(f *pealv1.ClientFrame) bool {
	switch f.Command.(type) {
	case *pealv1.ClientFrame_Ringing, *pealv1.ClientFrame_RingTimeout, *pealv1.ClientFrame_Candidates,
		*pealv1.ClientFrame_Media, *pealv1.ClientFrame_Tracks, *pealv1.ClientFrame_Leaving:
		return true
	}
	return false
}

func checkHello(h *pealv1.Hello, l *Limits) *pealv1.Error {
	if err := size("token", h.Token, 1, l.TokenBytes); err != nil {
		return err
	}
	if err := size("client", h.Client, 0, 128); err != nil {
		return err
	}
	if !ValidDeviceID(h.DeviceId) {
		return BadRequest.Because("device_id must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	if h.Resume && !h.Fresh {
		return BadRequest.Because("resume needs fresh")
	}
	if err := timestamp("attempt_at", h.AttemptAt); err != nil {
		return err
	}
	return timestamp("login_at", h.LoginAt)
}

// timestamp takes what counts in nanoseconds everywhere.
func timestamp(field string, t *timestamppb.Timestamp) *pealv1.Error {
	if t == nil {
		return nil
	}
	if year := t.AsTime().Year(); !t.IsValid() || year < 1970 || year > 2200 {
		return BadRequest.Because("%s must be between the years 1970 and 2200", field)
	}
	return nil
}

func checkListRecords(q *pealv1.ListRecords, l *Limits) *pealv1.Error {
	if q.Limit > uint32(l.RecordPage) {
		return LimitExceeded.Because("limit is %d, at most %d", q.Limit, l.RecordPage)
	}
	switch from := q.From.(type) {
	case *pealv1.ListRecords_Before:
		return timestamp("before", from.Before)
	case *pealv1.ListRecords_Since:
		return timestamp("since", from.Since)
	case *pealv1.ListRecords_BeforeCall:
		return uuid("before_call", from.BeforeCall)
	case *pealv1.ListRecords_AfterCall:
		return uuid("after_call", from.AfterCall)
	}
	return nil
}

func checkType(t pealv1.CallType) *pealv1.Error {
	if t == pealv1.CallType_CALL_TYPE_UNSPECIFIED {
		return BadRequest.Because("type is missing")
	}
	if _, known := pealv1.CallType_name[int32(t)]; !known {
		return BadRequest.Because("type %d is unknown", t)
	}
	return nil
}

func checkInvite(in *pealv1.Invite, l *Limits) *pealv1.Error {
	if !ValidAccount(in.Callee, l) {
		return BadRequest.Because("callee must be 1 to %d bytes of printable text without blanks around it", l.AccountBytes)
	}
	if err := checkType(in.Type); err != nil {
		return err
	}
	if err := size("attachment", in.Attachment, 0, l.AttachmentBytes); err != nil {
		return err
	}
	if err := ringTimeout(in.RingTimeoutMs, l); err != nil {
		return err
	}
	if _, known := pealv1.IcePolicy_name[int32(in.IcePolicy)]; !known {
		return BadRequest.Because("ice_policy %d is unknown", in.IcePolicy)
	}
	return rebuild("offer", &in.Offer, l)
}

func checkCandidates(list []*pealv1.Candidate, l *Limits) *pealv1.Error {
	if len(list) > l.Candidates {
		return LimitExceeded.Because("%d candidates, at most %d", len(list), l.Candidates)
	}
	total := 0
	for _, x := range list {
		total += len(x.Candidate) + len(x.GetSdpMid()) + len(x.GetUsernameFragment())
	}
	if total > l.CandidateBytes {
		return LimitExceeded.Because("%d bytes of candidates, at most %d", total, l.CandidateBytes)
	}
	for i, x := range list {
		// An empty one says that there are no more.
		if _, ok := parseCandidate(x.Candidate); !ok && x.Candidate != "" {
			return BadRequest.Because("candidate %d of the message is no ICE candidate", i+1)
		}
		if x.SdpMid != nil && !visible(*x.SdpMid) || x.UsernameFragment != nil && !iceText(*x.UsernameFragment) {
			return BadRequest.Because("candidate %d of the message has no valid sdp_mid or username_fragment", i+1)
		}
	}
	return nil
}

// visible takes printable ASCII without blanks, or nothing.
func visible(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// commandCallID finds the call that a command is about.
func commandCallID(f *pealv1.ClientFrame) (id string, ok bool) {
	var about interface{ GetCallId() string }
	switch c := f.Command.(type) {
	case *pealv1.ClientFrame_Invite:
		about = c.Invite
	case *pealv1.ClientFrame_Ringing:
		about = c.Ringing
	case *pealv1.ClientFrame_RingTimeout:
		about = c.RingTimeout
	case *pealv1.ClientFrame_Accept:
		about = c.Accept
	case *pealv1.ClientFrame_Reject:
		about = c.Reject
	case *pealv1.ClientFrame_Cancel:
		about = c.Cancel
	case *pealv1.ClientFrame_Hangup:
		about = c.Hangup
	case *pealv1.ClientFrame_Offer:
		about = c.Offer
	case *pealv1.ClientFrame_Answer:
		about = c.Answer
	case *pealv1.ClientFrame_Candidates:
		about = c.Candidates
	case *pealv1.ClientFrame_Media:
		about = c.Media
	case *pealv1.ClientFrame_Restart:
		about = c.Restart
	case *pealv1.ClientFrame_Tracks:
		about = c.Tracks
	case *pealv1.ClientFrame_SwitchType:
		about = c.SwitchType
	default:
		return "", false
	}
	return about.GetCallId(), true
}

// uuid takes a UUIDv7 in lower case, the only form, so that two spellings
// can never be two calls.
func uuid(field, s string) *pealv1.Error {
	ok := len(s) == 36 && s[14] == '7' && strings.IndexByte("89ab", s[19]) >= 0
	for i := 0; ok && i < len(s); i++ {
		switch i {
		case 8, 13, 18, 23:
			ok = s[i] == '-'
		default:
			ok = '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'f'
		}
	}
	if !ok {
		return BadRequest.Because("%s must be a UUIDv7 in lower case", field)
	}
	return nil
}

func ValidDeviceID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// BadAccount refuses a token whose account is not valid.
func BadAccount(l *Limits) *pealv1.Error {
	return BadToken.Because("%s", AccountRule(l))
}

// RevokedToken refuses a token that was issued before its account was logged out; issued is
// the zero time where the token does not say.
func RevokedToken(issued time.Time) *pealv1.Error {
	if issued.IsZero() {
		return TokenRevoked.Because("it has no iat, the time at which it was made: write that in your backend")
	}
	return TokenRevoked.Error()
}

// AccountRule says what the account of a token must be, for a token that breaks the rule.
func AccountRule(l *Limits) string {
	return fmt.Sprintf("its account (the claim sub) must be 1 to %d bytes of printable text without blanks around it", l.AccountBytes)
}

// ValidAccount says whether a text can name an account.
func ValidAccount(s string, l *Limits) bool {
	if s == "" || len(s) > l.AccountBytes || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

func ringTimeout(ms uint32, l *Limits) *pealv1.Error {
	d := time.Duration(ms) * time.Millisecond
	if ms != 0 && (d < l.RingMin || d > l.RingMax) {
		return LimitExceeded.Because("ring_timeout_ms is %d, must be 0 or %d to %d", ms, Millis(l.RingMin), Millis(l.RingMax))
	}
	return nil
}

func size(field, s string, least, most int) *pealv1.Error {
	switch {
	case len(s) < least:
		return BadRequest.Because("%s is missing", field)
	case len(s) > most:
		return LimitExceeded.Because("%s has %d bytes, at most %d", field, len(s), most)
	}
	return nil
}
