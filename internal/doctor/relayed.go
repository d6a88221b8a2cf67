package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/reach"
)

// checkRelay looks at each transport of the relay, and has it carry packets: from
// a relayed address to another, and between one and this machine.
func (r *run) checkRelay(ctx context.Context) {
	var reached *place
	for _, of := range []struct{ transport, turn, relay string }{
		{overUDP, CheckTURNUDP, CheckRelayUDP},
		{overTCP, CheckTURNTCP, CheckRelayTCP},
		{overTLS, CheckTURNTLS, CheckRelayTLS},
	} {
		var first *lease
		r.time(ctx, of.turn, func(ctx context.Context) (result Result) {
			first, result = r.checkTURN(ctx, of.transport)
			return result
		})
		r.time(ctx, of.relay, func(ctx context.Context) Result {
			if first == nil {
				return notChecked("there is no relayed address to send from")
			}
			return r.checkPair(ctx, first)
		})
		if first != nil {
			if reached == nil {
				reached = first.place
			}
			first.close()
		}
	}
	r.time(ctx, CheckDirect, func(ctx context.Context) Result { return r.checkDirect(ctx, reached) })
}

// checkPair sends between two relayed addresses, as in a call of which both sides
// need the relay.
func (r *run) checkPair(ctx context.Context, first *lease) Result {
	second, err := r.allocate(ctx, first.place)
	if err != nil {
		return r.whyNoLease(ctx, first.place, err)
	}
	defer second.close()
	err = errors.Join(
		first.client.CreatePermission(second.relayed.LocalAddr()), second.client.CreatePermission(first.relayed.LocalAddr()),
	)
	from, to := first.addr(), second.addr()
	if forbidden(err) {
		return bad(Failed, "the relay refuses its own address, %s, as a peer", to.Addr()).
			mend(fmt.Sprintf("Allow it: --turn-allow-peer %s; or announce an address of the public internet.", blockOf(to.Addr())),
				"--turn-allow-peer", "--turn-announce")
	}
	if err == nil {
		ctx, cancel := r.wait(ctx)
		defer cancel()
		if _, err = carry(ctx, first.relayed, second.relayed, to); err == nil {
			_, err = carry(ctx, second.relayed, first.relayed, from)
		}
	}
	if err != nil {
		return r.whyNotCarried(first.place, to.Addr(), err)
	}
	return ok("packets go from %s to %s and back", from, to)
}

// whyNotCarried says why nothing came from one relayed address to the other.
func (r *run) whyNotCarried(p *place, relayed netip.Addr, err error) Result {
	result := bad(Failed, "nothing comes from one relayed address to another, at %s: %s", relayed, why(err))
	if relayed != p.address.Addr() {
		return result.mend(fmt.Sprintf("The relay is reached at %s and announces %s for what it relays: give --turn-announce its own address.",
			p.address.Addr(), relayed), "--turn-announce")
	}
	return result.mend("The relay cannot reach itself at the address that it announces: a NAT in front does not loop back, or a firewall "+
		"closes the ports of relayed media. Open them (--turn-min-port to --turn-max-port, UDP), and give the machine that address as "+
		"well, on its loopback interface.", "--turn-announce", "--turn-min-port", "--turn-max-port")
}

