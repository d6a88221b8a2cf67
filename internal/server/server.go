// Package server puts the parts together: it opens the store, starts the
// relay, shows a node to its sockets, and takes it all down in order. cmd/peal
// is its caller, and nothing else assembles a server.
//
// One goroutine owns the node; see loop. A Server's methods may be called from
// any goroutine.
package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/metrics"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/relay"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
	"github.com/peal-rtc/peal/internal/ws"
)

// Config is what a server is made of.
type Config struct {
	// Settings must be valid.
	Settings config.Config
	// Dev gives out tokens to programs and to pages of the developer (api.Pages), relays to peers on this machine and its
	// networks, and takes another port for the relay where its own is taken.
	Dev bool
	// SelfSigned serves HTTPS by a self-made certificate kept in the data folder.
	SelfSigned bool
	// Release is the version of the program, for who looks at the nodes.
	Release string
	// Store is where calls are kept; nil means what the settings say. The
	// server closes it.
	Store store.Store
	// Bus connects nodes that share Store; nil means what the settings say. The server closes it.
	Bus bus.Bus
	// Wrap puts something around the store that the settings name; for tests. May be nil.
	Wrap func(store.Store) store.Store
	// Clocks reads the machine's: nil for what the machine has.
	Clocks func() (wall time.Time, passed time.Duration)
	// Logger may be nil.
	Logger *slog.Logger
}

// Server is a running server.
type Server struct {
	cfg     Config
	limits  protocol.Limits
	log     *slog.Logger
	sampler *sampler
	// trusted are the proxies that are believed about where a request comes from.
	trusted []netip.Prefix
	store   store.Store
	clock   *clock
	// ahead is how far the store's clock was ahead of the wall clock when that was last
	// worth a line in the log. It belongs to upkeep, and before that to Start.
	ahead time.Duration
	bus   bus.Bus
	// incarnation names this start of the node.
	incarnation string
	// keys are those by which tokens are signed and judged; Reload changes them.
	keys atomic.Pointer[keys]
	// certificate is that of HTTPS where it is in files, acme where it comes by ACME; both nil
	// where there is no HTTPS here.
	certificate *certificate
	acme        *acmeCertificates
	relay       *relay.Relay // nil when there is none.
	loop        *loop
	metrics     *metrics.Metrics    // nil where nobody counts.
	scrapes     *scrapes            // nil where nobody counts.
	hooks       *webhook.Dispatcher // nil where the store keeps no events.
	endpoint    *ws.Endpoint
	listener    net.Listener
	http        *http.Server
	keyring     *keyring
	logOuts     *logOuts
	neighbours  *neighbours
	busState    *busState
	commands    *commandSocket // nil where commands cannot reach the server.
	// stopping says that Shutdown has begun.
	stopping atomic.Bool
	// leaving is closed when Shutdown begins.
	leaving chan struct{}
	failed  chan error
	quit    chan struct{}
	chores  sync.WaitGroup
}

// Start starts a server. Where it fails it leaves nothing behind.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if cfg.Clocks == nil {
		cfg.Clocks = store.Machine()
	}
	sampler := newSampler(cfg.Logger.Handler())
	cfg.Logger = slog.New(sampler)
	s := &Server{
		cfg: cfg, limits: limits(&cfg.Settings), log: cfg.Logger, sampler: sampler,
		clock: newClock(), incarnation: rand.Text(),
		failed: make(chan error, 1), leaving: make(chan struct{}), quit: make(chan struct{}),
	}
	if s.trusted, err = config.Prefixes("trusted-proxies", cfg.Settings.Access.TrustedProxies); err != nil {
		sampler.close()
		return nil, err
	}
	undo := []func(){sampler.close}
	defer func() {
		if err != nil {
			for i := len(undo) - 1; i >= 0; i-- {
				undo[i]()
			}
		}
	}()
	keys, err := readKeys(&cfg.Settings.Auth)
	if err != nil {
		return nil, err
	}
	s.keys.Store(keys)
	if err = openShared(ctx, s); err != nil {
		return nil, err
	}
	undo = append(undo, s.closeShared)
	if s.listener, err = s.listen(); err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = s.listener.Close() })
	if s.relay, err = s.startRelay(); err != nil {
		return nil, err
	}
	undo = append(undo, shutdown{s}.closeRelay)
	if err = s.startMetrics(ctx); err != nil {
		return nil, err
	}
	undo = append(undo, s.scrapes.close)
	s.neighbours = introduce(s)
	if err = s.startLoop(); err != nil {
		return nil, err
	}
	undo = append(undo, s.loop.end)
	handler, err := s.handler()
	if err != nil {
		return nil, err
	}
	if s.hooks, err = startHooks(s); err != nil {
		return nil, err
	}
	s.http = s.newHTTP(handler)
	begin(ctx, s)
	return s, nil
}

