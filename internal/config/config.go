// Package config holds every setting of a server, with its default, its text
// for people and its rules. cmd/peal fills it from a file, the environment and
// flags; internal/server builds what it says. A Config is plain data: the code that
// filled it owns it, and nobody changes it after Check.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/peal-rtc/peal/internal/auth"
)

// Config is the settings of `peal serve`. The tags are read by kong: the name
// of a flag is the field's in kebab-case, after the prefix of its group.
type Config struct {
	Addr    string        `default:"127.0.0.1:7326" placeholder:"HOST:PORT" env:"PEAL_ADDR" help:"Address to listen on for HTTP and WebSocket (${default})."`
	Data    string        `default:"peal-data" placeholder:"DIR" env:"PEAL_DATA" help:"Folder of the database (${default})."`
	Keep    time.Duration `name:"keep-records" default:"4320h" env:"PEAL_KEEP_RECORDS" help:"Time for which to keep the records of calls."`
	Durable string        `default:"full" enum:"off,normal,full" env:"PEAL_DURABLE" help:"Durability of a commit: full flushes it to disk; normal may lose the last commits when the machine dies; off may lose the database."`
	Loop    string        `default:"epoll" enum:"epoll,goroutines" env:"PEAL_LOOP" help:"Way to serve plain WebSockets: epoll, on Linux, by one event loop; goroutines, one or two for each socket, as over TLS and on other systems. It is for one release, in case epoll makes trouble."`

	MetricsAddr string `placeholder:"HOST:PORT" env:"PEAL_METRICS_ADDR" help:"Address to serve metrics for Prometheus on, at /metrics; none, unless given. It asks for no password, so use a loopback or private address, such as 127.0.0.1:9326."`

	Cluster Cluster `embed:"" envprefix:"PEAL_" group:"Several nodes:"`

	TLS    TLS    `embed:"" prefix:"tls-" envprefix:"PEAL_TLS_" group:"TLS:"`
	ACME   ACME   `embed:"" prefix:"acme-" envprefix:"PEAL_ACME_" group:"Certificates by ACME:"`
	Auth   Auth   `embed:"" envprefix:"PEAL_" group:"Tokens:"`
	API    API    `embed:"" prefix:"api-" envprefix:"PEAL_API_" group:"Server API:"`
	Hooks  Hooks  `embed:"" prefix:"webhook-" envprefix:"PEAL_WEBHOOK_" group:"Webhooks:"`
	Access Access `embed:"" envprefix:"PEAL_" group:"Access:"`
	Media  Media  `embed:"" envprefix:"PEAL_" group:"Privacy of media:"`
	TURN   TURN   `embed:"" prefix:"turn-" envprefix:"PEAL_TURN_" group:"STUN and TURN:"`
	Log    Log    `embed:"" prefix:"log-" envprefix:"PEAL_LOG_" group:"Logs:"`
	Timing Timing `embed:"" prefix:"timing-" envprefix:"PEAL_TIMING_" group:"Timing of calls:"`
	Limits Limits `embed:"" prefix:"limits-" envprefix:"PEAL_LIMITS_" group:"Limits:"`
	Sizes  Sizes  `embed:"" prefix:"limits-" envprefix:"PEAL_LIMITS_" group:"Limits:"`
	Pulses Pulses `embed:"" prefix:"ping-" envprefix:"PEAL_PING_" group:"Heartbeats:"`
}

// Epoll is the value of Loop that asks for the event loop, where there is one.
const Epoll = "epoll"

// TLS says by which certificate to serve HTTPS. Without one it is plain HTTP,
// which browsers give a camera only on this machine itself.
type TLS struct {
	Cert string `placeholder:"FILE" env:"CERT" help:"Certificate chain in PEM. It is read again when the file changes."`
	Key  string `placeholder:"FILE" env:"KEY" help:"Its private key in PEM."`
}

