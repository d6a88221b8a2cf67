package server

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// What is planted in calls and must be in no log.
const (
	plantedToken      = "planted.token.of.nobody"
	plantedSDP        = "planted description"
	plantedAddress    = "203.0.113.77"
	plantedAttachment = "planted attachment"
)

// TestSiege has attackers do what they can while others call each other: those
// are served, and nothing is left of the attackers once they have gone.
func TestSiege(t *testing.T) {
	for _, name := range []string{config.Epoll, "goroutines"} {
		t.Run(name, func(t *testing.T) { besiege(t, name) })
	}
}

func besiege(t *testing.T, loop string) {
	var written logBuffer
	s := &siege{bench: start(t, func(cfg *Config) {
		cfg.Dev, cfg.Settings.Loop = false, loop
		cfg.Settings.Limits.Hello = patience // For thousands to be there at once.
		cfg.Logger = slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})}
	s.good(t) // So that whatever is made once is there.
	goroutines, sockets := runtime.NumGoroutine(), openSockets(t)

	t.Run("silent sockets", s.silentSockets)
	t.Run("silent connections", s.silentConnections)
	t.Run("slow readers", s.slowReaders)
	t.Run("floods", s.floods)
	t.Run("bombs", s.bombs)
	t.Run("spam", s.spam)

	s.good(t)
	deadline := time.Now().Add(3 * patience)
	for runtime.NumGoroutine() > goroutines || openSockets(t) > sockets {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines: %d, before the siege %d; sockets: %d, before %d",
				runtime.NumGoroutine(), goroutines, openSockets(t), sockets)
		}
		time.Sleep(50 * time.Millisecond)
	}
	log := written.String()
	if !strings.Contains(log, "server started") {
		t.Errorf("this is no log: %q", log)
	}
	wantNoSecrets(t, log, s.secrets...)
}

// openSockets counts the sockets of this process. The files of the database come
// and go with its pool.
func openSockets(t *testing.T) int {
	t.Helper()
	const folder = "/proc/self/fd"
	open, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range open {
		// One may be closed meanwhile.
		if to, err := os.Readlink(filepath.Join(folder, f.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// siege is a server that is attacked.
type siege struct {
	*bench
	calls   int
	secrets []string
}

// good is a whole call between two that nobody knows, with everything in it.
func (s *siege) good(t *testing.T) {
	t.Helper()
	s.calls++
	one, other := fmt.Sprint("good-", s.calls), fmt.Sprint("friend-", s.calls)
	alice, bob := s.login(one, "a"), s.login(other, "b")
	defer func() { _, _ = alice.socket.CloseNow(), bob.socket.CloseNow() }()
	id := numbered(10 + s.calls)
	u := alice.ask("invite", map[string]any{
		"callId": id, "callee": other, "type": "CALL_TYPE_VIDEO", "offer": describe(plantedSDP), "attachment": plantedAttachment,
	}).GetCall()
	for _, server := range u.GetIceServers() {
		if server.Credential != "" {
			s.secrets = append(s.secrets, server.Credential, server.Username)
		}
	}
	if got := bob.event().GetCall().GetOffer(); got != describe(plantedSDP) {
		t.Fatalf("it does not ring: %q", got)
	}
	candidates := map[string]any{"callId": id, "generation": 1, "candidates": []any{
		map[string]any{"candidate": "candidate:1 1 udp 1 " + plantedAddress + " 9 typ host", "sdpMid": "0"},
	}}
	alice.ask("candidates", candidates)
	bob.ask("accept", map[string]any{"callId": id, "answer": describe(plantedSDP), "generation": 1})
	for _, c := range []*client{alice, bob} {
		c.ask("media", map[string]any{"callId": id, "generation": 1, "up": true})
	}
	c := bob.ask("hangup", map[string]any{"callId": id}).GetCall().GetCall()
	if c.GetReason() != pealv1.Reason_REASON_COMPLETED {
		t.Fatalf("it ended by %v", c.GetReason())
	}
}

// raw is a connection whose every byte the test decides.
type raw struct {
	net.Conn
	*bufio.Reader
}

func (r *raw) Read(p []byte) (int, error) { return r.Reader.Read(p) }

// connect opens a connection from one of the many addresses of this machine.
func (s *siege) connect(from int) (*raw, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(from/250), byte(1+from%250))}, Timeout: patience}
	c, err := d.DialContext(s.t.Context(), "tcp", s.Addr().String())
	if err != nil {
		return nil, err
	}
	return &raw{c, bufio.NewReader(c)}, nil
}

// upgrade opens a WebSocket, and gives the status of the answer.
func (s *siege) upgrade(from int) (*raw, int, error) {
	r, err := s.connect(from)
	if err != nil {
		return nil, 0, err
	}
	if _, err := fmt.Fprintf(r.Conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", protocol.Path, s.Addr(), protocol.Subprotocol); err != nil {
		return nil, 0, err
	}
	answer, err := http.ReadResponse(r.Reader, nil)
	if err != nil {
		return nil, 0, err
	}
	_ = answer.Body.Close()
	return r, answer.StatusCode, nil
}

// attacker is a WebSocket that is logged in, on a connection of bytes.
func (s *siege) attacker(t *testing.T, account string) *raw {
	t.Helper()
	r, status, err := s.upgrade(0)
	if err != nil || status != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %d, %v", status, err)
	}
	t.Cleanup(func() { _ = r.Close() })
	hello := fmt.Sprintf(`{"id":1,"hello":{"token":%q,"deviceId":"d","fresh":true}}`, s.token(account))
	r.write(t, frame(0x81, true, []byte(hello)))
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reader.ReadByte(); err != nil {
		t.Fatalf("no welcome: %v", err)
	}
	return r
}

