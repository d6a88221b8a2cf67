package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/delivery"
)

const (
	// tryTime is how long one try may take in all.
	tryTime = 10 * time.Second
	// answerMost is how many bytes of an answer are read. None are kept.
	answerMost  = 4 << 10
	headersMost = 16 << 10
	idleTime    = 90 * time.Second
	userAgent   = "Peal-Webhooks/1"
	// detailMost limits the text of a failure, which the endpoint may have chosen.
	detailMost = 200
)

// Message is what one try sends.
type Message struct {
	URL     string
	Secrets []Secret
	// ID is the event's, the same at each try.
	ID   string
	Body []byte
}

// Sender sends messages. Any goroutine may use it.
type Sender struct {
	secure, plain *http.Transport
	now           func() time.Time
	limit         time.Duration // For one try.
}

// NewSender makes a sender. Resolver may be nil for that of the machine. It uses no proxy: a
// proxy would connect to addresses that were not checked.
func NewSender(r Reach, resolver *net.Resolver, now func() time.Time) *Sender {
	return &Sender{transport(r.dial("https", resolver)), transport(r.dial("http", resolver)), now, tryTime}
}

// transport speaks HTTP/1.1, which every receiver supports. There is no http.Client around it: that
// would read the Location of a redirect, which a Sender does not follow.
func transport(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext: dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: connectTime,
		DisableCompression: true, MaxResponseHeaderBytes: headersMost,
		MaxIdleConnsPerHost: delivery.PerEndpoint, MaxIdleConns: delivery.InAll, IdleConnTimeout: idleTime,
	}
}

// Close closes idle connections.
func (s *Sender) Close() {
	s.secure.CloseIdleConnections()
	s.plain.CloseIdleConnections()
}

// Send makes one try, which is abandoned when ctx ends.
func (s *Sender) Send(ctx context.Context, m *Message) delivery.Attempt {
	try, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	r, err := http.NewRequestWithContext(try, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return delivery.Attempt{Result: delivery.Connect, Detail: "the URL cannot be read"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", userAgent)
	began := s.now()
	Sign(r.Header, m.Secrets, m.ID, began, m.Body)
	by := s.secure
	if r.URL.Scheme == "http" {
		by = s.plain
	}
	answer, err := by.RoundTrip(r)
	switch {
	case err != nil && ctx.Err() != nil:
		return delivery.Attempt{Result: delivery.Abandoned}
	case err != nil:
		return failure(try, err)
	}
	ended := s.now()
	// Read it so that the connection can be used again. The status alone decides.
	_, _ = io.CopyN(io.Discard, answer.Body, answerMost)
	_ = answer.Body.Close()
	o := delivery.Attempt{Result: resultOf(answer.StatusCode), Status: answer.StatusCode}
	if o.Result != delivery.Delivered {
		o.Detail = "it answered " + strconv.Itoa(answer.StatusCode)
		o.RetryAfter = retryAfter(answer.Header.Get("Retry-After"), ended)
	}
	o.Ahead, o.Clock = ahead(answer.Header.Get("Date"), began, ended)
	return o
}

func resultOf(status int) delivery.Result {
	switch {
	case status/100 == 2:
		return delivery.Delivered
	case status/100 == 3:
		return delivery.Redirect
	case status == http.StatusGone:
		return delivery.Gone
	}
	return delivery.Status
}

// failure is the outcome of a try without an answer.
func failure(ctx context.Context, err error) delivery.Attempt {
	var no *blocked
	var waited net.Error
	switch {
	case errors.As(err, &no):
		return delivery.Attempt{Result: delivery.Blocked, Detail: no.text}
	case ctx.Err() != nil, errors.As(err, &waited) && waited.Timeout():
		return delivery.Attempt{Result: delivery.Timeout, Detail: "it did not answer in time"}
	}
	text := err.Error()
	return delivery.Attempt{Result: delivery.Connect, Detail: strings.ToValidUTF8(text[:min(len(text), detailMost)], "")}
}

// retryAfter reads the header, which has seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	pause := time.Duration(0)
	if seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		pause = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		pause = at.Sub(now)
	}
	return min(max(pause, 0), delivery.RetryAfterMost)
}

// ahead is how far the clock of a Date header is from ours. The header has whole seconds,
// and was written at some time while we waited.
func ahead(text string, began, ended time.Time) (time.Duration, bool) {
	date, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	switch {
	case date.After(ended):
		return date.Sub(ended), true
	case date.Add(time.Second).Before(began):
		return date.Add(time.Second).Sub(began), true
	}
	return 0, true
}