// Auth says which tokens are good.
type Auth struct {
	Secret      string            `placeholder:"SECRET" env:"SECRET" help:"Secret that signs tokens (HS256), 32 bytes or more, used as it is written. Do not give it by a flag, which others on the machine can read: use --secret-file, the environment, the settings file or a credential of systemd named secret."`
	SecretFile  string            `placeholder:"FILE" env:"SECRET_FILE" help:"File that holds the secret alone; line breaks at its end are not part of it."`
	KeyID       string            `name:"key-id" default:"main" placeholder:"ID" env:"KEY_ID" help:"Key id (kid) of the secret (${default})."`
	Keys        map[string]string `placeholder:"ID=SECRET" env:"KEYS" help:"Further keys whose tokens are good too, for changing the secret without a break. Do not give them by a flag either."`
	SingleLogin bool              `name:"single-login" env:"SINGLE_LOGIN" help:"Let each account be logged in on one device: a newer login ends the older. Tokens with the claim single_login ask for it one by one."`
	MaxTTL      time.Duration     `name:"token-max-ttl" default:"24h" env:"TOKEN_MAX_TTL" help:"Longest time that a token may be good for."`
	Audience    string            `name:"token-audience" placeholder:"TEXT" env:"TOKEN_AUDIENCE" help:"Audience (claim aud) that every token has to name, so that tokens for another service with the same secret are refused. Not checked, unless given."`
}

// API says which backends may use the server API. It is off without a key.
type API struct {
	Keys map[string]string `placeholder:"ID=SECRET" env:"KEYS" help:"Keys of backends for the server API under /api/v1: ids, and secrets of 43 characters of base64url (32 random bytes). A backend sends peal_sk_ID_SECRET. Do not give them by a flag, which others on the machine can read. Without one, and without one of peal key new, there is no server API."`
}

// Hooks says where webhooks may go.
type Hooks struct {
	Allow []string `placeholder:"CIDR" env:"ALLOW" help:"Addresses of webhook endpoints to send to although they are private, loopback or otherwise special, by plain HTTP too. Backends with an API key can then send requests there."`
}

// Access says who may connect from where.
type Access struct {
	Origins        []string `placeholder:"HOST" env:"ORIGINS" help:"Pages that may connect, by host or by scheme://host; * stands for part of a name. Any, unless given: tokens protect the accounts."`
	TrustedProxies []string `placeholder:"CIDR" env:"TRUSTED_PROXIES" help:"Proxies whose X-Forwarded-For or Forwarded (RFC 7239) is believed."`
	HSTS           string   `name:"hsts" default:"4320h" placeholder:"DURATION" env:"HSTS" help:"Time for which browsers that came by HTTPS use HTTPS alone for this name (Strict-Transport-Security; ${default}, which is 180 days). 0s has them forget it; off sends no header."`
}

// Media says which addresses people may learn of each other. Callers can ask
// for more, call by call.
type Media struct {
	RelayUntilAccept bool `name:"relay-until-accept" env:"RELAY_UNTIL_ACCEPT" help:"Let callees learn of a caller's addresses only once they have answered: until then candidates of the relay alone pass."`
	RelayOnly        bool `name:"relay-only" env:"RELAY_ONLY" help:"Let nobody learn of the other side's addresses: all media goes by the relay, which has to carry it."`
}

// TURN is the embedded relay for media.
type TURN struct {
	Addr      string        `default:"127.0.0.1:3478" placeholder:"HOST:PORT" env:"ADDR" help:"Address to listen on for STUN and TURN over UDP and TCP (${default}); off for none."`
	TLSAddr   string        `name:"tls-addr" placeholder:"HOST:PORT" env:"TLS_ADDR" help:"Address to listen on for TURN over TLS, by the certificate of HTTPS; none, unless given. It gets through where nothing but HTTPS does, best on port 443 of an address of its own."`
	Announce  string        `placeholder:"IP" env:"ANNOUNCE" help:"Address under which clients reach it, when that is not the one it listens on."`
	Host      string        `placeholder:"NAME" env:"HOST" help:"Name under which clients reach it, in place of the address: TLS needs one that the certificate is for."`
	Most      int           `name:"allocations" default:"5000" env:"ALLOCATIONS" help:"Relayed addresses at a time, in all; a device in a call needs one or two."`
	MinPort   uint16        `placeholder:"PORT" env:"MIN_PORT" help:"Lowest port for relayed media; any, unless given."`
	MaxPort   uint16        `placeholder:"PORT" env:"MAX_PORT" help:"Highest port for relayed media."`
	Drain     time.Duration `default:"0s" env:"DRAIN" help:"Longest time for which the relay of a server that has stopped lives on until its last relayed address ends, so that no media stops; 0s (the default) for none. The server that takes its place on the same machine cannot start before. Give the supervisor as much more time before it kills."`
	AllowPeer []string      `placeholder:"CIDR" env:"ALLOW_PEER" help:"Addresses to relay to although they are private, loopback or otherwise special."`
}

// Log says what to write about.
type Log struct {
	Level    string `default:"info" enum:"debug,info,warn,error" env:"LEVEL" help:"Lowest level to log: debug, info, warn or error."`
	Format   string `default:"text" enum:"text,json" env:"FORMAT" help:"Format of the log: text or json."`
	Accounts string `default:"plain" enum:"plain,hashed" env:"ACCOUNTS" help:"Form of accounts in the log: plain, or hashed, which needs the secret to compute."`
}

// Timing is what calls live by.
type Timing struct {
	Ring         time.Duration `default:"60s" env:"RING" help:"Time after which an unanswered call times out, unless the caller sets its own."`
	CallerGrace  time.Duration `default:"10s" env:"CALLER_GRACE" help:"Grace for a caller whose connection is lost while the call rings."`
	Grace        time.Duration `default:"30s" env:"GRACE" help:"Grace for a party whose connection is lost in a call."`
	LeavingGrace time.Duration `default:"10s" env:"LEAVING_GRACE" help:"Grace for a party whose page announced that it closes."`
	GraceHold    time.Duration `default:"40s" env:"GRACE_HOLD" help:"Longest grace, which counts while the other party still has media."`
	Ask          time.Duration `default:"30s" env:"ASK" help:"Time after which an unanswered request to switch to video expires."`
	Connect      time.Duration `default:"20s" env:"CONNECT" help:"Time from the answer to media on both sides, after which the call fails."`
}

// Limits bounds what clients can make the server hold or do.
type Limits struct {
	MessageRate    float64       `default:"20" env:"MESSAGE_RATE" help:"Commands a second on one connection."`
	MessageBurst   int           `default:"60" env:"MESSAGE_BURST" help:"Commands at once on one connection."`
	InvitesPerMin  int           `default:"10" env:"INVITES_PER_MIN" help:"Invitations a minute of one account."`
	PairPerMin     int           `default:"3" env:"PAIR_PER_MIN" help:"Invitations a minute to one callee."`
	RingsPerMin    int           `default:"20" env:"RINGS_PER_MIN" help:"Invitations a minute that one callee gets, over all callers."`
	HellosPerMin   int           `default:"60" env:"HELLOS_PER_MIN" help:"Connections a minute of one account."`
	SignalBytes    int           `default:"262144" env:"SIGNAL_BYTES" help:"Bytes of descriptions and candidates that one account sends to others at once; a 32nd of them more each second."`
	DeclinedPause  time.Duration `default:"15s" env:"DECLINED_PAUSE" help:"Pause of a caller after the second rejection in a row by one callee; doubles up to 15 minutes; 0s for none."`
	TokenGrace     time.Duration `default:"1m" env:"TOKEN_GRACE" help:"Time for which an expired token still works. After it idle connections are closed and nothing new begins."`
	Devices        int           `default:"10" env:"DEVICES" help:"Devices of one account."`
	SocketsPerAddr int           `default:"50" env:"SOCKETS_PER_ADDR" help:"Connections without a hello, per IPv4 address or IPv6 /64."`
	QueueMessages  int           `default:"64" env:"QUEUE_MESSAGES" help:"Messages waiting for one slow reader."`
	QueueBytes     int           `default:"262144" env:"QUEUE_BYTES" help:"Their bytes."`
	Hello          time.Duration `default:"5s" env:"HELLO" help:"From the connection to its hello."`
	Write          time.Duration `default:"5s" env:"WRITE" help:"For writing one message."`
	RingMax        time.Duration `default:"120s" env:"RING_MAX" help:"Longest ringing that a caller may ask for."`
}

