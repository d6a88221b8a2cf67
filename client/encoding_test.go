package client_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/internal/protocol"
)

// only is a network on which but one subprotocol is ever offered, where it
// names one; it notes what was agreed on.
type only struct {
	subprotocol string
	agreed      atomic.Value
}

func (o *only) RoundTrip(r *http.Request) (*http.Response, error) {
	if o.subprotocol != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Sec-WebSocket-Protocol", o.subprotocol)
	}
	w, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		o.agreed.Store(w.Header.Get("Sec-WebSocket-Protocol"))
	}
	return w, err
}

// TestEncodings: a client speaks binary where the server does, and JSON with an
// older one; those of both kinds call each other.
func TestEncodings(t *testing.T) {
	b := start(t)
	binary, text := &only{}, &only{subprotocol: protocol.Subprotocol}
	by := func(o *only) func(*client.Config) {
		return func(c *client.Config) { c.HTTPClient = &http.Client{Transport: o} }
	}
	alice, bob := b.login("alice", by(binary)), b.login("bob", by(text))
	if got := binary.agreed.Load(); got != protocol.BinarySubprotocol {
		t.Errorf("without being asked it speaks %v", got)
	}
	if got := text.agreed.Load(); got != protocol.Subprotocol {
		t.Errorf("with an older server it speaks %v", got)
	}
	out := alice.call("bob")
	in := next[client.Incoming](bob).Call
	bob.must(in.Accept(bob.ctx, 1, describe("answer")))
	if u := alice.sees(client.Accepted); u.Answer != describe("answer") {
		t.Errorf("the caller got the answer %q", u.Answer)
	}
	bob.must(in.SendCandidates(bob.ctx, 1, client.Candidate{Candidate: hostCandidate}))
	if c := next[client.PeerCandidates](alice); c.Candidates[0].Candidate != hostCandidate {
		t.Errorf("the caller got %v", c)
	}
	alice.must(out.Hangup(alice.ctx))
	if e := next[client.Ended](bob); e.End.Reason != "completed" {
		t.Errorf("the callee hears %+v", e.End)
	}
}