func (r *raw) write(t *testing.T, p []byte) {
	t.Helper()
	if err := r.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(p); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// open tells whether the server has not closed the connection.
func (r *raw) open(t *testing.T) bool {
	t.Helper()
	socket, err := r.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var open bool
	if err := socket.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = n > 0 || errors.Is(err, syscall.EAGAIN)
	}); err != nil {
		t.Fatal(err)
	}
	return open
}

// closed waits until the server closes the connection.
func (r *raw) closed() error {
	if err := r.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r.Reader)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return errors.New("it is not closed")
	}
	return nil // By an EOF or a reset, that is all the same.
}

// frame is a WebSocket frame; first is FIN, RSV and the opcode.
func frame(first byte, masked bool, payload []byte) []byte {
	var mask byte
	if masked {
		mask = 0x80
	}
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, mask|byte(n))
	case n < 1<<16:
		f = append(f, mask|126)
		f = binary.BigEndian.AppendUint16(f, uint16(n))
	default:
		f = append(f, mask|127)
		f = binary.BigEndian.AppendUint64(f, uint64(n))
	}
	if masked {
		f = append(f, 0, 0, 0, 0) // A mask that changes nothing.
	}
	return append(f, payload...)
}

// Thousands that open a WebSocket and say nothing: each address has its places,
// and they are closed when their hello is due.
func (s *siege) silentSockets(t *testing.T) {
	const addresses = 100
	each := s.cfg.Settings.Limits.SocketsPerAddr
	opened, begun := make([]*raw, addresses*each), make([]time.Time, addresses*each)
	var opening sync.WaitGroup
	for first := range addresses {
		opening.Go(func() {
			for i := first; i < len(opened); i += addresses {
				begun[i] = time.Now()
				r, status, err := s.upgrade(first)
				if err != nil || status != http.StatusSwitchingProtocols {
					t.Errorf("socket %d: %d, %v", i, status, err)
					return
				}
				opened[i] = r
			}
		})
	}
	s.good(t)
	opening.Wait()
	if t.Failed() {
		return
	}
	// On a slow machine the hello of the first is due before the last is there.
	due := time.Now().Add(-s.cfg.Settings.Limits.Hello)
	open, young := 0, 0
	for i, r := range opened {
		if r.open(t) {
			open++
		}
		if begun[i].After(due) {
			young++
		}
	}
	t.Logf("%d silent sockets are open at once", open)
	if open < young || young < 1000 {
		t.Errorf("%d of %d sockets are open, and the hello of %d is not due", open, len(opened), young)
	}
	s.good(t)
	var all sync.WaitGroup
	for _, r := range opened {
		all.Go(func() {
			if err := r.closed(); err != nil {
				t.Error(err)
			}
			_ = r.Close()
		})
	}
	all.Wait()
	// One more than there are places for.
	opened = nil
	refused := 0
	for range each + 1 {
		r, status, err := s.upgrade(addresses)
		if err != nil {
			t.Fatal(err)
		}
		if status == http.StatusTooManyRequests {
			refused++
		}
		opened = append(opened, r)
	}
	for _, r := range opened {
		_ = r.Close()
	}
	if refused != 1 {
		t.Errorf("%d of %d sockets of one address were refused, want 1", refused, each+1)
	}
}

// Connections that do not get as far as a request.
func (s *siege) silentConnections(t *testing.T) {
	var opened []*raw
	for i := range 2000 {
		r, err := s.connect(i % 100)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			r.write(t, []byte("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "))
		}
		opened = append(opened, r)
	}
	s.good(t)
	var all sync.WaitGroup
	for _, r := range opened {
		all.Go(func() {
			if err := r.closed(); err != nil {
				t.Error(err)
			}
			_ = r.Close()
		})
	}
	all.Wait()
}

