package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/ws"
)

// loginRefused is the one message at level info that others can cause at will: the sampler
// knows it.
const loginRefused = "login refused"

// journal has one line for each transition in the life of a login and of a call. The loop
// owns it. Where the level is off nothing is made ready for it.
type journal struct {
	log *slog.Logger
	// key hashes accounts; nil where they are written as they are.
	key []byte
}

func newJournal(log *slog.Logger, settings *config.Config) journal {
	j := journal{log: log}
	if settings.Log.Accounts == "hashed" {
		j.key = []byte(settings.Auth.Secret)
	}
	return j
}

func (j *journal) on() bool { return j.log.Enabled(context.Background(), slog.LevelInfo) }

// account is an account as the log has it.
func (j *journal) account(a call.Account) string {
	if j.key == nil || a == "" {
		return string(a)
	}
	// No token is signed over a text with a colon.
	h := hmac.New(sha256.New, j.key)
	h.Write([]byte("log-account:" + string(a)))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// connection is one connection of the node, and what the journal has to know of it.
type connection struct {
	*ws.Conn
	account call.Account
	device  call.DeviceID
	// since is when it was welcomed; zero before that.
	since time.Time
	// why is the code by which the node closed it, and refusal what it said last before
	// the welcome.
	why, refusal string
}

// sent takes a frame for a connection that was not welcomed yet.
func (j *journal) sent(c *connection, f *pealv1.ServerFrame, now time.Time) {
	switch {
	case f.GetWelcome() != nil:
		c.since, c.refusal = now, ""
		if j.on() {
			j.log.Info("login", "account", j.account(c.account), "device", c.device)
		}
	case f.GetError() != nil:
		c.refusal = f.Error.Message
	}
}

// closed takes the end of a connection.
func (j *journal) closed(c *connection, leaving bool, now time.Time) {
	if !j.on() {
		return
	}
	why := c.why
	if why == "" {
		why = c.Reason()
	}
	switch {
	case !c.since.IsZero():
		switch {
		case why != "":
		case leaving:
			why = "page_closed"
		default:
			why = "disconnected"
		}
		j.log.Info("logout", "account", j.account(c.account), "device", c.device, "reason", why,
			"lasted_ms", now.Sub(c.since).Milliseconds())
	case why != "":
		j.log.Info(loginRefused, "account", j.account(c.account), "device", c.device, "reason", why, "error", c.refusal)
	}
}

// moved takes a transition of a call.
func (j *journal) moved(e node.Moved, now time.Time) {
	if !j.on() {
		return
	}
	c := e.Call
	keys := []any{"call", c.ID, "caller", j.account(c.Caller().Account), "callee", j.account(c.Callee().Account)}
	switch c.State {
	case call.Ringing:
		keys = append(keys, "type", typeName(c.Type))
		if c.Deaf {
			keys = append(keys, "blocked", true)
		}
		j.log.Info("call rings", keys...)
	case call.Connecting:
		j.log.Info("call answered", append(keys, "device", c.Callee().Device.ID, "rang_ms", now.Sub(c.CreatedAt).Milliseconds())...)
	case call.Connected:
		j.log.Info("call connected", append(keys, "caller_path", pathName(e.CallerPath), "callee_path", pathName(e.CalleePath),
			"after_ms", c.ConnectedAt.Sub(c.CreatedAt).Milliseconds())...)
	case call.Ended:
		o := &c.Outcome
		connected := time.Duration(0)
		if !c.ConnectedAt.IsZero() {
			connected = o.EndedAt.Sub(c.ConnectedAt)
		}
		j.log.Info("call ended", append(keys, "reason", reasonName(o.Reason), "by", j.account(o.Actor),
			"lasted_ms", o.EndedAt.Sub(c.CreatedAt).Milliseconds(), "connected_ms", connected.Milliseconds())...)
	}
}

// flows takes what media flow by from now on.
func (j *journal) flows(e node.Flows) {
	if j.on() {
		j.log.Info("media flows", "call", e.Call, "account", j.account(e.Device.Account), "device", e.Device.ID, "path", pathName(e.Path))
	}
}

func reasonName(r call.Reason) string { return shortName(pealv1.Reason(r).String(), "REASON_") }

func typeName(t call.Type) string { return shortName(pealv1.CallType(t).String(), "CALL_TYPE_") }

// pathName is the path as docs/build/media.md has it; "unknown" where no side told.
func pathName(p pealv1.MediaPath) string {
	if p == pealv1.MediaPath_MEDIA_PATH_UNSPECIFIED {
		return "unknown"
	}
	return strings.ReplaceAll(shortName(p.String(), "MEDIA_PATH_"), "_", "-")
}

func shortName(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }
