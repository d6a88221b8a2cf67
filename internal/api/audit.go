package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/store"
)

// The actions of routes that write, as the audit names them.
const (
	actionEndCall = "call.end"

	actionPutWebhook    = "webhook.put"
	actionDeleteWebhook = "webhook.delete"
	actionTestWebhook   = "webhook.test"
	actionRotateWebhook = "webhook.rotate"
	actionReplayWebhook = "webhook.replay"

	actionLogOut  = store.AccountActions + "logout"
	actionErase   = store.AccountActions + "erase"
	actionBlock   = store.AccountActions + "block"
	actionUnblock = store.AccountActions + "unblock"
)

const (
	// auditTime bounds the filing of an audit entry after the answer.
	auditTime = 5 * time.Second
	// targetBytes limits the part of a name in a path that is filed.
	targetBytes = 256
)

// deed is the audit entry of a request.
type deed struct {
	store.Audit
	// filed says that the store has filed it with the write.
	filed bool
}

// done is the entry of a write that succeeds, which the store files with it.
func (d *deed) done() store.Audit {
	d.filed = true
	d.Status = http.StatusOK
	return d.Audit
}

type deedKey struct{}

// deedOf is the audit entry of a request to a route that writes.
func deedOf(q *http.Request) *deed {
	d, ok := q.Context().Value(deedKey{}).(*deed)
	if !ok {
		return &deed{} // Of a route that reads.
	}
	return d
}

// audited handles a request to a route that writes, and files the audit entry, unless the store has filed
// it with the write.
func (b *backend) audited(r *route, key auth.APIKey, w http.ResponseWriter, q *http.Request) {
	d := &deed{Audit: store.Audit{
		At: b.Now(), Key: key.ID, Action: r.action, Request: w.Header().Get(requestIDHeader), Addr: b.Address(q).String(),
		Target: clip(q.PathValue("id") + named(q, "a")), Other: clip(named(q, "b")),
	}}
	noted := &noting{ResponseWriter: w, status: http.StatusServiceUnavailable}
	r.handle(b, noted, q.WithContext(context.WithValue(q.Context(), deedKey{}, d)))
	if d.filed {
		return
	}
	d.Status = noted.status
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), auditTime)
	defer cancel()
	if err := b.Store.File(ctx, d.Audit); err != nil {
		b.Log.Error("cannot file in the audit what a backend did", "action", d.Action, "key", d.Key, "request_id", d.Request,
			"status", d.Status, "error", err)
	}
}

func clip(name string) string { return strings.ToValidUTF8(name[:min(len(name), targetBytes)], "") }

// noting keeps the status of an answer. It begins as 503, the status of a request without an answer: the
// client hung up, and the write may not have been made.
type noting struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (n *noting) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// listAudit lists audit entries, the newest first.
func (b *backend) listAudit(w http.ResponseWriter, q *http.Request) {
	p, _, ok := pageOf(w, q)
	if !ok {
		return
	}
	before, ok := p.seq(w)
	if !ok {
		return
	}
	entries, err := b.Store.Trail(q.Context(), before, p.limit+1)
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	replyPage(w, "entries", entries, p.limit, auditOf, func(a *store.Audit) string { return strconv.FormatInt(a.Seq, 10) })
}