// checkDirect sends between a relayed address and a plain socket, as in a call of
// which one side needs the relay. It is what sees the firewall before the
// relayed ports: packets between two of them need not pass it.
func (r *run) checkDirect(ctx context.Context, p *place) Result {
	switch {
	case p == nil:
		return notChecked("there is no relayed address to send from")
	case !r.reflexive.IsValid():
		return notChecked("STUN does not answer, so it is not known how to reach this machine over UDP")
	}
	l, err := r.allocate(ctx, p)
	if err != nil {
		return r.whyNoLease(ctx, p, err)
	}
	defer l.close()
	network := "udp4"
	if l.addr().Addr().Is6() {
		network = "udp6"
	}
	plain, err := new(net.ListenConfig).ListenPacket(ctx, network, ":0")
	if err != nil {
		return notChecked("no socket: %s", why(err))
	}
	defer func() { _ = plain.Close() }()
	if err := l.client.CreatePermission(net.UDPAddrFromAddrPort(r.reflexive)); err != nil {
		if forbidden(err) {
			return r.notAllowed(r.reflexive.Addr())
		}
		return bad(Failed, "the relay grants no permission: %s", why(err)).mend("Look at the server's log.", "--turn-addr")
	}
	inwards, cancel := r.wait(ctx)
	defer cancel()
	seen, err := carry(inwards, plain, l.relayed, l.addr())
	if err != nil {
		return r.portsClosed(p, l.addr())
	}
	outwards, cancel := r.wait(ctx)
	defer cancel()
	if _, err := carry(outwards, l.relayed, plain, seen); err != nil {
		if special(seen.Addr()) {
			return r.notAllowed(seen.Addr())
		}
		return bad(Failed, "packets come to %s, and none from there: %s", l.addr(), why(err)).
			mend("Let the relay send UDP to any port: look at the rules for what leaves the server.", "--turn-min-port", "--turn-max-port")
	}
	return ok("packets go between %s and this machine", l.addr())
}

func (r *run) portsClosed(p *place, relayed netip.AddrPort) Result {
	result := bad(Failed, "no packet of this machine arrives at the relayed address %s", relayed)
	if relayed.Addr() != p.address.Addr() {
		return result.mend(fmt.Sprintf("The relay is reached at %s and announces %s for what it relays: give --turn-announce its own address.",
			p.address.Addr(), relayed.Addr()), "--turn-announce")
	}
	return result.mend("Open the ports of relayed media for UDP in the firewall and the cloud's rules: --turn-min-port to --turn-max-port; "+
		"without these it is any port.", "--turn-min-port", "--turn-max-port")
}

// notAllowed is a warning, since a call finds another way where both sides use the
// relay.
func (r *run) notAllowed(peer netip.Addr) Result {
	return bad(Warning, "the relay does not reach %s, which is not of the public internet", peer).
		mend(fmt.Sprintf("Where clients are in such a network, allow it: --turn-allow-peer %s.", blockOf(peer)), "--turn-allow-peer")
}

// blockOf is what to allow for an address: its private network, or itself.
func blockOf(a netip.Addr) netip.Prefix {
	for _, block := range reach.Local() {
		if block.Contains(a) {
			return block
		}
	}
	return netip.PrefixFrom(a, a.BitLen())
}

func forbidden(err error) bool {
	var refused *stun.TurnError
	return errors.As(err, &refused) && refused.ErrorCodeAttr.Code == stun.CodeForbidden
}

// carry sends by one socket until the other gets it, and tells from where. A
// packet may be lost, so it is sent again and again.
func carry(ctx context.Context, from, to net.PacketConn, target netip.AddrPort) (netip.AddrPort, error) {
	text := []byte("peal doctor " + rand.Text())
	ctx, stop := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() { sent <- repeat(ctx, from, text, net.UDPAddrFromAddrPort(target)) }()
	seen, err := await(ctx, to, text)
	stop()
	if failed := <-sent; err != nil && failed != nil {
		err = failed
	}
	return seen, err
}

// repeat sends until ctx ends.
func repeat(ctx context.Context, from net.PacketConn, text []byte, target net.Addr) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := from.WriteTo(text, target); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

// await reads until a text comes.
func await(ctx context.Context, to net.PacketConn, text []byte) (netip.AddrPort, error) {
	buffer := make([]byte, 1500)
	for ctx.Err() == nil {
		if err := to.SetReadDeadline(soon(ctx, retransmission)); err != nil {
			return netip.AddrPort{}, err
		}
		n, from, err := to.ReadFrom(buffer)
		if timedOut(err) {
			continue
		}
		if err != nil {
			return netip.AddrPort{}, err
		}
		if bytes.Equal(buffer[:n], text) {
			return addrPort(from), nil
		}
	}
	return netip.AddrPort{}, ctx.Err()
}