// Sizes bounds what one command may hold.
type Sizes struct {
	MessageBytes    int `default:"65536" env:"MESSAGE_BYTES" help:"One message."`
	SDPBytes        int `name:"sdp-bytes" default:"32768" env:"SDP_BYTES" help:"One session description."`
	Candidates      int `default:"64" env:"CANDIDATES" help:"ICE candidates of one side and media generation."`
	CandidateBytes  int `default:"16384" env:"CANDIDATE_BYTES" help:"Their bytes."`
	AttachmentBytes int `default:"4096" env:"ATTACHMENT_BYTES" help:"Attachment of an invitation."`
}

// Pulses are the heartbeats by which the server finds dead connections.
type Pulses struct {
	Idle       time.Duration `default:"20s" env:"IDLE" help:"How often to ping a silent client without a call."`
	IdleDead   time.Duration `default:"30s" env:"IDLE_DEAD" help:"How long its silence means that it is gone."`
	Active     time.Duration `default:"5s" env:"ACTIVE" help:"How often while it rings or is in a call."`
	ActiveDead time.Duration `default:"10s" env:"ACTIVE_DEAD" help:"How long that silence means that it is gone."`
}

// Check finds settings that cannot work, all of them at once. Each error
// says what to do. (kong would call a method Validate by itself, too early.)
func (c *Config) Check() error {
	return errors.Join(
		address("addr", c.Addr),
		c.checkMetricsAddr(),
		c.Cluster.validate(),
		c.TLS.validate(),
		c.ACME.validate(&c.TLS),
		c.Auth.validate(),
		c.API.validate(),
		c.Hooks.validate(),
		c.Access.validate(),
		c.TURN.validate(),
		c.Media.validate(&c.TURN),
		c.Timing.validate(c.Limits.RingMax),
		c.durations(),
		c.Limits.validate(),
		c.Sizes.validate(),
		c.Pulses.validate(),
	)
}

func address(name, value string) error {
	if _, _, err := net.SplitHostPort(value); err != nil {
		return fmt.Errorf("%s is %q: give HOST:PORT, such as 127.0.0.1:7326 or :7326", name, value)
	}
	return nil
}

func (c *Config) checkMetricsAddr() error {
	switch c.MetricsAddr {
	case "":
		return nil
	case c.Addr:
		return fmt.Errorf("metrics-addr is %q, as addr: give another port, which only Prometheus reaches", c.MetricsAddr)
	}
	return address("metrics-addr", c.MetricsAddr)
}

func (t *TLS) validate() error {
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("tls-cert and tls-key go together: give both or neither")
	}
	return nil
}

// shortestSecret is what HS256 needs to be worth anything.
const shortestSecret = 32

func (a *Auth) validate() error {
	if a.Secret == "" {
		return errors.New("no secret: make one by `(umask 077; openssl rand -base64 32 > secret)` and give it by --secret-file secret, " +
			"here and to the backend that makes tokens")
	}
	if len(a.Secret) < shortestSecret {
		return fmt.Errorf("the secret has %d bytes, at least %d are needed: make one by `openssl rand -base64 32`",
			len(a.Secret), shortestSecret)
	}
	if a.KeyID == "" {
		return errors.New("key-id is empty: tokens name their key by it")
	}
	for id, secret := range a.Keys {
		if id == "" || id == a.KeyID {
			return fmt.Errorf("keys has the id %q: each key needs an id of its own", id)
		}
		if len(secret) < shortestSecret {
			return fmt.Errorf("keys: the secret of %q has %d bytes, at least %d are needed", id, len(secret), shortestSecret)
		}
	}
	return a.checkAudience()
}