// Clients that ask and never read.
func (s *siege) slowReaders(t *testing.T) {
	ping := frame(0x81, true, []byte(`{"id":7,"ping":{}}`))
	var all sync.WaitGroup
	for i := range 10 {
		r := s.attacker(t, fmt.Sprint("slow-", i))
		all.Go(func() {
			if err := r.SetWriteDeadline(time.Now().Add(3 * patience)); err != nil {
				t.Error(err)
			}
			for asked := 0; ; asked++ {
				_, err := r.Write(ping)
				var late net.Error
				if errors.As(err, &late) && late.Timeout() {
					t.Errorf("it may go on not reading, after %d questions", asked)
				}
				if err != nil {
					return // The server has had enough.
				}
			}
		})
	}
	for range 3 {
		s.good(t)
	}
	all.Wait()
}

// Clients that read, and ask far more than they may: they are answered as often as
// the limits say and are refused the rest.
func (s *siege) floods(t *testing.T) {
	var all sync.WaitGroup
	text := frame(0x81, true, []byte(`{"id":7,"listRecords":{}}`))
	ping := frame(0x89, true, []byte("ping"))
	for i := range 10 {
		r, begin := s.attacker(t, fmt.Sprint("flood-", i)), time.Now()
		all.Go(func() { s.drain(t, r, begin) })
		all.Go(func() {
			for n := range 5000 {
				p := text
				if n%2 == 0 {
					p = ping
				}
				if _, err := r.Write(p); err != nil {
					return
				}
			}
			_, _ = r.Write(frame(0x88, true, nil))
		})
	}
	for range 3 {
		s.good(t)
	}
	all.Wait()
	s.batches(t)
}

// batches is a flood that waits now and then, so that each of its commands has an
// answer: no more of them than may be are done, and the rest are refused.
func (s *siege) batches(t *testing.T) {
	const batches, each = 10, 50 // Fewer than wait for one that reads slowly.
	begin, c := time.Now(), s.login("batches", "d")
	defer func() { _ = c.socket.CloseNow() }()
	done, refused := 0, 0
	for range batches {
		for range each {
			c.write(`{"id":7,"listRecords":{}}`)
		}
		for range each {
			switch f := c.read(); {
			case f.GetRecords() != nil:
				done++
			case f.GetError().GetCode() == string(protocol.RateLimited) && f.GetError().GetRetry() && f.GetError().GetRetryAfterMs() > 0:
				refused++
			default:
				t.Fatalf("a command of a flood is answered by %v", f)
			}
		}
	}
	// The hello was the first of the burst.
	if least, most := s.cfg.Settings.Limits.MessageBurst-1, s.most(begin); done < least || done > most {
		t.Errorf("%d commands of a flood were done and %d refused, %d to %d are to be done", done, refused, least, most)
	}
}

// most is how many commands may have been done on a connection since then.
func (s *siege) most(begin time.Time) int {
	l := &s.cfg.Settings.Limits
	return l.MessageBurst + int(l.MessageRate*time.Since(begin).Seconds()) + 1
}

// drain reads until the end of a connection that asks for records all the time. It
// may be closed for not reading as fast, and then nothing is answered.
func (s *siege) drain(t *testing.T, r *raw, begin time.Time) {
	defer func() { _ = r.Close() }()
	if err := r.SetReadDeadline(time.Now().Add(3 * patience)); err != nil {
		t.Error(err)
	}
	var told strings.Builder
	_, err := io.Copy(&told, r.Reader)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Error("a flood is not closed when it has closed")
	}
	if answered, most := strings.Count(told.String(), `"records":{`), s.most(begin); answered > most {
		t.Errorf("%d commands of a flood were answered, at most %d are to be", answered, most)
	}
}

