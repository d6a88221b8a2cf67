package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/server"
)

// What every peal dev has in common.
const (
	devAddr       = "127.0.0.1:7325"
	devData       = "peal-data"
	devKeyID      = "dev"
	devSecretFile = "dev-secret"
	turnPort      = "3478"
)

// devCommand starts a server for trying out and developing.
type devCommand struct {
	Addr          string       `default:"${devAddr}" placeholder:"HOST:PORT" env:"PEAL_ADDR" help:"Address to listen on (${default})."`
	Data          string       `default:"${devData}" placeholder:"DIR" env:"PEAL_DATA" help:"Data folder: calls, secret, certificate (${default})."`
	TLS           bool         `name:"tls" help:"Serve HTTPS by a self-made certificate, so that other machines and phones get camera and microphone. Their browsers warn once."`
	TurnAddr      string       `placeholder:"HOST:PORT" env:"PEAL_TURN_ADDR" help:"Address to listen on for STUN and TURN over UDP and TCP; off for none. Unless given: the host of --addr and port 3478, or a free one."`
	TurnTLSAddr   string       `name:"turn-tls-addr" placeholder:"HOST:PORT" env:"PEAL_TURN_TLS_ADDR" help:"Address to listen on for TURN over TLS; needs --tls. None, unless given."`
	Media         config.Media `embed:"" envprefix:"PEAL_"`
	Origins       []string     `placeholder:"HOST" env:"PEAL_ORIGINS" help:"Further pages that get tokens from /dev/token, by host or by scheme://host; * stands for part of a name. Pages of this server and of localhost get them anyway, others never."`
	TurnAllowPeer []string     `placeholder:"CIDR" env:"PEAL_TURN_ALLOW_PEER" help:"Special addresses to relay to, in place of all that are private, link-local, of a carrier (100.64.0.0/10) or, where only this machine reaches the server, loopback. May be repeated."`
	API           config.API   `embed:"" prefix:"api-" envprefix:"PEAL_API_"`
	WebhookAllow  []string     `placeholder:"CIDR" env:"PEAL_WEBHOOK_ALLOW" help:"Special addresses of webhook endpoints to send to, beside loopback."`
	SingleLogin   bool         `env:"PEAL_SINGLE_LOGIN" help:"Let each account be logged in on one device: a newer login ends the older."`
	Store         string       `hidden:"" placeholder:"URL" help:"PostgreSQL database for trying out several nodes, as --store of peal serve; anyone gets into it."`
	Bus           string       `hidden:"" placeholder:"URL" help:"NATS server for trying out several nodes, as --bus of peal serve."`
	LogLevel      string       `default:"warn" enum:"debug,info,warn,error" env:"PEAL_LOG_LEVEL" help:"Lowest level to log: debug, info, warn or error."`
}

// Help implements kong.HelpProvider.
func (*devCommand) Help() string {
	return `Anyone who reaches this server gets a token for any name, so keep it among friends. Pages in a
browser get one when they are of this server, of localhost, or named by --origins. Open the server
by an IP address, as localhost, by the name in --addr, or by one in --origins.

Examples:
  peal dev
  peal dev --tls --addr 0.0.0.0:8443               join from a phone on the same network
  peal dev --origins https://app.test:3000         get tokens from a page that is not on localhost
  curl -d '{"account":"alice"}' http://127.0.0.1:7325/dev/token`
}

// Run serves until a signal comes.
func (c *devCommand) Run(std streams) error {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	if err := settings.Check(); err != nil {
		return misuse{err}
	}
	if err := settings.CheckDev(); err != nil {
		return misuse{err}
	}
	cfg := server.Config{Settings: *settings, Release: version(), Dev: true, SelfSigned: c.TLS}
	again := func() (*config.Config, []string, error) {
		now, err := c.settings()
		return now, nil, err
	}
	return serve(std, cfg, reading{again}, func(s *server.Server) error {
		_, err := fmt.Fprint(std.out, c.banner(s, settings))
		return err
	})
}

