package e2e_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
	"github.com/peal-rtc/peal/internal/testing/balancer"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

var allNodes = flag.Int("nodes", 1, "how many nodes each server of the tests is, behind a round robin")

// TestTwoNodes: what people do is the same where each connection of theirs may be to another node
// than that of the other side, and than the one before.
func TestTwoNodes(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"video":    TestVideoCall,
		"busy":     TestElsewhereWithinASecond,
		"glare":    TestBothCall,
		"devices":  TestSeveralDevices,
		"reload":   TestReload,
		"restart":  TestServerRestart,
		"login":    TestSingleLogin,
		"halfOpen": TestHalfOpenInACall,
	} {
		t.Run(name, test)
	}
}

// nodesFor is how many nodes a server of a test is.
func nodesFor(t *testing.T) int {
	if strings.HasPrefix(t.Name(), "TestTwoNodes/") {
		return max(2, *allNodes)
	}
	return *allNodes
}

// cluster is what stands around the first node of a server that has several.
type cluster struct {
	balancer *balancer.Balancer
	first    string // The address of the first node.
	store    string
	others   []*server
}

// kept are the files that all nodes of a server have in common: pages and programs are given those
// of the first.
var kept = []string{"dev-secret", "tls-cert.pem", "tls-key.pem"}

// spread makes a server one of several nodes, over PostgreSQL and NATS.
func (s *server) spread(nodes int) {
	t := s.t
	t.Helper()
	c := &cluster{first: freeAddr(t), store: postgres.Shared(t).NewDatabase(t)}
	shared := []string{"--store", c.store, "--bus", natsserver.Start(t).URL()}
	addresses := []string{c.first}
	for range nodes - 1 {
		other := &server{t: t, addr: freeAddr(t), data: t.TempDir(), flags: slices.Concat(withoutRelay(s.flags), shared), log: s.log}
		c.others, addresses = append(c.others, other), append(addresses, other.addr)
	}
	s.flags = slices.Concat(s.flags, shared)
	var err error
	if c.balancer, err = balancer.Listen(s.addr, addresses...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.balancer.Close()
		for _, addr := range addresses {
			if strings.HasPrefix(t.Name(), "TestTwoNodes/") && c.balancer.Passed(addr) == 0 {
				t.Errorf("no connection was given to the node %s", addr)
			}
		}
	})
	s.cluster = c
}

// withoutRelay drops where the relay listens: only one node of a machine can listen there.
func withoutRelay(flags []string) (rest []string) {
	for i := 0; i < len(flags); i++ {
		if flags[i] == "--turn-addr" || flags[i] == "--turn-tls-addr" {
			i++
			continue
		}
		rest = append(rest, flags[i])
	}
	return rest
}

// startOthers starts the nodes beside the first, with what they have in common with it.
func (s *server) startOthers() {
	s.t.Helper()
	if s.cluster == nil {
		return
	}
	for _, other := range s.cluster.others {
		for _, name := range kept {
			text, err := os.ReadFile(filepath.Join(s.data, name))
			if os.IsNotExist(err) {
				continue
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(other.data, name), text, 0o600)
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
		other.start()
	}
}

// stopOthers ends the nodes beside the first.
func (s *server) stopOthers(sig os.Signal) {
	if s.cluster != nil {
		for _, other := range s.cluster.others {
			other.stop(sig)
		}
	}
}

// database opens what a stopped server has stored.
func (s *server) database(t *testing.T) store.Store {
	t.Helper()
	if s.cluster != nil {
		opened, err := pgstore.Open(t.Context(), pgstore.Config{URL: s.cluster.store})
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	paths, err := filepath.Glob(filepath.Join(s.data, "*.db"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("found the databases %v, %v", paths, err)
	}
	opened, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: paths[0]})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}
