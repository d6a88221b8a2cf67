package admin

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// deadline notes until when a request may be answered.
type deadline struct{ at time.Time }

func (d *deadline) RoundTrip(q *http.Request) (*http.Response, error) {
	d.at, _ = q.Context().Deadline()
	return nil, errors.New("no answer")
}

// TestEraseTime: an erasure may be answered for longer than the 2 minutes that the server takes, but
// where the program has a client of its own.
func TestEraseTime(t *testing.T) {
	for _, x := range []struct {
		own         *http.Client
		least, most time.Duration
	}{{nil, 2 * time.Minute, 3 * time.Minute}, {&http.Client{Timeout: time.Minute}, 0, time.Minute}} {
		c, err := New(Config{URL: "https://calls.example.com", Key: "peal_sk_crm_" + strings.Repeat("k", 43), Tries: 1, HTTP: x.own})
		if err != nil {
			t.Fatal(err)
		}
		var d deadline
		c.http.Transport, c.erasing.Transport = &d, &d
		began := time.Now()
		if _, err := c.Erase(t.Context(), "bob", false); err == nil || d.at.Before(began.Add(x.least)) || d.at.After(time.Now().Add(x.most)) {
			t.Errorf("begun at %s, it may be answered until %s: %v", began, d.at, err)
		}
	}
}