func (a *API) validate() error {
	keys := make(auth.APIKeys, len(a.Keys))
	for id, secret := range a.Keys {
		keys[id] = auth.Secret(secret)
	}
	if err := keys.Validate(); err != nil {
		return fmt.Errorf("api-keys: %w", err)
	}
	return nil
}

func (h *Hooks) validate() error {
	_, err := Prefixes("webhook-allow", h.Allow)
	return err
}

// audienceBytes is the longest audience: those that people use are names or addresses.
const audienceBytes = 256

func (a *Auth) checkAudience() error {
	odd := func(c rune) bool { return !unicode.IsPrint(c) || c == utf8.RuneError }
	if len(a.Audience) > audienceBytes || strings.TrimSpace(a.Audience) != a.Audience || strings.ContainsFunc(a.Audience, odd) {
		return fmt.Errorf("token-audience is %.300q: give up to %d bytes of printable text without blanks around it, the very text of aud",
			a.Audience, audienceBytes)
	}
	return nil
}

func (a *Access) validate() error {
	var errs []error
	for _, origin := range a.Origins {
		if err := checkOrigin(origin); err != nil {
			errs = append(errs, err)
		}
	}
	_, err := Prefixes("trusted-proxies", a.TrustedProxies)
	errs = append(errs, err)
	if age, on := a.HSTSMaxAge(); on && (age < 0 || age%time.Second != 0) {
		errs = append(errs, fmt.Errorf("hsts is %.100q: give whole seconds, such as 4320h for 180 days, 0s to have browsers forget it, "+
			"or off for no header", a.HSTS))
	}
	return errors.Join(errs...)
}

// HSTSMaxAge is how long browsers use HTTPS alone: zero has them forget it, and without on they get
// no such header. It is negative where the setting cannot be read.
func (a *Access) HSTSMaxAge() (age time.Duration, on bool) {
	if a.HSTS == "off" {
		return 0, false
	}
	age, err := time.ParseDuration(a.HSTS)
	if err != nil {
		return -1, true
	}
	return age, true
}

// Prefixes reads CIDRs; a bare address stands for itself alone. What could be
// meant otherwise than it is written is refused: these open doors. The error
// names each text that is wrong.
func Prefixes(name string, cidrs []string) ([]netip.Prefix, error) {
	var (
		prefixes []netip.Prefix
		errs     []error
	)
	for _, cidr := range cidrs {
		prefix, err := parsePrefix(cidr)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s has %q: %w", name, cidr, err))
			continue
		}
		prefixes = append(prefixes, prefix)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return prefixes, nil
}

func parsePrefix(cidr string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if addr, single := netip.ParseAddr(cidr); single == nil && addr.Zone() == "" {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return prefix, errors.New("give a CIDR such as 10.0.0.0/8 or fd00::/8")
	case prefix.Addr().Is4In6():
		return prefix, errors.New("it is IPv4 written as IPv6: give the IPv4 form, such as 10.0.0.0/8")
	case prefix.Masked() != prefix:
		return prefix, fmt.Errorf("it has bits set beyond its length: did you mean %s?", prefix.Masked())
	}
	return prefix, nil
}

// Off tells whether there is to be no relay.
func (t *TURN) Off() bool { return t.Addr == "off" }

func (m *Media) validate(t *TURN) error {
	switch {
	case !t.Off():
		return nil
	case m.RelayOnly:
		return errors.New("relay-only needs the relay, and turn-addr is off: give one of the two up")
	case m.RelayUntilAccept:
		return errors.New("relay-until-accept needs the relay, and turn-addr is off: give one of the two up")
	}
	return nil
}

// turnDrainMost is as long as supervisors let anything stop.
const turnDrainMost = time.Hour

