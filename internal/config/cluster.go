package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Cluster says what several nodes share. Without it one server runs alone, on SQLite in its
// data folder.
type Cluster struct {
	Store     string        `placeholder:"URL" env:"STORE" help:"PostgreSQL database that all nodes share, such as postgres://peal@db.example.com/peal; needs --bus. SQLite in the data folder, for one node, unless given. Do not give a password by a flag, which others on the machine can read: use the environment or the settings file."`
	Bus       string        `placeholder:"URL" env:"BUS" help:"NATS server through which the nodes notify each other at once, such as nats://nats.example.com:4222; several are separated by commas. It needs --store. Give a password as that of --store."`
	Cluster   string        `default:"peal" placeholder:"NAME" env:"CLUSTER" help:"Name that all nodes of one database have, and no others on the NATS server (${default})."`
	Advertise string        `placeholder:"URL" env:"ADVERTISE" help:"Address by which operators reach this one node, such as https://node1.example.com. That of --addr, unless given."`
	Drain     time.Duration `default:"30s" env:"DRAIN" help:"Time over which a node that stops closes its connections, those in a call last, so that not all devices come to the other nodes at once. A node on SQLite closes them at once."`
}

// drainMost keeps a node from stopping for longer than supervisors wait.
const drainMost = 10 * time.Minute

var clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// On tells whether several nodes may share the store.
func (c *Cluster) On() bool { return c.Store != "" }

// validate shows no part of the URLs of store and bus beyond their schemes: they may hold passwords.
func (c *Cluster) validate() error {
	return errors.Join(c.checkStore(), c.checkBus(), c.checkNode())
}

func (c *Cluster) checkStore() error {
	if c.Store == "" {
		return nil
	}
	if err := CheckPostgres("store", c.Store); err != nil {
		return err
	}
	if c.Bus == "" {
		return errors.New("store is given and bus is not: nodes that share a database tell each other of calls by NATS, also where there is one; " +
			"give bus, such as nats://nats.example.com:4222")
	}
	return nil
}

// CheckPostgres refuses what is not the URL of a PostgreSQL database.
func CheckPostgres(name, value string) error {
	scheme, rest, found := strings.Cut(value, "://")
	switch {
	case !found:
		return fmt.Errorf("%s is not a URL: give one, such as postgres://peal@db.example.com/peal", name)
	case scheme != "postgres" && scheme != "postgresql":
		return fmt.Errorf("%s has the scheme %.20q: give a URL of PostgreSQL, such as postgres://peal@db.example.com/peal, "+
			"or leave it out for SQLite in the data folder", name, scheme)
	case rest == "":
		return fmt.Errorf("%s names no database: give its URL, such as postgres://peal@db.example.com/peal", name)
	}
	return nil
}

func (c *Cluster) checkBus() error {
	if c.Bus == "" {
		return nil
	}
	for server := range strings.SplitSeq(c.Bus, ",") {
		scheme, rest, found := strings.Cut(server, "://")
		switch {
		case !found:
			return errors.New("bus is not a URL: give one, such as nats://nats.example.com:4222")
		case !slices.Contains([]string{"nats", "tls", "ws", "wss"}, scheme):
			return fmt.Errorf("bus has the scheme %.20q: give URLs of NATS, such as nats://nats.example.com:4222, or tls:// in place of nats://", scheme)
		case rest == "":
			return errors.New("bus names no server: give its URL, such as nats://nats.example.com:4222")
		}
	}
	if c.Store == "" {
		return errors.New("bus is given and store is not: nodes with SQLite share no calls; give store, such as postgres://peal@db.example.com/peal, " +
			"or leave bus out for one node")
	}
	return nil
}

func (c *Cluster) checkNode() error {
	var errs []error
	if !clusterName.MatchString(c.Cluster) {
		errs = append(errs, fmt.Errorf("cluster is %.50q: give 1 to 32 of a-z, 0-9 and -, such as peal", c.Cluster))
	}
	if c.Drain > drainMost {
		errs = append(errs, fmt.Errorf("drain is %s: give %s or less", c.Drain, drainMost))
	}
	if c.Advertise == "" {
		return errors.Join(errs...)
	}
	u, err := url.Parse(c.Advertise)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, errors.New("advertise is not the address of a node: give a URL without a path, such as https://node1.example.com:7326"))
	}
	return errors.Join(errs...)
}

// NodeAddress is the URL by which operators reach this node. outbound is the address by which
// this machine reaches others: it stands for an addr without one.
func (c *Config) NodeAddress(listens net.Addr, outbound netip.Addr) string {
	if c.Cluster.Advertise != "" {
		return strings.TrimRight(c.Cluster.Advertise, "/")
	}
	scheme := "http"
	if c.TLS.Cert != "" || c.ACME.On() {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(c.Addr)
	_, port, _ := net.SplitHostPort(listens.String())
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = outbound.String()
	}
	if c.ACME.On() {
		host = c.ACME.Domains[0]
	}
	return (&url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port)}).String()
}