// Messages that are made to hurt: each costs the one who sends it the connection,
// or comes to an error.
func (s *siege) bombs(t *testing.T) {
	big := s.cfg.Settings.Sizes.MessageBytes
	planted := fmt.Sprintf(`{"id":2,"hello":{"token":%q,"deviceId":"d"},"answer":{"callId":%q,"sdp":"%s`, plantedToken, callID, plantedSDP)
	piece := []byte(strings.Repeat(planted, 10<<10/len(planted)))
	endless := frame(0x01, true, piece)
	for range 2 * big / len(piece) {
		endless = append(endless, frame(0x00, true, piece)...)
	}
	huge := append([]byte{0x81, 0xff}, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
	huge = append(huge, strings.Repeat(planted, 2*big/len(planted))...)
	hello := fmt.Sprintf(`{"id":2,"hello":{"token":%q,"deviceId":"d","client":`, plantedToken)
	deep := hello + strings.Repeat("[", big/2-len(hello)) + strings.Repeat("]", big/2-len(hello)) + `}}`
	many := strings.TrimSuffix(strings.Repeat(`"a":1,`, 10_000), ",")
	answer := fmt.Sprintf(`{"id":2,"answer":{"callId":%q,"generation":1,"sdp":"%s`, callID, plantedSDP)
	text := func(s string) []byte { return frame(0x81, true, []byte(s)) }
	for _, bomb := range []struct {
		name  string
		bytes []byte
		code  protocol.Code // Of the error, where it does not cost the connection.
	}{
		{"a message in pieces without an end", endless, ""},
		{"a frame of 256 TiB", huge, ""},
		{"a frame without a mask", frame(0x81, false, []byte(planted)), ""},
		{"a compressed frame", frame(0xc1, true, []byte("\x00\x01\x02"+planted)), ""},
		{"an opcode that there is not", frame(0x83, true, []byte(planted)), ""},
		{"a ping of a kilobyte", frame(0x89, true, piece[:1024]), ""},
		{"a continuation of nothing", frame(0x80, true, []byte(planted)), ""},
		{"a close of one byte", frame(0x88, true, []byte{3}), ""},
		{"text that is no text", text(answer + "\xff\xfe\"}}"), protocol.BadRequest},
		{"JSON that is cut off", text(planted), protocol.BadRequest},
		{"JSON of a depth", text(deep), protocol.BadRequest},
		{"a number of a length", text(`{"id":` + strings.Repeat("9", 60_000) + `}`), protocol.BadRequest},
		{"a great many keys", text(hello + `"",` + many + `}}`), protocol.BadRequest},
		{"a hello in the middle", text(hello + `""}}`), protocol.BadRequest},
		{"a description with an address", text(answer + `\r\nc=IN IP4 ` + plantedAddress + `"}}`), protocol.BadRequest},
		{"a token that is none", text(fmt.Sprintf(`{"id":2,"authenticate":{"token":%q}}`, plantedToken)), protocol.BadToken},
		{"a command that there is not", text(fmt.Sprintf(`{"id":2,"conference":{"token":%q}}`, plantedToken)), protocol.UnknownCommand},
		{"nothing", text(""), protocol.BadRequest},
		{"zeros", frame(0x82, true, make([]byte, 60_000)), protocol.BadRequest},
	} {
		t.Run(bomb.name, func(t *testing.T) {
			r := s.attacker(t, "bomber")
			_, _ = r.Write(bomb.bytes) // It may be cut off in the middle.
			if bomb.code == "" {
				if err := r.closed(); err != nil {
					t.Error(err)
				}
				return
			}
			// It goes on: a ping is answered.
			r.write(t, frame(0x89, true, []byte("there?")))
			if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			refusal := fmt.Sprintf(`"code":%q`, bomb.code)
			for text := ""; !strings.Contains(text, "there?") || !strings.Contains(text, refusal); {
				p := make([]byte, 4096)
				n, err := r.Read(p)
				if err != nil {
					t.Fatalf("after %q, want a pong and %s: %v", text, refusal, err)
				}
				text += string(p[:n])
			}
		})
	}
	s.good(t)
}

// Invitations without end ring as often as the limits say and no more.
func (s *siege) spam(t *testing.T) {
	l := &s.cfg.Settings.Limits
	victim := s.login("victim", "v")
	defer func() { _ = victim.socket.CloseNow() }()
	spammers := []*client{s.login("spammer", "one"), s.login("spammer", "two")}
	made, refused := 0, 0
	for i := range 40 {
		spammer := spammers[i%2]
		callee := "victim"
		if i >= 20 {
			callee = fmt.Sprint("somebody-", i)
		}
		id := fmt.Sprintf("%s9%02d", callID[:33], i)
		f := spammer.invite(id, callee)
		switch f.GetError().GetCode() {
		case "":
			made++
			spammer.ask("cancel", map[string]any{"callId": id})
		case string(protocol.RateLimited):
			refused++
		default:
			t.Fatalf("invitation %d: %v", i, f)
		}
		time.Sleep(60 * time.Millisecond) // Below the rate of commands.
	}
	if made > l.InvitesPerMin+1 || refused == 0 {
		t.Errorf("%d invitations were made and %d refused, at most %d a minute may be", made, refused, l.InvitesPerMin)
	}
	victim.works()
	rang := 0
	for _, f := range victim.events {
		if f.GetCall().GetCall().GetState() == pealv1.CallState_CALL_STATE_RINGING {
			rang++
		}
	}
	if rang == 0 || rang > l.PairPerMin+1 {
		t.Errorf("it rang %d times, at most %d a minute may be", rang, l.PairPerMin)
	}
	for _, c := range spammers {
		_ = c.socket.CloseNow()
	}
	s.good(t)
}
