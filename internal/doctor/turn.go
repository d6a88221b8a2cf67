package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/reach"
	"github.com/peal-rtc/peal/internal/relay"
)

// The transports by which a relay is reached.
const (
	overUDP = "udp"
	overTCP = "tcp"
	overTLS = "tls"
)

// iceServer is one of those that devices are given.
type iceServer struct {
	URLs                 []string
	Username, Credential string
}

// place is where a relay is to be reached.
type place struct {
	transport, host, port string
	username, credential  string
	address               netip.AddrPort      // Once the name was looked up.
	chain                 []*x509.Certificate // Of TLS, once connected.
}

// places reads the URLs of a scheme and transport: "stun:host:port",
// "turn:host:port?transport=tcp", "turns:…" (RFC 7064, RFC 7065).
func (r *run) places(scheme, transport string) []*place {
	var found []*place
	for _, server := range r.ice {
		for _, url := range server.URLs {
			is, rest, _ := strings.Cut(url, ":")
			at, query, _ := strings.Cut(rest, "?")
			by := overUDP
			if strings.Contains(query, "transport=tcp") {
				by = overTCP
			}
			if is == "turns" {
				by = overTLS
			}
			host, port, err := net.SplitHostPort(at)
			if err != nil {
				host, port = strings.Trim(at, "[]"), "3478"
				if by == overTLS {
					port = "5349"
				}
			}
			if is == scheme && by == transport {
				found = append(found, &place{
					transport: by, host: host, port: port, username: server.Username, credential: server.Credential,
				})
			}
		}
	}
	return found
}

// lookUp finds the address behind the name.
func (p *place) lookUp(ctx context.Context) error {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.host)
	if err != nil {
		return err
	}
	// IPv4 first, as the relay's addresses are.
	slices.SortStableFunc(all, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", p.port)
	if err != nil {
		return err
	}
	p.address = netip.AddrPortFrom(all[0].Unmap(), uint16(port))
	return nil
}

func (r *run) checkSTUN(ctx context.Context) Result {
	if r.token == "" {
		return notChecked("the server gives the addresses of STUN and TURN only to those who log in")
	}
	places := r.places("stun", overUDP)
	if len(places) == 0 {
		return bad(Warning, "the relay is off: calls connect only where the two reach each other by themselves").
			mend("Give --turn-addr an address in place of off.", "--turn-addr")
	}
	p := places[0]
	bounded, cancel := r.wait(ctx)
	defer cancel()
	err := p.lookUp(bounded)
	if err == nil {
		r.reflexive, err = binding(bounded, overUDP, p.address.String())
	}
	if err != nil {
		return r.unreachable(ctx, p, err)
	}
	return ok("%s sees this machine as %s", net.JoinHostPort(p.host, p.port), r.reflexive)
}

// binding asks a STUN server for this machine's address as it sees it, until an
// answer comes or ctx ends.
func binding(ctx context.Context, transport, address string) (netip.AddrPort, error) {
	network := overTCP
	if transport == overUDP {
		network = overUDP
	}
	// Connected, so that a port where nothing listens is found at once.
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer func() { _ = conn.Close() }()
	if transport == overTLS {
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return netip.AddrPort{}, err
		}
		conn = secure
	}
	return ask(ctx, conn.Write, conn)
}

// ask sends a binding request by send until an answer comes from conn.
func ask(ctx context.Context, send func([]byte) (int, error), conn interface {
	io.Reader
	SetReadDeadline(time.Time) error
},
) (netip.AddrPort, error) {
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.AddrPort{}, err
	}
	buffer := make([]byte, 1500)
	for ctx.Err() == nil {
		if _, err := send(request.Raw); err != nil {
			return netip.AddrPort{}, err
		}
		if err := conn.SetReadDeadline(soon(ctx, retransmission)); err != nil {
			return netip.AddrPort{}, err
		}
		n, err := conn.Read(buffer)
		if timedOut(err) {
			continue
		}
		if err != nil {
			return netip.AddrPort{}, err
		}
		var mapped stun.XORMappedAddress
		answer := &stun.Message{Raw: buffer[:n]}
		if answer.Decode() != nil || answer.TransactionID != request.TransactionID || mapped.GetFrom(answer) != nil {
			continue
		}
		addr, _ := netip.AddrFromSlice(mapped.IP)
		return netip.AddrPortFrom(addr.Unmap(), uint16(mapped.Port)), nil
	}
	return netip.AddrPort{}, ctx.Err()
}

