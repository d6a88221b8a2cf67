package admin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peal-rtc/peal/client/admin"
)

var secret = strings.Repeat("A", 42) + "E"

const aCall = "019a0000-0000-7000-8000-000000000001"

func TestNew(t *testing.T) {
	good := admin.Config{URL: "https://calls.example.com/peal/", Key: "peal_sk_crm_" + secret}
	if _, err := admin.New(good); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*admin.Config){
		"Config.URL is no URL": func(c *admin.Config) { c.URL = "http://[" },
		"Config.URL is \"\"":   func(c *admin.Config) { c.URL = "" },
		"Config.URL is \"cal":  func(c *admin.Config) { c.URL = "calls.example.com" },
		"Config.URL is \"ws:":  func(c *admin.Config) { c.URL = "ws://calls.example.com" },
		"Config.URL is \"htt":  func(c *admin.Config) { c.URL = "https://crm:password@calls.example.com" },
		"nothing after":        func(c *admin.Config) { c.URL = "https://calls.example.com?x=y" },
		"Config.Key has 0":     func(c *admin.Config) { c.Key = "" },
		"Config.Key has 43":    func(c *admin.Config) { c.Key = secret },
		"Config.Key has 56":    func(c *admin.Config) { c.Key += "\n" },
		"Config.Tries is -1":   func(c *admin.Config) { c.Tries = -1 },
		"MaxWait -1s":          func(c *admin.Config) { c.MaxWait = -time.Second },
	} {
		cfg := good
		change(&cfg)
		if _, err := admin.New(cfg); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: got %v", says, err)
		}
	}
}

// trip answers requests without a network.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

// answer is one, with pairs of a header's name and value.
func answer(status int, body string, header ...string) (*http.Response, error) {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, err := io.WriteString(w, body)
	return w.Result(), err
}

func client(t *testing.T, f trip, changes ...func(*admin.Config)) *admin.Client {
	t.Helper()
	cfg := admin.Config{URL: "https://calls.example.com/peal", Key: "peal_sk_crm_" + secret, HTTP: &http.Client{Transport: f}}
	for _, change := range changes {
		change(&cfg)
	}
	c, err := admin.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	call    = `{"callId":"` + aCall + `","rev":2,"state":"ended","type":2,"parties":[],"createdAt":"2026-11-30T12:00:00Z"}`
	busy    = `{"type":"urn:peal:error:too_many_requests","title":"x","status":429,"code":"too_many_requests","detail":"wait","retry":true,"requestId":"r1"}`
	stopped = `{"type":"urn:peal:error:unavailable","title":"x","status":503,"code":"unavailable","detail":"try again","retry":true,"requestId":"r2"}`
)

