package chaos_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // The driver "pgx".

	"github.com/peal-rtc/peal/internal/testing/balancer"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

const (
	// nodesOf is how many nodes a cluster has.
	nodesOf = 3
	// databaseOf is where its calls are.
	databaseOf = "chaos"
	// leaseEnds is how long it takes at most until the death of a node is found: its lease of
	// 6 s, a look each 2 s, and 4 s until another node than the next one looks.
	leaseEnds = 12 * time.Second
)

// cluster are three nodes over PostgreSQL with a synchronous standby and NATS, behind a round
// robin. Each node reaches those by wires of its own, which can be cut. It is a place.
type cluster struct {
	t        *testing.T
	balancer *balancer.Balancer
	nodes    []*clusterNode
	// primary takes writes, and standby follows it. They swap when the standby is promoted.
	primary, standby *postgres.Server
	bus              *natsserver.Server
}

// clusterNode is a server with its wires.
type clusterNode struct {
	*server
	// store has a wire to each of the two databases.
	store [2]*balancer.Balancer
	bus   *balancer.Balancer
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, primary: postgres.Start(t), bus: natsserver.Start(t)}
	c.standby = c.primary.Standby(t)
	db := c.connect(t, "postgres")
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+databaseOf); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	binary := build(t)
	var addresses []string
	for range nodesOf {
		n := &clusterNode{bus: wire(t, "127.0.0.1:0", c.bus.Addr())}
		var hosts []string
		for i, database := range []*postgres.Server{c.primary, c.standby} {
			n.store[i] = wire(t, "127.0.0.1:0", database.Address())
			hosts = append(hosts, n.store[i].Addr())
		}
		n.server = newServer(t, binary)
		n.env = []string{"PEAL_STORE=" + c.url(t, databaseOf, hosts...), "PEAL_BUS=nats://" + n.bus.Addr()}
		c.nodes = append(c.nodes, n)
		addresses = append(addresses, n.addr)
	}
	c.balancer = wire(t, "127.0.0.1:0", addresses...)
	return c
}

// wire is a balancer for the length of the test.
func wire(t *testing.T, addr string, servers ...string) *balancer.Balancer {
	t.Helper()
	b, err := balancer.Listen(addr, servers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// url is that of a database on hosts of which one takes writes.
func (c *cluster) url(t *testing.T, database string, hosts ...string) string {
	t.Helper()
	u, err := url.Parse(c.primary.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = strings.Join(hosts, ",")
	u.RawQuery += "&target_session_attrs=read-write"
	return u.String()
}

// connect opens a database at the server that takes writes.
func (c *cluster) connect(t *testing.T, database string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", c.primary.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (c *cluster) dial(ctx context.Context) (net.Conn, *server, error) {
	conn, addr, err := c.balancer.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	at := slices.IndexFunc(c.nodes, func(n *clusterNode) bool { return n.addr == addr })
	return conn, c.nodes[at].server, nil
}

func (c *cluster) servers() (all []*server) {
	for _, n := range c.nodes {
		all = append(all, n.server)
	}
	return all
}

func (c *cluster) deliverer(remote string) *server {
	for _, s := range c.servers() {
		if s.owns(remote) {
			return s
		}
	}
	return c.nodes[0].server // It died meanwhile.
}

func (c *cluster) open(t *testing.T) *sql.DB {
	t.Helper()
	return c.connect(t, databaseOf)
}

// inPostgres are the questions about the tables of PostgreSQL.
var inPostgres = []question{
	{what: "live calls", query: `SELECT count(*) FROM calls WHERE ended_ns IS NULL`},
	{what: "claims", query: `SELECT count(*) FROM claims`},
	{what: "descriptions", query: `SELECT count(*) FROM descriptions`},
	{what: "deadlines of ended calls", query: `SELECT count(*) FROM calls WHERE ended_ns IS NOT NULL AND deadline_ns IS NOT NULL`},
	{
		what: "calls without their record", calls: true,
		query: `SELECT id, body FROM calls WHERE ended_ns IS NOT NULL AND id NOT IN (SELECT call_id FROM records)`,
	},
}

// dump says what the database and the nodes hold of the calls that live: what to compare when a
// call does not end or a device does not return.
func (c *cluster) dump(ctx context.Context) string {
	var b strings.Builder
	db, err := sql.Open("pgx", c.primary.URL(databaseOf))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = db.Close() }()
	for _, table := range []struct{ name, query string }{
		{"live calls", `SELECT format('%s rev %s state %s deadline in %s s changed %s s ago nodes %s: %s calls %s', id, rev, state,
			round(deadline_ns / 1e9 - extract(epoch FROM clock_timestamp()), 1),
			round(extract(epoch FROM clock_timestamp()) - changed_ns / 1e9, 1), nodes, caller, callee)
			FROM calls WHERE ended_ns IS NULL ORDER BY id`},
		{"claims", `SELECT format('%s by %s', account, call_id) FROM claims ORDER BY account`},
		{"leases", `SELECT format('%s until %s s from now, begun %s s ago', incarnation,
			round(until_ns / 1e9 - extract(epoch FROM clock_timestamp()), 1),
			round(extract(epoch FROM clock_timestamp()) - begun_ns / 1e9, 1)) FROM leases ORDER BY begun_ns`},
	} {
		fmt.Fprintf(&b, "%s:\n", table.name)
		lines, err := texts(ctx, db, table.query)
		for _, line := range lines {
			fmt.Fprintf(&b, "  %s\n", line)
		}
		if err != nil {
			fmt.Fprintf(&b, "  %v\n", err)
		}
	}
	for i, s := range c.servers() {
		state, err := s.inspect(ctx)
		fmt.Fprintf(&b, "node %d at %s holds %s %v\n", i+1, s.addr, state, err)
	}
	return b.String()
}

// texts reads the one column of a query.
func texts(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
