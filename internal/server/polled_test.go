package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// program is a client in binary that makes no garbage of its own while it calls.
type program struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// program connects and logs in.
func (b *bench) program(account string) *program {
	b.t.Helper()
	conn, err := new(net.Dialer).DialContext(b.t.Context(), "tcp", b.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	p := &program{b.t, conn, bufio.NewReader(conn)}
	if err := conn.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		protocol.Path, b.Addr(), protocol.BinarySubprotocol); err != nil {
		b.t.Fatal(err)
	}
	if answer, err := http.ReadResponse(p.in, nil); err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		b.t.Fatalf("upgrade: %v, %v", answer, err)
	}
	p.say(p.made(&pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Hello{Hello: &pealv1.Hello{
		Token: b.token(account), DeviceId: "d", Fresh: true,
	}}}))
	p.hear(1)
	return p
}

// made is the WebSocket frame of a command.
func (p *program) made(f *pealv1.ClientFrame) []byte {
	p.t.Helper()
	message, err := protocol.EncodeBinaryCommand(f)
	if err != nil {
		p.t.Fatal(err)
	}
	return frame(0x82, true, message)
}

func (p *program) say(frame []byte) {
	p.t.Helper()
	if _, err := p.Write(frame); err != nil {
		p.t.Fatal(err)
	}
}

// hear reads so many frames.
func (p *program) hear(frames int) {
	p.t.Helper()
	for range frames {
		head, err := p.in.Peek(4)
		size := 2 + int(head[1]&0x7f)
		if size == 2+126 {
			size = 4 + int(binary.BigEndian.Uint16(head[2:]))
		}
		if err != nil || head[0] != 0x82 {
			p.t.Fatalf("read %x, %v", head, err)
		}
		if _, err := p.in.Discard(size); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestIdleSockets: a device that is logged in and silent has no goroutine.
func TestIdleSockets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("sockets have goroutines here")
		return
	}
	const devices = 100
	b := start(t, inMemory, func(c *Config) { c.Settings.Loop = config.Epoll })
	b.program("first") // So that whatever is made once is there.
	before := runtime.NumGoroutine()
	for i := range devices {
		b.program(fmt.Sprint("idle-", i))
	}
	// The goroutine of the last request may be about to end.
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines with %d idle devices, %d before", runtime.NumGoroutine(), devices, before)
		}
	}
}

// callAllocs is how many allocations of memory a call may cost the server: all of what it
// reads, decides, keeps in memory and sends. What a database allocates is not in it.
const callAllocs = 600

// step is one frame of a call: who sends it, and how many frames each gets for it.
type step struct {
	caller bool
	frame  []byte
	comes  [2]int // To the caller, to the callee.
}

// steps are a whole call.
func steps(alice, bob *program, id string) []step {
	candidates := &pealv1.Candidates{CallId: id, Generation: 1}
	for n := range 3 {
		candidates.Candidates = append(candidates.Candidates, &pealv1.Candidate{
			Candidate: fmt.Sprintf("candidate:1 1 udp %d 192.0.2.1 9 typ host", n+1),
		})
	}
	media := &pealv1.ClientFrame{Id: 4, Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{CallId: id, Generation: 1, Up: true}}}
	return []step{
		{true, alice.made(&pealv1.ClientFrame{Id: 2, Command: &pealv1.ClientFrame_Invite{Invite: &pealv1.Invite{
			CallId: id, Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: describe("offer"),
		}}}), [2]int{1, 1}},
		{false, bob.made(&pealv1.ClientFrame{Id: 2, Quiet: true, Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{CallId: id}}}), [2]int{}},
		{true, alice.made(&pealv1.ClientFrame{Id: 3, Quiet: true, Command: &pealv1.ClientFrame_Candidates{Candidates: candidates}}), [2]int{0, 1}},
		{false, bob.made(&pealv1.ClientFrame{Id: 3, Command: &pealv1.ClientFrame_Accept{Accept: &pealv1.Accept{
			CallId: id, Answer: describe("answer"), Generation: 1, Candidates: candidates.Candidates,
		}}}), [2]int{2, 1}},
		{true, alice.made(media), [2]int{1, 1}},
		{false, bob.made(media), [2]int{1, 1}},
		{false, bob.made(&pealv1.ClientFrame{Id: 5, Command: &pealv1.ClientFrame_Hangup{Hangup: &pealv1.Hangup{CallId: id}}}), [2]int{1, 1}},
	}
}

// TestCallAllocations counts the allocations of a call.
func TestCallAllocations(t *testing.T) {
	const calls = 40
	b := start(t, inMemory, func(c *Config) {
		l := &c.Settings.Limits
		l.MessageRate, l.MessageBurst, l.InvitesPerMin, l.PairPerMin, l.RingsPerMin, l.SignalBytes = 1e6, 1e6, 1e6, 1e6, 1e6, 1e9
	})
	alice, bob := b.program("alice"), b.program("bob")
	made := func(first int) (all []step) {
		for i := range calls {
			all = append(all, steps(alice, bob, numbered(first+i))...)
		}
		return all
	}
	take := func(all []step) {
		for _, s := range all {
			if s.caller {
				alice.say(s.frame)
			} else {
				bob.say(s.frame)
			}
			alice.hear(s.comes[0])
			bob.hear(s.comes[1])
		}
	}
	warm, counted := made(0), made(calls)
	take(warm)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	take(counted)
	runtime.ReadMemStats(&after)
	each := float64(after.Mallocs-before.Mallocs) / calls
	t.Logf("%.0f allocations a call", each)
	if each > callAllocs {
		t.Errorf("%.0f allocations a call, at most %d are to be", each, callAllocs)
	}
}
