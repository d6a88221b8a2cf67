package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/api"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/ws"
	"github.com/peal-rtc/peal/web"
)

// iceUsers is how many users of the relay an account may be outside of calls, each with
// its number of relayed addresses. Who tests both ends asks twice: a browser takes an
// address for each of its networks, and one number for both ends might not do.
const iceUsers = 4

// handler routes requests.
func (s *Server) handler() (http.Handler, error) {
	built, err := loadFiles(web.Files(), s.cfg.Dev)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+protocol.Path, s.endpoint)
	mux.Handle("GET /healthz", api.Health())
	mux.Handle("GET /readyz", api.Ready(s.readiness))
	var asked atomic.Uint64
	mux.Handle("/v1/ice-servers", api.ICEServers(s.verify, s.limits, s.wall, func(account string) []*pealv1.IceServer {
		device := fmt.Sprintf("ice%d", asked.Add(1)%iceUsers)
		return s.serversFor("", account, device, s.clock.now())
	}))
	if s.cfg.Dev {
		pages := api.NewPages(s.cfg.Settings.Addr, s.cfg.Settings.Access.Origins)
		mux.Handle("/dev/token", api.DevToken(s.sign, s.limits, s.wall, pages))
	}
	backend := api.Backend{
		Keys: s.keyring, Limits: s.limits, Store: s.store, End: s.loop.endCall, Now: s.clock.now, Log: s.log,
		Shared: s.cfg.shared(), Nodes: s.neighbours.list, Address: s.addressOf, Accounts: &accounts{s.loop, s.store, s.logOuts, s.wall, s.busState},
	}
	if err := addHooks(s, &backend); err != nil {
		return nil, err
	}
	mux.Handle("/api/", s.keyring.serve(backend.Routes(), built))
	mux.Handle("/", built)
	return s.strict(mux), nil
}

// addressOf is where a request comes from, behind trusted proxies; the zero address where that
// cannot be known.
func (s *Server) addressOf(r *http.Request) netip.Addr {
	addr, err := ws.ClientAddr(r, s.trusted)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// strict has browsers use nothing but HTTPS for the name by which they came (RFC 6797). Not
// for an address, where they ignore it, nor for localhost, which other servers of the
// machine share.
func (s *Server) strict(h http.Handler) http.Handler {
	age, on := s.cfg.Settings.Access.HSTSMaxAge()
	if !on || s.cfg.Dev || !s.hasTLS() {
		return h
	}
	value := fmt.Sprintf("max-age=%d", int64(age/time.Second))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
		_, err := netip.ParseAddr(name)
		if err != nil && name != "" && name != "localhost" && !strings.HasSuffix(name, ".localhost") {
			w.Header().Set("Strict-Transport-Security", value)
		}
		h.ServeHTTP(w, r)
	})
}

// panicsOnly lets through what http.Server says of a handler that panicked.
// The rest are complaints about clients, with their addresses.
type panicsOnly struct{ slog.Handler }

// Handle implements slog.Handler.
func (h panicsOnly) Handle(ctx context.Context, r slog.Record) error {
	_, stack, panicked := strings.Cut(r.Message, "\n")
	if !panicked || !strings.HasPrefix(r.Message, "http: panic serving") {
		return nil
	}
	report := slog.NewRecord(r.Time, r.Level, "http handler panicked", r.PC)
	report.AddAttrs(slog.String("stack", stack))
	return h.Handler.Handle(ctx, report)
}
