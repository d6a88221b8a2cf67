package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The vector is that of the libraries of Standard Webhooks: npm's standardwebhooks 1.1.1 makes
// the same signature.
const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorBody   = `{"test": 2432232314}`
	vectorTime   = 1614265330
)

func vector() http.Header {
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", fmt.Sprint(vectorTime))
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	return h
}

func TestVerifyVector(t *testing.T) {
	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32)))
	now := time.Unix(vectorTime, 0)
	for name, x := range map[string]struct {
		change  func(http.Header)
		body    string
		secrets []string
		after   time.Duration
		good    bool
	}{
		"as it is":            {good: true},
		"without its prefix":  {secrets: []string{vectorSecret[6:]}, good: true},
		"by either secret":    {secrets: []string{other, vectorSecret}, good: true},
		"two signatures":      {change: func(h http.Header) { h.Set("webhook-signature", "v1,AAAA v1a,x "+h.Get("webhook-signature")) }, good: true},
		"the other way round": {change: func(h http.Header) { h.Set("webhook-signature", h.Get("webhook-signature")+" v1,AAAA") }, secrets: []string{vectorSecret, other}, good: true},
		"5 minutes late":      {after: Tolerance, good: true},
		"5 minutes early":     {after: -Tolerance, good: true},
		"301 s late":          {after: Tolerance + time.Second},
		"301 s early":         {after: -Tolerance - time.Second},
		"another secret":      {secrets: []string{other}},
		"another id":          {change: func(h http.Header) { h.Set("webhook-id", "evt_2") }},
		"another time":        {change: func(h http.Header) { h.Set("webhook-timestamp", fmt.Sprint(vectorTime+1)) }},
		"another body":        {body: `{"test": 2432232315}`},
		"no id":               {change: func(h http.Header) { h.Del("webhook-id") }},
		"no time":             {change: func(h http.Header) { h.Del("webhook-timestamp") }},
		"no signature":        {change: func(h http.Header) { h.Del("webhook-signature") }},
		"a cut signature":     {change: func(h http.Header) { h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt") }},
		"an empty signature":  {change: func(h http.Header) { h.Set("webhook-signature", "v1,") }},
		"of another scheme": {change: func(h http.Header) {
			h.Set("webhook-signature", strings.Replace(h.Get("webhook-signature"), "v1,", "v2,", 1))
		}},
		"a time before years": {change: func(h http.Header) { h.Set("webhook-timestamp", "-9223372036854775808") }},
	} {
		header, body, secrets := vector(), vectorBody, []string{vectorSecret}
		if x.change != nil {
			x.change(header)
		}
		if x.body != "" {
			body = x.body
		}
		if x.secrets != nil {
			secrets = x.secrets
		}
		err := verify(now.Add(x.after), header, []byte(body), secrets)
		if (err == nil) != x.good || err != nil && !errors.Is(err, ErrNotVerified) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A receiver that is set up wrongly hears that, and not that requests are forged. No error
// shows a secret.
func TestVerifySecrets(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {"whsec_"}, {"whsec_c2hvcnQ="}, {vectorSecret + "!"}, {vectorSecret, "whsec_!"}} {
		err := verify(time.Unix(vectorTime, 0), vector(), []byte(vectorBody), secrets)
		if err == nil || errors.Is(err, ErrNotVerified) || strings.Contains(err.Error(), vectorSecret[6:]) {
			t.Errorf("%q: %v", secrets, err)
		}
	}
}

// signed is the header of a delivery that is sent now.
func signed(t *testing.T, body string) http.Header {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(vectorSecret[6:])
	if err != nil {
		t.Fatal(err)
	}
	stamp := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "evt_7.%s.%s", stamp, body)
	h := http.Header{}
	h.Set("webhook-id", "evt_7")
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

func TestVerify(t *testing.T) {
	const ended = `{"type":"call.ended","id":"evt_7","timestamp":"2026-11-30T12:05:04Z","data":{"call":{"callId":"019a0000-0000-7000-8000-000000000001",` +
		`"rev":7,"state":"ended","type":2,"parties":[],"createdAt":"2026-11-30T12:00:00Z"},"record":{"callId":"019a0000-0000-7000-8000-000000000001",` +
		`"kind":1,"type":2,"reason":"completed","parties":[],"createdAt":"2026-11-30T12:00:00Z","endedAt":"2026-11-30T12:05:04Z","durationSeconds":300},"later":1}}`
	e, err := Verify(signed(t, ended), []byte(ended), vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	if e.ID != "evt_7" || e.Type != "call.ended" || e.Time.Minute() != 5 || e.Data.Call.Rev != 7 || e.Data.Record.Seconds != 300 {
		t.Errorf("got %+v", e)
	}
	if e, err := Verify(signed(t, ended), []byte(ended+" "), vectorSecret); !errors.Is(err, ErrNotVerified) || e != (Event{}) {
		t.Errorf("another body: %v %v", e, err)
	}
	if _, err := Verify(signed(t, "[]"), []byte("[]"), vectorSecret); err == nil || errors.Is(err, ErrNotVerified) {
		t.Errorf("no event: %v", err)
	}
}
