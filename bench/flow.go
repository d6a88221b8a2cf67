package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// flow is a client with a relayed address, and its peer, which sends back what
// it gets.
type flow struct {
	client *turn.Client
	// indication is a Send indication to the peer, for a flow that binds no channel.
	indication []byte
	server     net.Addr
	own        net.PacketConn
	relay      net.PacketConn
	peer       net.PacketConn
}

func (f *flow) close() {
	if f.relay != nil {
		_ = f.relay.Close()
	}
	if f.client != nil {
		f.client.Close()
	}
	for _, c := range []net.PacketConn{f.own, f.peer} {
		if c != nil {
			_ = c.Close()
		}
	}
}

// connect opens the socket of a client.
func (w way) connect(ctx context.Context, relay string) (net.PacketConn, error) {
	if w != stream {
		return new(net.ListenConfig).ListenPacket(ctx, "udp4", "127.0.0.1:0")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", relay)
	if err != nil {
		return nil, err
	}
	return turn.NewSTUNConn(conn), nil
}

func (r *relayed) open(ctx context.Context, w way, n int) (f *flow, err error) {
	username, password, err := r.login(ctx, n)
	if err != nil {
		return nil, err
	}
	// Not f itself: what is returned with an error is nil.
	made := &flow{}
	f = made
	defer func() {
		if err != nil {
			made.close()
		}
	}()
	if f.own, err = w.connect(ctx, r.addr); err != nil {
		return nil, err
	}
	if f.peer, err = new(net.ListenConfig).ListenPacket(ctx, "udp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if f.client, err = turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: r.addr, Username: username, Password: password, Realm: r.realm, Conn: f.own,
	}); err != nil {
		return nil, err
	}
	if err = f.client.Listen(); err != nil {
		return nil, err
	}
	if f.relay, err = f.client.Allocate(); err != nil {
		return nil, fmt.Errorf("allocate: %w", err)
	}
	if w == indications {
		if err = f.indicate(r.addr); err != nil {
			return nil, err
		}
	}
	return f, f.greet(ctx)
}

// indicate has the flow send by indications.
func (f *flow) indicate(relay string) error {
	peer := f.peer.LocalAddr().(*net.UDPAddr)
	if err := f.client.CreatePermission(peer); err != nil {
		return fmt.Errorf("create permission: %w", err)
	}
	to := stun.XORMappedAddress{IP: peer.IP, Port: peer.Port}
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAddress(to), stun.RawAttribute{Type: stun.AttrData, Value: make([]byte, packetBytes)})
	if err != nil {
		return err
	}
	f.indication = m.Raw
	f.server, err = net.ResolveUDPAddr("udp4", relay)
	return err
}

// peerAddress is the attribute XOR-PEER-ADDRESS.
type peerAddress stun.XORMappedAddress

// AddTo implements stun.Setter.
func (p peerAddress) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress(p).AddToAs(m, stun.AttrXORPeerAddress)
}

// send sends a packet to the peer.
func (f *flow) send(packet []byte) error {
	if f.indication != nil {
		_, err := f.own.WriteTo(f.indication, f.server)
		return err
	}
	_, err := f.relay.WriteTo(packet, f.peer.LocalAddr())
	return err
}

// openAll opens flows at the same time. It adds each flow that opened to open, also where other
// flows failed.
func (r *relayed) openAll(ctx context.Context, w way, flows int, open *[]*flow) error {
	var (
		work   sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	for n := range flows {
		work.Go(func() {
			f, err := r.open(ctx, w, n)
			mu.Lock()
			defer mu.Unlock()
			if failed = errors.Join(failed, err); err == nil {
				*open = append(*open, f)
			}
		})
	}
	work.Wait()
	return failed
}

// greet sends until packets come back. Where there is a channel, its binding takes a while.
func (f *flow) greet(ctx context.Context) error {
	go f.echo()
	packet, back := make([]byte, packetBytes), make([]byte, 2*packetBytes)
	begin := time.Now()
	defer func() { _ = f.relay.SetReadDeadline(time.Time{}) }()
	for came := 0; came < 20 || time.Since(begin) < 300*time.Millisecond; {
		if ctx.Err() != nil || time.Since(begin) > 10*time.Second {
			return errors.Join(errors.New("nothing comes back from the relay"), ctx.Err())
		}
		if err := f.send(packet); err != nil {
			return err
		}
		if err := f.relay.SetReadDeadline(time.Now().Add(lossPatience)); err != nil {
			return err
		}
		if _, _, err := f.relay.ReadFrom(back); err == nil {
			came++
		}
	}
	return nil
}

func (f *flow) echo() {
	packet := make([]byte, 2*packetBytes)
	for {
		n, from, err := f.peer.ReadFrom(packet)
		if err != nil {
			return
		}
		_, _ = f.peer.WriteTo(packet[:n], from) // What is lost is sent again.
	}
}

// talk sends packets by the clock until ctx ends, and counts those that came
// back. What is lost stays lost.
func (f *flow) talk(ctx context.Context, perSecond int, sent, back *atomic.Int64) {
	var reading sync.WaitGroup
	reading.Go(func() {
		buffer := make([]byte, 2*packetBytes)
		for {
			if _, _, err := f.relay.ReadFrom(buffer); err != nil {
				return // The deadline: below.
			}
			back.Add(1)
		}
	})
	packet := make([]byte, packetBytes)
	ticker := time.NewTicker(time.Second / ticks)
	defer ticker.Stop()
	begin, done := time.Now(), 0
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		// What a late tick has missed is made up for, as far as a queue takes it.
		due := int(time.Since(begin).Seconds() * float64(perSecond))
		for range min(due-done, perSecond/10) {
			_ = f.send(packet) // It may be lost.
			sent.Add(1)
		}
		done = due
	}
	_ = f.relay.SetReadDeadline(time.Now().Add(lossPatience)) // Of a connection that is open.
	reading.Wait()
}

// measure counts what goes through for a while, and what it costs the relay.
func (r *relayed) measure(ctx context.Context, w way, p pace, round int) error {
	var open []*flow
	defer func() {
		for _, f := range open {
			f.close()
		}
	}()
	if err := r.openAll(ctx, w, p.flows, &open); err != nil {
		return err
	}
	before, err := cpu(r.pid())
	if err != nil {
		return err
	}
	var (
		work       sync.WaitGroup
		sent, back atomic.Int64
	)
	talking, cancel := context.WithTimeout(ctx, p.each)
	defer cancel()
	begin := time.Now()
	for _, f := range open {
		work.Go(func() { f.talk(talking, p.perSecond, &sent, &back) })
	}
	work.Wait()
	after, err := cpu(r.pid())
	if err != nil {
		return err
	}
	packets := 2 * float64(back.Load()) // There and back.
	if packets == 0 {
		return errors.Join(errors.New("nothing was relayed"), ctx.Err())
	}
	us, rate := float64((after-before).Microseconds())/packets, packets/time.Since(begin).Seconds()
	if round > 0 {
		r.us[w], r.rate[w] = append(r.us[w], us), append(r.rate[w], rate)
		fmt.Printf("round %d  %-11s  %-7s  %5.2f µs CPU a packet, %6.0f packets/s, %.1f %% lost\n",
			round, w, r.name, us, rate, 100*(1-float64(back.Load())/float64(max(sent.Load(), 1))))
	}
	return ctx.Err()
}
