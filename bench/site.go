package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/load"
	"github.com/peal-rtc/peal/internal/testing/balancer"
)

// site is what carries a load: one server with SQLite, or nodes with a balancer before them, and
// PostgreSQL and NATS behind.
type site struct {
	nodes    []*peal
	metrics  []string // Where each node serves them.
	balancer *balancer.Balancer
	database *database // nil with SQLite, as what follows.
	trips    *trips    // nil where they are not counted.
	bus      *process
	monitor  string // Where NATS says what it did.
}

// startSite starts so many nodes; 0 is one server with SQLite.
func startSite(ctx context.Context, binary string, size int, counted bool) (s *site, err error) {
	made := &site{}
	defer func() {
		if err != nil {
			made.stop()
		}
	}()
	var more []string
	if size > 0 {
		if more, err = made.startBehind(ctx, counted); err != nil {
			return nil, err
		}
	}
	var addresses []string
	for range max(size, 1) {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		metrics := fmt.Sprintf("127.0.0.1:%d", port)
		node, err := startPeal(ctx, binary, append(slices.Clone(more), "--metrics-addr", metrics)...)
		if err != nil {
			return nil, err
		}
		made.nodes, made.metrics = append(made.nodes, node), append(made.metrics, metrics)
		addresses = append(addresses, node.addr)
	}
	if made.balancer, err = balancer.Listen("127.0.0.1:0", addresses...); err != nil {
		return nil, err
	}
	return made, nil
}

// startBehind starts the database and the bus, and returns the settings of a node for them.
func (s *site) startBehind(ctx context.Context, counted bool) (settings []string, err error) {
	if s.database, err = barePostgres(ctx); err != nil {
		return nil, err
	}
	store := s.database.url
	if counted {
		address := strings.TrimSuffix(store[strings.LastIndex(store, "@")+1:], "/postgres")
		if s.trips, err = countTrips(address); err != nil {
			return nil, err
		}
		store = strings.Replace(store, address, s.trips.addr(), 1)
	}
	if s.monitor, err = s.startBus(ctx); err != nil {
		return nil, err
	}
	return []string{"--store", store + "?sslmode=disable", "--bus", "nats://" + s.bus.name}, nil
}

// startBus starts NATS, whose process is named by its address, and says where it is monitored.
func (s *site) startBus(ctx context.Context) (monitor string, err error) {
	program, err := exec.LookPath("nats-server")
	if err != nil {
		return "", &missingError{"nats-server", "nats-server"}
	}
	var ports [2]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return "", err
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", ports[0])
	s.bus, err = start(ctx, addr, program, "-a", "127.0.0.1", "-p", strconv.Itoa(ports[0]), "-m", strconv.Itoa(ports[1]))
	if err != nil {
		return "", err
	}
	monitor = fmt.Sprintf("127.0.0.1:%d", ports[1])
	return monitor, s.bus.until(ctx, answers(monitor))
}

func (s *site) stop() {
	if s.balancer != nil {
		_ = s.balancer.Close()
	}
	for _, n := range s.nodes {
		n.stop()
	}
	if s.bus != nil {
		s.bus.stop()
	}
	if s.trips != nil {
		s.trips.close()
	}
	if s.database != nil {
		s.database.stop()
	}
}

// fleet logs devices in that call each other at a rate.
func (s *site) fleet(ctx context.Context, rate float64, each time.Duration) (*load.Fleet, error) {
	cfg := s.nodes[0].load(max(400, 4*int(rate)))
	cfg.Server = "http://" + s.balancer.Addr()
	cfg.Rate, cfg.Duration = rate, each
	return fleet(ctx, cfg)
}

// run has devices log in and call each other at a rate.
func (s *site) run(ctx context.Context, rate float64, each time.Duration) (*load.Result, error) {
	f, err := s.fleet(ctx, rate, each)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Run(ctx)
}

// figures are what a site has used and done so far.
type figures struct {
	nodes, database, bus                           time.Duration
	commits, changes, reads, trips                 float64
	wal, rows, updates, hot, dead, live, deadlocks float64
	messagesIn, messagesOut, bytesIn               float64
}

// statsLate is how late PostgreSQL may tell what it did.
const statsLate = 1500 * time.Millisecond