// settings are the defaults of serve, loosened.
func (c *devCommand) settings() (*config.Config, error) {
	var s config.Config
	if err := kong.ApplyDefaults(&s); err != nil {
		return nil, fmt.Errorf("read defaults: %w", err)
	}
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, misuse{fmt.Errorf("addr is %q: give HOST:PORT, such as %s", c.Addr, devAddr)}
	}
	secret, err := auth.KeepSecret(filepath.Join(c.Data, devSecretFile))
	if err != nil {
		return nil, err
	}
	s.Addr, s.Data, s.Log.Level = c.Addr, c.Data, c.LogLevel
	s.Auth.Secret, s.Auth.KeyID, s.Auth.SingleLogin = string(secret), devKeyID, c.SingleLogin
	s.Cluster.Store, s.Cluster.Bus, s.Cluster.Drain = c.Store, c.Bus, 0
	s.API = c.API
	s.Hooks.Allow = c.WebhookAllow
	s.Access.Origins = c.Origins
	s.TURN.Addr, s.TURN.TLSAddr, s.TURN.AllowPeer = c.TurnAddr, c.TurnTLSAddr, c.TurnAllowPeer
	s.Media = c.Media
	if s.TURN.Addr == "" {
		s.TURN.Addr = net.JoinHostPort(turnHost(host), turnPort)
	}
	if host, _, err := net.SplitHostPort(s.TURN.Addr); err == nil && anywhere(host) {
		s.TURN.Announce = server.Outbound().String()
	}
	// Trying things out is quicker than calling people.
	s.Limits.MessageRate, s.Limits.MessageBurst = 200, 600
	s.Limits.InvitesPerMin, s.Limits.PairPerMin, s.Limits.RingsPerMin, s.Limits.HellosPerMin = 600, 600, 600, 6000
	s.Limits.SignalBytes, s.Limits.DeclinedPause = 16<<20, 0
	s.Limits.Devices, s.Limits.SocketsPerAddr = 50, 1000
	return &s, nil
}

// turnHost is where the relay listens when the pages come from host.
func turnHost(host string) string {
	if anywhere(host) {
		return "0.0.0.0"
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return "127.0.0.1" // A name: localhost.
	}
	return host
}

// anywhere tells whether a host stands for all addresses of this machine.
func anywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// local tells whether a browser on this machine takes a host for its own, and
// so gives it camera and microphone without HTTPS.
func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// banner tells what runs and what to do next.
func (c *devCommand) banner(s *server.Server, settings *config.Config) string {
	host, _, _ := net.SplitHostPort(c.Addr)
	_, port, _ := net.SplitHostPort(s.Addr().String())
	shown := host
	if anywhere(host) {
		shown = "localhost"
		if c.TLS {
			shown = server.Outbound().String()
		}
	}
	scheme := "http"
	if c.TLS {
		scheme = "https"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Peal is ready: %s://%s\n\n", scheme, net.JoinHostPort(shown, port))
	b.WriteString("Open it in two tabs, go by a different name in each, and call one from the other.\n")
	if c.TLS {
		b.WriteString("The certificate is self-made: the browser warns once, go on all the same.\n")
	} else if !local(host) {
		b.WriteString("Browsers give no camera to plain HTTP from another machine: use --tls.\n")
	}
	fmt.Fprintf(&b, "\n  component  %s://%s/sdk/peal.umd.js\n", scheme, net.JoinHostPort(shown, port))
	if turn := s.TURNAddr(); turn.IsValid() {
		fmt.Fprintf(&b, "  STUN, TURN %s (UDP and TCP)", turn)
		if want := settings.TURN.Addr; !strings.HasSuffix(want, ":0") && !strings.HasSuffix(want, fmt.Sprintf(":%d", turn.Port())) {
			fmt.Fprintf(&b, ", since %s is in use", want)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "  data       %s\n\n%sCtrl+C stops it.\n", settings.Data, exposure(s, settings))
	return b.String()
}

// place says where something listens that was given as HOST:PORT.
func place(address, port string) string {
	host, _, _ := net.SplitHostPort(address)
	if anywhere(host) {
		return "port " + port + " of every address of this machine"
	}
	return net.JoinHostPort(host, port)
}

// exposure says what is open to whom beyond this machine; empty where nothing is.
func exposure(s *server.Server, settings *config.Config) string {
	if !settings.Exposed() {
		return ""
	}
	pages := *settings
	pages.TURN.Addr = "off"
	var b strings.Builder
	b.WriteString("Open to other machines:\n")
	if pages.Exposed() {
		_, port, _ := net.SplitHostPort(s.Addr().String())
		fmt.Fprintf(&b, "  address    %s, for everyone who reaches this machine\n", place(settings.Addr, port))
		b.WriteString("  tokens     for any name: everyone who reaches that address can call, answer and read records as anyone\n")
	}
	if turn := s.TURNAddr(); turn.IsValid() {
		fmt.Fprintf(&b, "  relay      %s", place(settings.TURN.Addr, strconv.Itoa(int(turn.Port()))))
		if settings.TURN.TLSAddr != "" {
			_, port, _ := net.SplitHostPort(settings.TURN.TLSAddr)
			fmt.Fprintf(&b, ", %s", place(settings.TURN.TLSAddr, port))
		}
		peers := "private networks"
		if len(settings.TURN.AllowPeer) > 0 {
			peers = strings.Join(settings.TURN.AllowPeer, ", ")
		}
		fmt.Fprintf(&b, ": anyone with a token can send UDP through this machine to the internet and to %s,\n"+
			"             but not to its loopback (127.0.0.1)\n", peers)
	}
	b.WriteString("Use it in a network that you trust. Without --addr and --turn-addr it is open to this machine alone.\n\n")
	return b.String()
}