func (t *TURN) validate() error {
	if t.Off() {
		if t.TLSAddr != "" {
			return errors.New("turn-tls-addr is given and turn-addr is off: the relay over TLS needs the other one as well")
		}
		return nil
	}
	if err := address("turn-addr", t.Addr); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(t.Addr)
	ip, err := netip.ParseAddr(host)
	switch {
	case host != "" && err != nil:
		return fmt.Errorf("turn-addr is %q: its host must be an IP address", t.Addr)
	case ip.Zone() != "":
		return fmt.Errorf("turn-addr is %q: give the IP address without a zone, which no client has", t.Addr)
	case t.Announce == "" && !reachable(ip):
		return fmt.Errorf("turn-addr is %q, which is no address that a client can reach: give turn-announce as well", t.Addr)
	}
	if err := t.checkAnnounce(); err != nil {
		return err
	}
	if t.TLSAddr != "" {
		if err := address("turn-tls-addr", t.TLSAddr); err != nil {
			return err
		}
	}
	if t.Host != "" {
		if err := checkName(t.Host); err != nil {
			return fmt.Errorf("turn-host is %.300q: %w; give a name alone, such as turn.example.com", t.Host, err)
		}
	}
	if t.Most < 1 {
		return fmt.Errorf("turn-allocations is %d: give 1 or more, or turn-addr off for no relay", t.Most)
	}
	if t.MinPort > t.MaxPort || (t.MinPort == 0) != (t.MaxPort == 0) {
		return fmt.Errorf("turn-min-port is %d and turn-max-port %d: give a range from low to high, or neither", t.MinPort, t.MaxPort)
	}
	if t.Drain > turnDrainMost {
		return fmt.Errorf("turn-drain is %s: give %s or less", t.Drain, turnDrainMost)
	}
	_, err = Prefixes("turn-allow-peer", t.AllowPeer)
	return err
}

func (t *TURN) checkAnnounce() error {
	if t.Announce == "" {
		return nil
	}
	ip, err := netip.ParseAddr(t.Announce)
	switch {
	case err != nil:
		return fmt.Errorf("turn-announce is %q: give an IP address alone, such as 203.0.113.7", t.Announce)
	case ip.Zone() != "":
		return fmt.Errorf("turn-announce is %q: give the IP address without a zone, which no client has", t.Announce)
	case !reachable(ip):
		return fmt.Errorf("turn-announce is %q, which is no address that a client can reach: give the one of this machine", t.Announce)
	}
	return nil
}

// reachable says whether an address is that of one machine.
func reachable(ip netip.Addr) bool { return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() }

func (t *Timing) validate(ringMax time.Duration) error {
	if t.Ring > ringMax {
		return fmt.Errorf("timing-ring is %s, above limits-ring-max, %s", t.Ring, ringMax)
	}
	return nil
}

func (l *Limits) validate() error {
	least := slices.Min([]int{
		l.MessageBurst, l.InvitesPerMin, l.PairPerMin, l.RingsPerMin, l.HellosPerMin, l.SignalBytes, l.Devices, l.SocketsPerAddr, l.QueueMessages, l.QueueBytes,
	})
	if least < 1 || l.MessageRate <= 0 {
		return errors.New("every limit must be above 0: give a large number for no limit")
	}
	return nil
}

func (s *Sizes) validate() error {
	if min(s.SDPBytes, s.Candidates, s.CandidateBytes, s.AttachmentBytes) < 1 {
		return errors.New("every limit must be above 0: give a large number for no limit")
	}
	if s.MessageBytes < s.SDPBytes {
		return fmt.Errorf("limits-message-bytes is %d, too small for a description of limits-sdp-bytes, %d", s.MessageBytes, s.SDPBytes)
	}
	return nil
}

func (p *Pulses) validate() error {
	if p.IdleDead < p.Idle+leastAnswerTime || p.ActiveDead < p.Active+leastAnswerTime {
		return fmt.Errorf("ping-idle-dead must be %s or more above ping-idle, and ping-active-dead above ping-active", leastAnswerTime)
	}
	return nil
}
