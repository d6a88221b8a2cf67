// Package doctor finds out why calls on a server do not connect, and names the
// setting that is wrong. It looks from outside, as clients do: by HTTP, a
// WebSocket, STUN and TURN.
//
// cmd/peal prints what it finds. A Run is one goroutine's, which takes one check
// after the other; a check that waits for packets has a helper that sends them, which
// ends with it. The page at /doctor makes the same checks, by the same names, from
// inside a browser.
package doctor

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// State is how a check ended.
type State string

// The states of a check.
const (
	// OK is what was hoped for.
	OK State = "ok"
	// Warning works, but not for everybody, or not for long.
	Warning State = "warning"
	// Failed keeps calls from connecting.
	Failed State = "failed"
	// NotChecked says nothing: something else has to work, or be given, first.
	NotChecked State = "not_checked"
)

// The checks, in their order.
const (
	CheckServer      = "server"
	CheckCertificate = "certificate"
	CheckClock       = "clock"
	CheckWebSocket   = "websocket"
	CheckToken       = "token"
	CheckSTUN        = "stun"
	CheckTURNUDP     = "turn-udp"
	CheckRelayUDP    = "relay-udp"
	CheckTURNTCP     = "turn-tcp"
	CheckRelayTCP    = "relay-tcp"
	CheckTURNTLS     = "turn-tls"
	CheckRelayTLS    = "relay-tls"
	CheckDirect      = "relay-direct"
)

// Result is what one check found.
type Result struct {
	Check string
	State State
	// Seen is what happened, in a sentence without an end.
	Seen string
	// Settings are the flags of peal serve that decide this, the likeliest first;
	// empty where all is well.
	Settings []string
	// Advice says how to mend it.
	Advice string
	Took   time.Duration
}

// MarshalJSON implements json.Marshaler.
func (r Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Check    string   `json:"check"`
		State    State    `json:"state"`
		Seen     string   `json:"seen"`
		Settings []string `json:"settings,omitempty"`
		Advice   string   `json:"advice,omitempty"`
		TookMS   int64    `json:"took_ms"`
	}{r.Check, r.State, r.Seen, r.Settings, r.Advice, r.Took.Milliseconds()})
}

// Config says what to look at. Server is required.
type Config struct {
	// Server is its address: https://calls.example.com, with a path where a proxy serves it below one.
	Server string
	// Token is what to log in with. Without one a token for Account is asked of
	// the server, which a peal dev gives; no Account means "doctor".
	Token, Account string
	// Origin is that of the pages to ask for: https://app.example.com. Without one
	// it is that of the server itself.
	Origin string
	// Insecure shows the token also to a server whose certificate is not trusted.
	Insecure bool
	// Roots are whose certificates are trusted; nil means this system's.
	Roots *x509.CertPool
	// Patience bounds each wait; 0 means 5 s.
	Patience time.Duration
}

const (
	defaultPatience = 5 * time.Second
	defaultAccount  = "doctor"
)

// run is one visit.
type run struct {
	cfg    Config
	server *url.URL
	http   *http.Client
	tell   func(Result)
	all    []Result

	// What the checks find for those that come after.
	up         bool // The server answers.
	distrusted bool // By the certificate.
	dev        bool // It gave a token by itself.
	token      string
	ice        []iceServer
	reflexive  netip.AddrPort // By STUN; invalid where UDP is blocked.
}

// Run makes all checks, and tells of each as soon as it is through; tell may be
// nil. The error is about the configuration.
func Run(ctx context.Context, cfg Config, tell func(Result)) ([]Result, error) {
	server, err := parseServer(cfg.Server)
	if err != nil {
		return nil, err
	}
	if cfg.Origin != "" {
		if origin, err := url.Parse(cfg.Origin); err != nil || origin.Host == "" || origin.Scheme == "" {
			return nil, fmt.Errorf("origin is %q: give that of a page, such as https://app.example.com", cfg.Origin)
		}
	}
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.Account == "" {
		cfg.Account = defaultAccount
	}
	if tell == nil {
		tell = func(Result) {}
	}
	r := &run{cfg: cfg, server: server, tell: tell}
	// Whether it is to be trusted is found out by a check of its own: until then the doctor sends
	// it no secret.
	r.http = r.client(false)
	defer func() { r.http.CloseIdleConnections() }()
	for _, check := range []struct {
		name string
		make func(context.Context) Result
	}{
		{CheckServer, r.checkServer},
		{CheckCertificate, r.checkCertificate},
		{CheckClock, r.checkClock},
		{CheckWebSocket, r.checkWebSocket},
		{CheckToken, r.checkToken},
		{CheckSTUN, r.checkSTUN},
	} {
		r.time(ctx, check.name, check.make)
	}
	r.checkRelay(ctx)
	return r.all, ctx.Err()
}

// time makes one check, and keeps and tells its result.
func (r *run) time(ctx context.Context, name string, make func(context.Context) Result) State {
	begun := time.Now()
	result := Result{State: NotChecked, Seen: "it took too long to get here"}
	if ctx.Err() == nil {
		result = make(ctx)
	}
	result.Check, result.Took = name, time.Since(begun)
	r.all = append(r.all, result)
	r.tell(result)
	return result.State
}

// wait bounds what is waited for.
func (r *run) wait(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.cfg.Patience)
}

// Worst is the worst state of a list.
func Worst(all []Result) State {
	rank := map[State]int{NotChecked: 0, OK: 0, Warning: 1, Failed: 2}
	worst := OK
	for _, one := range all {
		if rank[one.State] > rank[worst] {
			worst = one.State
		}
	}
	return worst
}

func ok(format string, args ...any) Result {
	return Result{State: OK, Seen: fmt.Sprintf(format, args...)}
}

func notChecked(format string, args ...any) Result {
	return Result{State: NotChecked, Seen: fmt.Sprintf(format, args...)}
}

// bad is a result with its remedy still to come.
func bad(state State, format string, args ...any) Result {
	return Result{State: state, Seen: fmt.Sprintf(format, args...)}
}

// mend adds what to do about it, by the settings that decide it.
func (r Result) mend(advice string, settings ...string) Result {
	r.Advice, r.Settings = advice, settings
	return r
}

// why puts an error of the network in words, without the addresses of this machine.
func why(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s is not found", dns.Name)
	case refusedConnection(err):
		return "connection refused: nothing listens there"
	case errors.Is(err, context.DeadlineExceeded), timedOut(err):
		return "no answer in time"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

func nameUnknown(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func speaksHTTP(err error) bool {
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
