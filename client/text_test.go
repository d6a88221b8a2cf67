package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
)

const broken = "text\xff"

// Text that is not UTF-8 fails at once, by itself: the connection and the call go on.
func TestTextIsUTF8(t *testing.T) {
	b := start(t)
	alice, bob := b.login("alice"), b.login("bob")
	refused := func(what string, err error) {
		t.Helper()
		wantCode(t, err, "bad_request")
		if err == nil || !strings.Contains(err.Error(), what+" is not UTF-8") {
			t.Errorf("got %v, want it to name %s", err, what)
		}
	}
	begun, mid := time.Now(), broken
	_, err := alice.Call(alice.ctx, broken, client.CallOptions{Offer: describe("offer")})
	refused("callee", err)
	_, err = alice.Call(alice.ctx, "bob", client.CallOptions{Offer: broken})
	refused("offer", err)
	_, err = alice.Call(alice.ctx, "bob", client.CallOptions{Offer: describe("offer"), Attachment: broken})
	refused("attachment", err)
	_, err = alice.Records(alice.ctx, client.RecordPage{BeforeCall: broken})
	refused("before_call", err)

	out := alice.call("bob")
	in := next[client.Incoming](bob).Call
	refused("answer", in.Accept(bob.ctx, 1, broken))
	refused("candidate", in.Accept(bob.ctx, 1, describe("answer"), client.Candidate{Candidate: broken}))
	bob.must(in.Accept(bob.ctx, 1, describe("answer")))
	refused("sdp", out.Offer(alice.ctx, 1, broken))
	refused("sdp", in.Answer(bob.ctx, 1, broken))
	refused("candidate", out.SendCandidates(alice.ctx, 1, client.Candidate{Candidate: hostCandidate}, client.Candidate{Candidate: broken}))
	refused("sdp_mid", out.SendCandidates(alice.ctx, 1, client.Candidate{Candidate: hostCandidate, SDPMid: &mid}))
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	// Nobody has noticed.
	alice.must(out.SendCandidates(alice.ctx, 1, client.Candidate{Candidate: hostCandidate}))
	alice.must(out.Hangup(alice.ctx))
	for {
		e, err := alice.Next(alice.ctx)
		alice.must(err)
		if changed, is := e.(client.StateChanged); is && changed.State != client.Online && changed.State != client.Connecting {
			t.Errorf("the connection was lost: %v", changed.State)
		}
		if end, is := e.(client.Ended); is {
			if end.End.Reason != "completed" {
				t.Errorf("the call ended by %s", end.End.Reason)
			}
			break
		}
	}

	if _, err := client.New(client.Config{Server: b.URL(), Token: b.Token("a"), Program: broken}); err == nil || !strings.Contains(err.Error(), "Config.Program is not UTF-8") {
		t.Errorf("Program: got %v", err)
	}
	eve := b.phone("eve", func(c *client.Config) {
		c.Token = func(context.Context) (string, error) { return broken, nil }
	})
	if err := eve.Login(eve.ctx); err == nil || !strings.Contains(err.Error(), "Config.Token gave text that is not UTF-8") {
		t.Errorf("Token: got %v", err)
	}
}

// A context that is over is obeyed before anything is done: nothing reaches the server.
func TestContextIsOver(t *testing.T) {
	b := start(t)
	alice, bob := b.login("alice"), b.login("bob")
	out := alice.call("bob")
	in := next[client.Incoming](bob).Call
	over, cancel := context.WithCancel(context.Background())
	cancel()
	// Whether something was done was chance before, hence so many times.
	for range 50 {
		_, call := alice.Call(over, "carol", client.CallOptions{Offer: describe("offer")})
		_, records := alice.Records(over, client.RecordPage{})
		_, event := alice.Next(over)
		for name, err := range map[string]error{
			"Login": alice.Login(over), "Logout": alice.Logout(over), "Call": call, "Records": records, "Next": event,
			"Cancel": out.Cancel(over), "Hangup": out.Hangup(over), "Offer": out.Offer(over, 1, describe("offer")),
			"Accept": in.Accept(over, 1, describe("answer")), "Reject": in.Reject(over), "StopRinging": in.StopRinging(over),
			"SetTracks": out.SetTracks(over, client.Tracks{}), "Restart": out.Restart(over, 1, false),
		} {
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: got %v", name, err)
			}
		}
	}
	if alice.State() != client.Online || bob.State() != client.Online {
		t.Errorf("the login is over: %v, %v", alice.State(), bob.State())
	}
	bob.must(in.Accept(bob.ctx, 1, describe("answer")))
	alice.sees(client.Accepted)
	alice.must(out.Hangup(alice.ctx))
}