// begin starts what runs beside the loop of a server.
func begin(ctx context.Context, s *Server) {
	s.chores.Go(s.serve)
	s.chores.Go(s.upkeep)
	s.chores.Go(s.forget)
	if s.cfg.shared() {
		s.chores.Go(func() { s.neighbours.follow(s.quit) })
	}
	s.chores.Go(func() { followBooks(s) })
	if watch := s.watchCertificate(); watch != nil {
		s.chores.Go(watch)
	}
	s.serveMetrics()
	s.commands = serveCommands(ctx, &s.cfg, s.keyring, s.loop.inspect, s.log, &s.chores)
	if s.acme != nil {
		s.acme.start(&s.chores, s.quit)
	}
	turn := "off"
	if s.relay != nil {
		turn = s.relay.Addr().String()
	}
	s.log.InfoContext(ctx, "server started",
		"addr", s.Addr().String(), "turn_addr", turn, "incarnation", s.incarnation)
}

func (s *Server) newHTTP(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ConnState:         newVisitors(s.cfg.Settings.Limits.SocketsPerAddr, s.trusted).changed,
		ErrorLog:          slog.NewLogLogger(panicsOnly{s.log.Handler()}, slog.LevelError),
	}
}

// listen opens the port for HTTP.
func (s *Server) listen() (net.Listener, error) {
	settings := &s.cfg.Settings
	certFile, keyFile := settings.TLS.Cert, settings.TLS.Key
	if s.cfg.SelfSigned {
		addresses, err := ownAddresses()
		if err != nil {
			return nil, err
		}
		if certFile, keyFile, err = keepSelfSigned(settings.Data, []string{"localhost"}, addresses, time.Now()); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", settings.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is in use: stop what listens there or give another --addr", settings.Addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l = entrance{l, s.log}
	switch {
	case settings.ACME.On():
		s.acme = newACMECertificates(&settings.ACME, settings.Data, s.log)
	case certFile != "":
		if s.certificate, err = loadCertificate(certFile, keyFile, s.log); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	default:
		return l, nil
	}
	// HTTP/1.1 alone: WebSockets need it, and files are few.
	return tls.NewListener(l, s.secure("http/1.1")), nil
}

// secure is how to speak TLS with the server's certificate.
func (s *Server) secure(protocols ...string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols}
	if s.acme != nil {
		c.GetCertificate, c.GetConfigForClient = s.acme.get, s.acme.forChallenge
	} else {
		c.GetCertificate = s.certificate.get
	}
	return c
}

// hasTLS says whether there is a certificate.
func (s *Server) hasTLS() bool { return s.certificate != nil || s.acme != nil }

// entrance is a listener that says when it cannot let anybody in: http.Server tries again.
type entrance struct {
	net.Listener
	log *slog.Logger
}

// Accept implements net.Listener.
func (e entrance) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		e.log.Error("cannot accept a connection", "error", err)
	}
	return c, err
}

// startLoop starts the node and its sockets.
func (s *Server) startLoop() error {
	n, err := node.New(node.Config{
		Incarnation: s.incarnation,
		Limits:      s.limits,
		Timing:      timing(&s.cfg.Settings.Timing),
		Verify:      s.byWallClock(s.verify),
		Servers:     s.iceServers,
		Announced:   s.announced,
		Policy:      policy(&s.cfg.Settings.Media),
		SingleLogin: s.cfg.Settings.Auth.SingleLogin,
		Alone:       !s.cfg.shared(),
		Drain:       s.cfg.drain(),
		Lowest:      s.neighbours.lowestOf(s.cfg.shared()),
		Logger:      s.log,
	})
	if err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	s.loop = &loop{node: n, store: s.store, clock: s.clock, log: s.log, metrics: s.metrics, committers: s.cfg.committers(), journal: newJournal(s.log, &s.cfg.Settings)}
	s.loop.storage.lost = s.loseStore
	if s.cfg.Settings.Loop == config.Epoll {
		if err := s.loop.newPoller(); err != nil {
			return err
		}
	}
	origins := s.cfg.Settings.Access.Origins
	if s.cfg.Dev {
		origins = nil // They limit which pages get a token. Any page with one may connect.
	}
	s.endpoint = ws.New(ws.Config{
		Limits: s.limits, Handler: s.loop, Origins: origins, TrustedProxies: s.trusted, Logger: s.log,
		Poller: s.loop.poller,
	})
	if err := s.loop.begin(s.bus); err != nil {
		s.loop.poller.Close()
		return fmt.Errorf("join bus: %w", err)
	}
	return nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Failed tells of an end that nobody asked for.
func (s *Server) Failed() <-chan error { return s.failed }

// loseStore ends the server: only a start finds out what the store holds.
func (s *Server) loseStore(err error) {
	select {
	case s.failed <- fmt.Errorf("%w: start the server again, and look at the disk of the data folder", err):
	default: // It ends already.
	}
}

func (s *Server) serve() {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		select {
		case s.failed <- fmt.Errorf("serve HTTP: %w", err):
		default: // It ends already.
		}
	}
}
