package media_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/internal/program"
	"github.com/peal-rtc/peal/client/media"
)

// wires are a network whose sockets can be cut: they go on as before, and
// nothing goes through, as after a walk from one network into another.
type wires struct {
	transport.Net
	mu    sync.Mutex
	wires []*wire
}

type wire struct {
	transport.UDPConn
	dead atomic.Bool
}

func (n *wires) ListenUDP(network string, at *net.UDPAddr) (transport.UDPConn, error) {
	c, err := n.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	w := &wire{UDPConn: c}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wires = append(n.wires, w)
	return w, nil
}

func (n *wires) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.wires {
		w.dead.Store(true)
	}
}

func (w *wire) WriteTo(p []byte, to net.Addr) (int, error) {
	if w.dead.Load() {
		return len(p), nil
	}
	return w.UDPConn.WriteTo(p, to)
}

func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := w.UDPConn.ReadFrom(p)
		if err != nil || !w.dead.Load() {
			return n, from, err
		}
	}
}

// A path that is lost is found again without anybody asking.
func TestLostPath(t *testing.T) {
	server := program.Start(t)
	k := &talk{alice: login(t, server, "alice", media.Options{}), bob: login(t, server, "bob", media.Options{})}
	standard, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	network := &wires{Net: standard}
	k.alice.must(k.alice.Rewire(network))
	k.call(client.AnyAddress)
	k.hear(10)
	network.cut()
	eventually(t, "the loss is seen", func() bool { return !k.out.Status().Up && !k.in.Status().Up })
	for _, s := range []*media.Session{k.out, k.in} {
		eventually(t, "media is up again", func() bool {
			now := s.Call().Snapshot()
			return now.Generation > 1 && now.Peer.MediaUp && s.Status().Up
		})
	}
	k.hear(20)
}

// Before a call is accepted nothing of the callee's reaches the caller, by the
// server or by the network, although the caller's candidates are there already.
func TestNothingBeforeAcceptance(t *testing.T) {
	server := program.Start(t)
	bob := login(t, server, "bob", media.Options{})
	alice := login(t, server, "alice", media.Options{}) // Its phone is not used: the test is the caller's media.
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	alice.must(err)
	defer func() { _ = pc.Close() }()
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		_, err := pc.AddTransceiverFromKind(kind)
		alice.must(err)
	}
	offer, err := pc.CreateOffer(nil)
	alice.must(err)
	socket, err := net.ListenUDP("udp4", nil)
	alice.must(err)
	defer func() { _ = socket.Close() }()
	checks := make(chan struct{}, 1000)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer func() { _ = socket.Close() }()
	listening.Go(func() {
		b := make([]byte, 1500)
		for {
			if _, _, err := socket.ReadFromUDP(b); err != nil {
				return
			}
			checks <- struct{}{}
		}
	})

	call, err := alice.client.Call(alice.ctx, "bob", client.CallOptions{Type: client.Video, Offer: offer.SDP})
	alice.must(err)
	in := bob.Session(next[client.Incoming](bob).Call)
	local := socket.LocalAddr().(*net.UDPAddr)
	candidate := webrtc.ICECandidate{
		Foundation: "1", Priority: 2130706431, Address: address(t), Protocol: webrtc.ICEProtocolUDP, Port: uint16(local.Port),
		Typ: webrtc.ICECandidateTypeHost, Component: 1,
	}.ToJSON()
	zero, mid := uint32(0), "0"
	alice.must(call.SendCandidates(alice.ctx, 1, client.Candidate{Candidate: candidate.Candidate, SDPMLineIndex: &zero, SDPMid: &mid}))
	next[client.PeerCandidates](bob)
	// What must not come cannot be waited for; a while of ringing has to do.
	ringing := time.NewTimer(2 * time.Second)
	for over := false; !over; {
		select {
		case <-checks:
			t.Fatal("a check came before the acceptance")
		case e := <-alice.events:
			if c, is := e.(client.PeerCandidates); is {
				t.Fatalf("candidates came before the acceptance: %v", c)
			}
		case <-ringing.C:
			over = true
		}
	}
	bob.must(in.Accept(bob.ctx, media.Streams{}))
	if u := alice.sees(client.Accepted); u.Answer == "" {
		t.Error("the acceptance has no answer")
	}
	next[client.PeerCandidates](alice)
	select {
	case <-checks:
	case <-alice.ctx.Done():
		t.Error("no check came after the acceptance")
	}
	alice.must(call.Hangup(alice.ctx))
}

// address is one that both sides of this machine reach.
func address(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// A call that rang until ICE gave up, which takes it half a minute, has media once
// it is accepted, and no restart.
func TestLongRing(t *testing.T) {
	server := program.Start(t)
	k := &talk{alice: login(t, server, "alice", media.Options{}), bob: login(t, server, "bob", media.Options{})}
	const patience = 4 * time.Second // Enough for a busy machine, once it is accepted.
	k.bob.must(k.bob.Hurry(patience))
	var err error
	k.out, err = k.alice.Call(k.alice.ctx, "bob", client.CallOptions{Type: client.Video}, k.atA.streams())
	k.alice.must(err)
	k.in = k.bob.Session(next[client.Incoming](k.bob).Call)
	at := time.Now()
	eventually(t, "it has rung for long", func() bool { return time.Since(at) > patience*11/10 })
	k.bob.must(k.in.Accept(k.bob.ctx, k.atB.streams()))
	k.alice.play(k.out)
	k.bob.play(k.in)
	k.hear(5)
	if g := k.out.Call().Snapshot().Generation; g != 1 {
		t.Errorf("it took %d generations", g)
	}
}
