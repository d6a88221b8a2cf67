package protocol

import (
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// This file writes the JSON of the frames that a call consists of: an answer or an event
// with a call, and the answers that hold nothing. The general writer of ProtoJSON takes
// ten times as long for a call: it goes by descriptors, and its blanks have to be taken
// out again. All other frames are written by it. TestJSON holds both to the same bytes,
// over every field that there is.

// text is JSON that is being written.
type text struct {
	out []byte
	// bad says that it cannot be written: the general writer finds out why.
	bad bool
}

// appendFrame adds a frame, where it is of a kind that is written here.
func appendFrame(out []byte, f *pealv1.ServerFrame) (written []byte, ok bool) {
	w := text{out: append(out, '{')}
	w.number("replyTo", f.ReplyTo)
	if f.Error != nil {
		w.open("error")
		w.string("code", f.Error.Code)
		w.string("message", f.Error.Message)
		w.bool("retry", f.Error.Retry)
		w.number("retryAfterMs", f.Error.RetryAfterMs)
		w.close('}')
	}
	switch body := f.Body.(type) {
	case nil:
	case *pealv1.ServerFrame_Pong:
		w.open("pong")
		w.close('}')
	case *pealv1.ServerFrame_Done:
		w.open("done")
		w.close('}')
	case *pealv1.ServerFrame_Call:
		w.open("call")
		w.update(body.Call)
		w.close('}')
	default:
		return out, false
	}
	w.close('}')
	return w.out, !w.bad
}

func (w *text) update(u *pealv1.CallUpdate) {
	if u == nil {
		return
	}
	if u.Call != nil {
		w.open("call")
		w.call(u.Call)
		w.close('}')
	}
	w.string("offer", u.Offer)
	w.string("answer", u.Answer)
	if len(u.IceServers) > 0 {
		w.key("iceServers")
		w.out = append(w.out, '[')
		for _, s := range u.IceServers {
			w.element('{')
			w.strings("urls", s.GetUrls())
			w.string("username", s.GetUsername())
			w.string("credential", s.GetCredential())
			w.close('}')
		}
		w.close(']')
	}
	w.string("mergedInto", u.MergedInto)
}

func (w *text) call(c *pealv1.Call) {
	w.string("callId", c.CallId)
	w.number("rev", c.Rev)
	w.word("state", int32(c.State), pealv1.CallState_name)
	w.word("type", int32(c.Type), pealv1.CallType_name)
	w.party("caller", c.Caller)
	w.party("callee", c.Callee)
	w.word("role", int32(c.Role), pealv1.Role_name)
	w.bool("ringStopped", c.RingStopped)
	w.number("ringRemainingMs", c.RingRemainingMs)
	w.string("attachment", c.Attachment)
	w.number("generation", c.Generation)
	w.number("rebuildGeneration", c.RebuildGeneration)
	w.number("connectedForMs", c.ConnectedForMs)
	w.time("createdAt", c.CreatedAt)
	w.word("reason", int32(c.Reason), pealv1.Reason_name)
	w.string("actor", c.Actor)
	w.string("actorDevice", c.ActorDevice)
	w.time("endedAt", c.EndedAt)
	if c.Record != nil {
		w.open("record")
		w.record(c.Record)
		w.close('}')
	}
	w.string("videoAskedBy", c.VideoAskedBy)
	w.number("videoAskRemainingMs", c.VideoAskRemainingMs)
	w.word("icePolicy", int32(c.IcePolicy), pealv1.IcePolicy_name)
	w.number("candidatesHeld", c.CandidatesHeld)
	if len(c.Parties) > 0 {
		w.key("parties")
		w.out = append(w.out, '[')
		for _, p := range c.Parties {
			w.element('{')
			w.inParty(p)
			w.close('}')
		}
		w.close(']')
	}
}

func (w *text) party(key string, p *pealv1.Party) {
	if p != nil {
		w.open(key)
		w.inParty(p)
		w.close('}')
	}
}

func (w *text) inParty(p *pealv1.Party) {
	w.string("account", p.GetAccount())
	w.number("uid", p.GetUid())
	w.bool("present", p.GetPresent())
	w.number("epoch", p.GetEpoch())
	w.bool("mediaUp", p.GetMediaUp())
	if t := p.GetTracks(); t != nil {
		w.open("tracks")
		w.bool("audio", t.Audio)
		w.bool("audioMuted", t.AudioMuted)
		w.bool("video", t.Video)
		w.bool("videoMuted", t.VideoMuted)
		w.bool("screen", t.Screen)
		w.close('}')
	}
	w.word("role", int32(p.GetRole()), pealv1.Role_name)
	w.string("name", p.GetName())
	w.string("avatar", p.GetAvatar())
}

func (w *text) record(r *pealv1.Record) {
	w.string("callId", r.CallId)
	w.word("kind", int32(r.Kind), pealv1.RecordKind_name)
	w.word("type", int32(r.Type), pealv1.CallType_name)
	w.string("caller", r.Caller)
	w.string("callee", r.Callee)
	w.word("reason", int32(r.Reason), pealv1.Reason_name)
	w.time("createdAt", r.CreatedAt)
	w.time("endedAt", r.EndedAt)
	w.number("durationS", r.DurationS)
	if len(r.Parties) > 0 {
		w.key("parties")
		w.out = append(w.out, '[')
		for _, p := range r.Parties {
			w.element('{')
			w.string("account", p.GetAccount())
			w.word("role", int32(p.GetRole()), pealv1.Role_name)
			w.string("name", p.GetName())
			w.string("avatar", p.GetAvatar())
			w.close('}')
		}
		w.close(']')
	}
}

// key begins a member of an object.
func (w *text) key(name string) {
	w.comma()
	w.out = append(append(append(w.out, '"'), name...), `":`...)
}

// comma comes before all but the first of an object or a list.
func (w *text) comma() {
	if last := w.out[len(w.out)-1]; last != '{' && last != '[' {
		w.out = append(w.out, ',')
	}
}

func (w *text) open(name string) {
	w.key(name)
	w.out = append(w.out, '{')
}

func (w *text) close(bracket byte) { w.out = append(w.out, bracket) }

func (w *text) element(bracket byte) {
	w.comma()
	w.out = append(w.out, bracket)
}

func (w *text) number(name string, n uint32) {
	if n != 0 {
		w.key(name)
		w.out = strconv.AppendUint(w.out, uint64(n), 10)
	}
}

func (w *text) bool(name string, b bool) {
	if b {
		w.key(name)
		w.out = append(w.out, "true"...)
	}
}

// word is one of a list of words; a number that has none stays a number.
func (w *text) word(name string, n int32, words map[int32]string) {
	if n == 0 {
		return
	}
	w.key(name)
	if word, ok := words[n]; ok {
		w.out = append(append(append(w.out, '"'), word...), '"')
	} else {
		w.out = strconv.AppendInt(w.out, int64(n), 10)
	}
}

func (w *text) string(name, s string) {
	if s != "" {
		w.key(name)
		w.quote(s)
	}
}

func (w *text) strings(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.key(name)
	w.out = append(w.out, '[')
	for _, s := range list {
		w.comma()
		w.quote(s)
	}
	w.close(']')
}

// quote adds a string as ProtoJSON has it: what need not be escaped is not.
func (w *text) quote(s string) {
	w.bad = w.bad || !utf8.ValidString(s)
	w.out = append(w.out, '"')
	begin := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.out = append(w.out, s[begin:i]...)
		begin = i + 1
		switch c {
		case '"', '\\':
			w.out = append(w.out, '\\', c)
		case '\b':
			w.out = append(w.out, `\b`...)
		case '\f':
			w.out = append(w.out, `\f`...)
		case '\n':
			w.out = append(w.out, `\n`...)
		case '\r':
			w.out = append(w.out, `\r`...)
		case '\t':
			w.out = append(w.out, `\t`...)
		default:
			const digits = "0123456789abcdef"
			w.out = append(w.out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	w.out = append(append(w.out, s[begin:]...), '"')
}

// time adds a timestamp with as many digits as it needs: none, 3, 6 or 9.
func (w *text) time(name string, t *timestamppb.Timestamp) {
	if t == nil {
		return
	}
	w.bad = w.bad || t.CheckValid() != nil
	layout := time.DateOnly + "T" + time.TimeOnly
	switch n := t.Nanos; {
	case n == 0:
	case n%1e6 == 0:
		layout += ".000"
	case n%1e3 == 0:
		layout += ".000000"
	default:
		layout += ".000000000"
	}
	w.key(name)
	w.out = t.AsTime().AppendFormat(append(w.out, '"'), layout)
	w.out = append(w.out, `Z"`...)
}
