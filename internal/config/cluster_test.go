package config

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const (
	database = "postgres://peal:letmein@db.example.com:5432,db2.example.com/peal?sslmode=verify-full"
	nats     = "nats://peal:letmein@nats.example.com:4222"
)

func TestCheckCluster(t *testing.T) {
	tests := map[string]struct {
		spoil func(*Cluster)
		says  string // Empty where it stays valid.
	}{
		"both":                    {func(c *Cluster) { c.Store, c.Bus = database, nats }, ""},
		"long scheme":             {func(c *Cluster) { c.Store, c.Bus = "postgresql://db/peal", nats }, ""},
		"several servers":         {func(c *Cluster) { c.Store, c.Bus = database, nats+",tls://peal:letmein@other" }, ""},
		"store alone":             {func(c *Cluster) { c.Store = database }, "store is given and bus is not"},
		"bus alone":               {func(c *Cluster) { c.Bus = nats }, "bus is given and store is not"},
		"another database":        {func(c *Cluster) { c.Store, c.Bus = "mysql://peal:letmein@db/peal", nats }, `store has the scheme "mysql"`},
		"no database":             {func(c *Cluster) { c.Store, c.Bus = "postgres://", nats }, "store names no database"},
		"settings of libpq":       {func(c *Cluster) { c.Store, c.Bus = "host=db password=letmein", nats }, "store is not a URL"},
		"another bus":             {func(c *Cluster) { c.Store, c.Bus = database, "redis://peal:letmein@redis" }, `bus has the scheme "redis"`},
		"one of several":          {func(c *Cluster) { c.Store, c.Bus = database, nats+",http://peal:letmein@x" }, `bus has the scheme "http"`},
		"bus without a URL":       {func(c *Cluster) { c.Store, c.Bus = database, "peal:letmein@nats" }, "bus is not a URL"},
		"no bus":                  {func(c *Cluster) { c.Store, c.Bus = database, "nats://" }, "bus names no server"},
		"no name":                 {func(c *Cluster) { c.Cluster = "" }, `cluster is ""`},
		"wild name":               {func(c *Cluster) { c.Cluster = "a.>" }, `cluster is "a.>"`},
		"long name":               {func(c *Cluster) { c.Cluster = strings.Repeat("a", 33) }, "cluster is"},
		"longest name":            {func(c *Cluster) { c.Cluster = strings.Repeat("a", 32) }, ""},
		"endless drain":           {func(c *Cluster) { c.Drain = 11 * time.Minute }, "drain is 11m0s: give 10m0s or less"},
		"address":                 {func(c *Cluster) { c.Advertise = "https://node1.example.com:7326/" }, ""},
		"address without scheme":  {func(c *Cluster) { c.Advertise = "node1.example.com" }, "advertise is not"},
		"address with a path":     {func(c *Cluster) { c.Advertise = "https://example.com/node1" }, "advertise is not"},
		"address with a password": {func(c *Cluster) { c.Advertise = "https://peal:letmein@example.com" }, "advertise is not"},
		"broken address":          {func(c *Cluster) { c.Advertise = "https://letmein:x:y" }, "advertise is not"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := valid()
			test.spoil(&c.Cluster)
			err := c.Check()
			switch {
			case test.says == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Fatalf("got %v, want it to say %q", err, test.says)
			case err != nil && strings.Contains(err.Error(), "letmein"):
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}

func TestNodeAddress(t *testing.T) {
	listens := &net.TCPAddr{IP: net.IPv4(0, 0, 0, 0), Port: 7327}
	for want, set := range map[string]func(*Config){
		"http://127.0.0.1:7327":          func(c *Config) { c.Addr = "127.0.0.1:0" },
		"http://192.0.2.7:7327":          func(c *Config) { c.Addr = ":0" },
		"https://192.0.2.7:7327":         func(c *Config) { c.Addr, c.TLS.Cert = "0.0.0.0:0", "cert.pem" },
		"https://calls.example.com:7327": func(c *Config) { c.Addr, c.ACME.Domains = ":0", []string{"calls.example.com"} },
		"http://[::1]:7327":              func(c *Config) { c.Addr = "[::1]:0" },
		"https://node1.example.com":      func(c *Config) { c.Cluster.Advertise = "https://node1.example.com/" },
	} {
		c := valid()
		set(&c)
		if got := c.NodeAddress(listens, netip.MustParseAddr("192.0.2.7")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Names that several nodes have get no certificate by ACME from each of them.
func TestDoubtsOfNodes(t *testing.T) {
	c := valid()
	c.ACME.Domains = []string{"calls.example.com"}
	if got := c.Doubts(); len(got) != 0 {
		t.Errorf("one node: %v", got)
	}
	c.Cluster.Store, c.Cluster.Bus = database, nats
	if got := c.Doubts(); len(got) != 1 || got[0].Setting != "acme-domain" {
		t.Errorf("several: %v", got)
	}
}
