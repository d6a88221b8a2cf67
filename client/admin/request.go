package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is what a route is asked.
type request struct {
	method string
	// path comes after /api/v1, with its variables escaped.
	path  string
	query url.Values
	// body is sent as JSON; nil sends none.
	body any
	// erases says that the server may take as long as an erasure does.
	erases bool
}

// do sends a request that is safe to repeat, until it is answered for good, and decodes the answer;
// a nil answer has none.
func (c *Client) do(ctx context.Context, r request, answer any) error {
	for try := 1; ; try++ {
		err := c.send(ctx, r, answer)
		if err == nil {
			return nil
		}
		wait, again := c.pause(try, err)
		if !again || ctx.Err() != nil {
			return fmt.Errorf("admin: %s %s: %w", r.method, r.path, err)
		}
		if over := sleep(ctx, wait); over != nil {
			return fmt.Errorf("admin: %s %s: %w, while waiting to repeat it after: %w", r.method, r.path, over, err)
		}
	}
}

// sleep waits, or gives the context's error.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// segment writes a name as one segment of a path. Dots alone would mean a way up, by this
// side or by the server's.
func segment(name string) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// passing says whether an error may be gone at the next try, and how long to wait before.
func passing(err error) (wait time.Duration, passes bool) {
	var answered *Error
	var lost *lostError
	switch {
	case errors.As(err, &answered):
		return answered.Wait, answered.Retry
	case errors.As(err, &lost):
		return 0, true
	}
	return 0, false
}

// pause says whether to repeat a request after the error of a try, and how long to wait before.
func (c *Client) pause(try int, err error) (wait time.Duration, again bool) {
	asked, passes := passing(err)
	if !passes || try >= c.tries || asked > c.maxWait {
		return 0, false
	}
	if asked > 0 {
		return asked + rand.N(firstWait), true // Clients that were refused together come back apart.
	}
	wait = min(firstWait<<min(try-1, 16), c.maxWait)
	return wait/2 + rand.N(wait/2+1), true
}

// lostError is a request or an answer that did not arrive.
type lostError struct{ cause error }

func (e *lostError) Error() string { return e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// send sends a request once.
func (c *Client) send(ctx context.Context, r request, answer any) error {
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var body io.Reader = http.NoBody
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return err
	}
	if r.body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	q.Header.Set("Authorization", "Bearer "+c.key)
	q.Header.Set("Accept", "application/json, application/problem+json")
	q.Header.Set("User-Agent", "peal-admin-go")
	client := &c.http
	if r.erases {
		client = &c.erasing
	}
	w, err := client.Do(q)
	if err != nil {
		return &lostError{err}
	}
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(w.Body, answerBytes+1))
	switch {
	case err != nil:
		return &lostError{err}
	case len(text) > answerBytes:
		return fmt.Errorf("the answer has more than %d bytes", answerBytes)
	case w.StatusCode < 200 || w.StatusCode > 299:
		return refusal(w, text)
	case answer == nil:
	case json.Unmarshal(text, answer) != nil:
		return fmt.Errorf("the answer is no JSON of the server API: does Config.URL name a Peal server? It begins %.80q", bytes.TrimSpace(text))
	}
	return nil
}

// refusal is the error in an answer.
func refusal(w *http.Response, text []byte) *Error {
	e := &Error{Status: w.StatusCode, RequestID: w.Header.Get("X-Request-Id"), Wait: retryAfter(w.Header.Get("Retry-After"))}
	var problem struct {
		Code      Code
		Detail    string
		Retry     bool
		RequestID string
	}
	switch {
	case json.Unmarshal(text, &problem) == nil && problem.Code != "":
		e.Code, e.Detail, e.Retry = problem.Code, problem.Detail, problem.Retry
		e.RequestID = cmp.Or(problem.RequestID, e.RequestID)
	case w.StatusCode >= 300 && w.StatusCode <= 399:
		e.Detail = "it redirects to " + w.Header.Get("Location") + ": give the address of the server itself as Config.URL"
	default:
		e.Detail = fmt.Sprintf("%s, and not from Peal's API: does Config.URL name the server, and has it an API key?", http.StatusText(w.StatusCode))
		switch w.StatusCode {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			e.Retry = true // By a proxy, while the server restarts.
		}
	}
	return e
}

// retryAfter reads seconds or a date.
func retryAfter(text string) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return max(0, min(time.Duration(n), 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