// figures reads them.
func (s *site) figures(ctx context.Context) (f figures, err error) {
	for i, n := range s.nodes {
		used, err := cpu(n.pid())
		if err != nil {
			return f, err
		}
		f.nodes += used
		if err := f.readMetrics(ctx, s.metrics[i]); err != nil {
			return f, err
		}
	}
	if s.database == nil {
		return f, nil
	}
	if s.trips != nil {
		f.trips = float64(s.trips.count.Load())
	}
	if f.database, err = cpu(s.database.pid()); err != nil {
		return f, err
	}
	if f.bus, err = cpu(s.bus.pid()); err != nil {
		return f, err
	}
	if err := pause(ctx, statsLate); err != nil {
		return f, err
	}
	return f, errors.Join(f.readDatabase(ctx, s.database), f.readBus(ctx, s.monitor))
}

// readMetrics adds what a node tells.
func (f *figures) readMetrics(ctx context.Context, addr string) error {
	text, err := get(ctx, "http://"+addr+"/metrics")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseFloat(value, 64)
		switch name, _, _ := strings.Cut(name, "{"); {
		case err != nil:
		case name == "peal_commit_seconds_count":
			f.commits += n
		case name == "peal_commit_changes_sum":
			f.changes += n
		case name == "peal_read_seconds_count":
			f.reads += n
		}
	}
	return nil
}

// databaseFigures are those of readDatabase, in its order.
const databaseFigures = `SELECT
	pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'),
	(SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables),
	(SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'calls'),
	(SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'calls'),
	(SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'calls'),
	(SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'calls'),
	(SELECT sum(deadlocks) FROM pg_stat_database)`

func (f *figures) readDatabase(ctx context.Context, d *database) error {
	text, err := d.query(ctx, databaseFigures)
	if err != nil {
		return err
	}
	fields := strings.Split(strings.TrimSpace(text), "|")
	to := []*float64{&f.wal, &f.rows, &f.updates, &f.hot, &f.dead, &f.live, &f.deadlocks}
	if len(fields) != len(to) {
		return fmt.Errorf("PostgreSQL tells %q", text)
	}
	for i, field := range fields {
		if *to[i], err = strconv.ParseFloat(field, 64); err != nil {
			return fmt.Errorf("PostgreSQL tells %q: %w", text, err)
		}
	}
	return nil
}

func (f *figures) readBus(ctx context.Context, monitor string) error {
	text, err := get(ctx, "http://"+monitor+"/varz")
	if err != nil {
		return err
	}
	var told struct {
		In      float64 `json:"in_msgs"`
		Out     float64 `json:"out_msgs"`
		BytesIn float64 `json:"in_bytes"`
	}
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		return fmt.Errorf("NATS tells %q: %w", text, err)
	}
	f.messagesIn, f.messagesOut, f.bytesIn = told.In, told.Out, told.BytesIn
	return nil
}

// since is what one call has cost.
func (f *figures) since(before figures, r *load.Result) costOfCall {
	n := float64(r.Completed)
	each := func(after, before float64) float64 { return (after - before) / n }
	us := func(after, before time.Duration) float64 { return float64((after - before).Microseconds()) / n }
	return costOfCall{
		ringP99: r.Ring.P99, failed: r.Failed,
		nodes: us(f.nodes, before.nodes), database: us(f.database, before.database), bus: us(f.bus, before.bus),
		changes: share(f.changes-before.changes, f.commits-before.commits),
		trips:   share(f.trips-before.trips, f.commits+f.reads-before.commits-before.reads),
		wal:     each(f.wal, before.wal), rows: each(f.rows, before.rows),
		in: each(f.messagesIn, before.messagesIn), out: each(f.messagesOut, before.messagesOut),
		busBytes: each(f.bytesIn, before.bytesIn),
		hot:      share(f.hot-before.hot, f.updates-before.updates), dead: share(f.dead, f.dead+f.live),
		deadlocks: f.deadlocks,
	}
}

// share is a quotient; zero where there is nothing to divide by.
func share(part, all float64) float64 {
	if all == 0 {
		return 0
	}
	return part / all
}

// get reads a page.
func get(ctx context.Context, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(w.Body, 1<<20))
	return string(text), err
}