// retransmission is how long an answer is waited for before it is asked again.
const retransmission = 500 * time.Millisecond

// soon is a time from now, or the end of ctx where that comes first.
func soon(ctx context.Context, d time.Duration) time.Time {
	at := time.Now().Add(d)
	if end, bounded := ctx.Deadline(); bounded && end.Before(at) {
		return end
	}
	return at
}

// lease is a relayed address that is held.
type lease struct {
	place   *place
	client  *turn.Client
	relayed net.PacketConn
	base    io.Closer
}

func (l *lease) addr() netip.AddrPort { return addrPort(l.relayed.LocalAddr()) }

func (l *lease) close() {
	// The relay forgets it by itself where this does not arrive.
	_ = l.relayed.Close()
	l.client.Close()
	_ = l.base.Close()
}

// allocate gets a relayed address at a place.
func (r *run) allocate(ctx context.Context, p *place) (*lease, error) {
	ctx, cancel := r.wait(ctx)
	defer cancel()
	if err := p.lookUp(ctx); err != nil {
		return nil, err
	}
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: p.address.String(), Username: p.username, Password: p.credential, Conn: conn,
		LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err == nil {
		err = client.Listen()
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	relayed, err := client.AllocateWithContext(ctx)
	if err != nil {
		client.Close()
		return nil, errors.Join(err, conn.Close())
	}
	return &lease{p, client, relayed, conn}, nil
}

// connect makes the way to the relay.
func (p *place) connect(ctx context.Context) (net.PacketConn, error) {
	if p.transport == overUDP {
		network := "udp4"
		if p.address.Addr().Is6() {
			network = "udp6"
		}
		return new(net.ListenConfig).ListenPacket(ctx, network, ":0")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.address.String())
	if err != nil {
		return nil, err
	}
	if p.transport == overTLS {
		// The certificate is judged by the check, which tells what is wrong with it.
		secure := tls.Client(conn, &tls.Config{ServerName: p.host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(errHandshake, err, conn.Close())
		}
		p.chain = secure.ConnectionState().PeerCertificates
		conn = secure
	}
	return turn.NewSTUNConn(conn), nil
}

// errHandshake says that something listens, and speaks no TLS.
var errHandshake = errors.New("no TLS there")

func addrPort(a net.Addr) netip.AddrPort {
	if a, is := a.(*net.UDPAddr); is {
		at := a.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}

// checkTURN gets a relayed address over one transport.
func (r *run) checkTURN(ctx context.Context, transport string) (*lease, Result) {
	scheme := "turn"
	if transport == overTLS {
		scheme = "turns"
	}
	places := r.places(scheme, transport)
	switch {
	case r.token == "":
		return nil, notChecked("the server gives the address of TURN only to those who log in")
	case len(r.ice) == 0:
		return nil, notChecked("the relay is off")
	case len(places) == 0 && transport == overTLS:
		return nil, r.withoutTLS()
	case len(places) == 0:
		return nil, notChecked("not offered by this server")
	}
	p := places[0]
	l, err := r.allocate(ctx, p)
	if err != nil {
		return nil, r.whyNoLease(ctx, p, err)
	}
	if transport == overTLS {
		switch result := r.judge(p.chain, p.host, "--turn-host"); result.State {
		case Failed:
			l.close()
			return nil, result
		case Warning:
			return l, result
		case OK, NotChecked:
		}
	}
	return l, ok("%s relays from %s", net.JoinHostPort(p.host, p.port), l.addr())
}

// withoutTLS says what it means that there is no TURN over TLS.
func (r *run) withoutTLS() Result {
	const advice = "Give --turn-tls-addr, best on port 443 of an address of its own, and by --turn-host the name of its certificate."
	if r.dev || r.server.Scheme != "https" {
		return notChecked("not offered; --turn-tls-addr offers it")
	}
	return bad(Warning, "not offered: calls do not connect from networks that let nothing but HTTPS through").
		mend(advice, "--turn-tls-addr", "--turn-host")
}

// whyNoLease says why a relay gave no address.
func (r *run) whyNoLease(ctx context.Context, p *place, err error) Result {
	var refused *stun.TurnError
	if !errors.As(err, &refused) {
		return r.unreachable(ctx, p, err)
	}
	at := net.JoinHostPort(p.host, p.port)
	switch code := refused.ErrorCodeAttr.Code; {
	case code == stun.CodeUnauthorized:
		return bad(Failed, "the relay at %s does not take the credentials that this server gives", at).
			mend("It is the relay of another process, or of one before a restart: have --turn-announce or --turn-host lead to the relay "+
				"of the very server that gave them.", "--turn-announce", "--turn-host")
	case code == stun.CodeAllocQuotaReached:
		return bad(Failed, "the relay at %s gives this account no more addresses: it holds %d for this test, or %d in all, or the relay is full", at, relay.AllocationsPerUser, relay.AllocationsPerAccount).
			mend("Wait until other tests of this account are over, or take another account.", "--account (of peal doctor)")
	case code == stun.CodeInsufficientCapacity:
		return bad(Failed, "the relay at %s has no port left", at).
			mend("Widen --turn-min-port to --turn-max-port, or raise --turn-allocations.", "--turn-min-port", "--turn-max-port", "--turn-allocations")
	default:
		return bad(Failed, "the relay at %s refuses: %d %s", at, code, refused.ErrorCodeAttr.Reason).
			mend("Look at the server's log.", "--turn-addr")
	}
}

// unreachable says why nothing came back from where clients are sent. It looks
// for the relay where the server itself is: found there, the address is wrong;
// else it is the port.
func (r *run) unreachable(ctx context.Context, p *place, err error) Result {
	ctx, cancel := r.wait(ctx)
	defer cancel()
	at := net.JoinHostPort(p.host, p.port)
	told := "--turn-announce"
	if !isAddress(p.host) {
		told = "--turn-host"
	}
	listens, protocol := "--turn-addr", strings.ToUpper(p.transport)
	if p.transport == overTLS {
		listens, protocol = "--turn-tls-addr", "TCP"
	}
	if errors.Is(err, errHandshake) {
		return bad(Failed, "%s speaks no TLS", at).mend("Have nothing else there, and no proxy that ends TLS itself.", "--turn-tls-addr")
	}
	if !p.address.IsValid() {
		return bad(Failed, "%s: %s", at, why(err)).
			mend("Give by --turn-host a name that leads to the relay, or leave it out: then clients receive the address.", "--turn-host")
	}
	servers := r.addresses(ctx)
	for _, server := range servers {
		if server == p.address.Addr() {
			continue
		}
		other := netip.AddrPortFrom(server, p.address.Port()).String()
		if _, elsewhere := binding(ctx, p.transport, other); elsewhere == nil {
			return bad(Failed, "nothing answers over %s at %s, which clients receive; the relay is at %s", protocol, at, other).
				mend(fmt.Sprintf("Give %s the address by which clients reach the relay: %s, as it looks from here.", told, server), told)
		}
	}
	open := fmt.Sprintf("Open %s port %s in the firewall and the cloud's rules, towards where %s listens.", protocol, p.port, listens)
	switch result := bad(Failed, "nothing answers over %s at %s: %s", protocol, at, why(err)); {
	case special(p.address.Addr()) && !slices.ContainsFunc(servers, special):
		return result.mend("This address is not of the public internet, and the server is: give --turn-announce its public one.", told, listens)
	case slices.Contains(servers, p.address.Addr()):
		return result.mend(open, listens)
	default:
		return result.mend(fmt.Sprintf("Is that the relay's address? If not, mend %s. If so: %s%s", told, strings.ToLower(open[:1]), open[1:]), told, listens)
	}
}

// special tells of addresses that are not of the public internet.
func special(a netip.Addr) bool { return !reach.Policy{}.Allows(a) }