// TestRepeats: what may succeed later is sent again after a pause, and nothing else.
func TestRepeats(t *testing.T) {
	type step struct {
		status int
		body   string
		header []string
		lost   bool
	}
	for name, x := range map[string]struct {
		steps     []step
		tries     int // How many of the steps are asked for.
		code      admin.Code
		status    int
		from, to  time.Duration
		mostTries int
	}{
		"at once":             {steps: []step{{status: 200, body: call}}, tries: 1},
		"refused":             {steps: []step{{status: 404, body: `{"code":"no_such_call","detail":"none"}`}}, tries: 1, code: admin.NoSuchCall, status: 404},
		"as the server asks":  {steps: []step{{status: 429, body: busy, header: []string{"Retry-After", "3"}}, {status: 200, body: call}}, tries: 2, from: 3 * time.Second, to: 3250 * time.Millisecond},
		"of the server's own": {steps: []step{{status: 503, body: stopped}, {status: 200, body: call}}, tries: 2, from: 125 * time.Millisecond, to: 251 * time.Millisecond},
		"longer and longer":   {steps: []step{{status: 503, body: stopped}, {status: 503, body: stopped}, {status: 503, body: stopped}, {status: 200, body: call}}, tries: 4, from: 875 * time.Millisecond, to: 1753 * time.Millisecond},
		"up to the limit":     {steps: []step{{status: 503, body: stopped}, {status: 503, body: stopped}, {status: 503, body: stopped}, {status: 503, body: stopped}}, tries: 4, code: admin.Unavailable, status: 503, from: 875 * time.Millisecond, to: 1753 * time.Millisecond},
		"once":                {steps: []step{{status: 503, body: stopped}}, tries: 1, mostTries: 1, code: admin.Unavailable, status: 503},
		"too long a pause":    {steps: []step{{status: 429, body: busy, header: []string{"Retry-After", "60"}}}, tries: 1, code: admin.TooManyRequests, status: 429},
		"a proxy":             {steps: []step{{status: 502, body: "<html>"}, {status: 200, body: call}}, tries: 2, from: 125 * time.Millisecond, to: 251 * time.Millisecond},
		"a proxy's own":       {steps: []step{{status: 404, body: "<html>"}}, tries: 1, status: 404},
		"a lost answer":       {steps: []step{{lost: true}, {status: 200, body: call}}, tries: 2, from: 125 * time.Millisecond, to: 251 * time.Millisecond},
		"a redirect":          {steps: []step{{status: 308, header: []string{"Location", "https://elsewhere.example/api/v1/calls"}}}, tries: 1, status: 308},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, start := 0, time.Now()
				c := client(t, func(q *http.Request) (*http.Response, error) {
					if q.Method != http.MethodPost || q.URL.String() != "https://calls.example.com/peal/api/v1/calls/"+aCall+"/end" || q.Header.Get("Authorization") != "Bearer peal_sk_crm_"+secret {
						t.Errorf("asked %s %s %v", q.Method, q.URL, q.Header)
					}
					if tries++; tries > len(x.steps) {
						return nil, errors.New("no more was expected")
					}
					s := x.steps[tries-1]
					if s.lost {
						return nil, errors.New("connection reset")
					}
					return answer(s.status, s.body, s.header...)
				}, func(cfg *admin.Config) { cfg.Tries = x.mostTries })
				got, err := c.EndCall(t.Context(), aCall)
				if tries != x.tries {
					t.Errorf("sent %d times, want %d", tries, x.tries)
				}
				if took := time.Since(start); took < x.from || took > x.to {
					t.Errorf("took %s, want %s to %s", took, x.from, x.to)
				}
				if x.status == 0 {
					if err != nil || got.ID != aCall || got.State != admin.Ended {
						t.Errorf("got %+v, %v", got, err)
					}
					return
				}
				var e *admin.Error
				if !errors.As(err, &e) || e.Code != x.code || e.Status != x.status {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// TestContext: a pause ends with its context, and the error says why there was one.
func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(*http.Request) (*http.Response, error) { return answer(429, busy, "Retry-After", "5") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Call(ctx, aCall)
		var e *admin.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || e.RequestID != "r1" || !e.Retry || e.Wait != 5*time.Second {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// TestPages goes over pages, begins again, stops early, and ends after an error.
func TestPages(t *testing.T) {
	pages := map[string]string{
		"account=a%26b&limit=2":          `{"records":[{"callId":"1"},{"callId":"2"}],"next":"2"}`,
		"account=a%26b&cursor=2&limit=2": `{"records":[{"callId":"3"}]}`,
		"account=lost":                   `{"records":[{"callId":"1"}],"next":"1"}`,
	}
	asked := 0
	c := client(t, func(q *http.Request) (*http.Response, error) {
		asked++
		if body, ok := pages[q.URL.RawQuery]; ok {
			return answer(200, body)
		}
		return answer(400, `{"code":"bad_request","detail":"no such page"}`)
	})
	list := c.Records(t.Context(), admin.RecordFilter{Account: "a&b", Limit: 2})
	for range 2 {
		var ids []string
		for r, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.CallID)
		}
		if !slices.Equal(ids, []string{"1", "2", "3"}) {
			t.Errorf("got %v", ids)
		}
	}
	asked = 0
	for range list {
		break
	}
	if asked != 1 {
		t.Errorf("asked %d times for one record", asked)
	}
	got, failed := 0, 0
	for r, err := range c.Records(t.Context(), admin.RecordFilter{Account: "lost"}) {
		var e *admin.Error
		switch {
		case err == nil:
			got++
		case errors.As(err, &e) && e.Code == admin.BadRequest && r.CallID == "":
			failed++
		default:
			t.Errorf("got %v, %v", r, err)
		}
	}
	if got != 1 || failed != 1 {
		t.Errorf("got %d records and %d errors", got, failed)
	}
}

// TestAnswers: what is no answer of the API is an error that says so.
func TestAnswers(t *testing.T) {
	for body, says := range map[string]string{"<html>Welcome": `It begins "<html>Welcome"`, strings.Repeat(" ", 17<<20): "more than 16777216 bytes"} {
		c := client(t, func(*http.Request) (*http.Response, error) { return answer(200, body) })
		if _, err := c.Call(t.Context(), aCall); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %.200v, want %s", err, says)
		}
	}
}
