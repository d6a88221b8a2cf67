package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

// The floor: a server that does nothing but pass frames on, by the same library
// as Peal's. Each frame that it gets says in its first bytes which frames to
// write for it, to whom and of what size; so a call costs it the same frames,
// of the same sizes, as it costs Peal.

// out is a frame that the relay is to write.
type out struct {
	peer  bool // To the other side, in place of the one that asks.
	bytes int
}

const outBytes = 3

// request is a frame for the relay of some size, at least as large as it must be.
func request(bytes int, outs []out) []byte {
	message := make([]byte, max(bytes, 1+outBytes*len(outs)))
	message[0] = byte(len(outs))
	for i, o := range outs {
		at := message[1+outBytes*i:]
		if o.peer {
			at[0] = 1
		}
		binary.BigEndian.PutUint16(at[1:], uint16(o.bytes))
	}
	return message
}

// filler is what the relay writes.
var filler [1 << 16]byte

// relay passes frames between the two sides of each pair.
type relay struct {
	mu    sync.Mutex // Guards pairs.
	pairs map[string][2]net.Conn
}

// serveRelay serves until ctx ends.
func serveRelay(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: bench relay HOST:PORT")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", args[0])
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler: &relay{pairs: make(map[string][2]net.Conn)}, ReadHeaderTimeout: 5 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (r *relay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	pair, side := request.FormValue("pair"), 0
	if request.FormValue("side") == "1" {
		side = 1
	}
	if pair == "" {
		http.Error(w, "no pair", http.StatusBadRequest)
		return
	}
	conn, _, _, err := ws.UpgradeHTTP(request, w)
	if err != nil {
		return // Our own clients alone ask, and end when this fails.
	}
	// Without the goroutine of the request.
	go r.serve(conn, pair, side)
}

// serve passes on what one side says. What is not for this relay is an error, as
// is a message that it has no room for.
func (r *relay) serve(conn net.Conn, pair string, side int) {
	defer func() { _ = conn.Close() }()
	r.mu.Lock()
	both := r.pairs[pair]
	both[side] = conn
	r.pairs[pair] = both
	r.mu.Unlock()
	in := bufio.NewReaderSize(conn, 144)
	for {
		h, err := ws.ReadHeader(in)
		if err != nil || h.OpCode != ws.OpBinary || h.Length > 1<<20 {
			return
		}
		message := make([]byte, h.Length)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		ws.Cipher(message, h.Mask, 0)
		for i := range int(message[0]) {
			o := message[1+outBytes*i:]
			to := conn
			if o[0] == 1 {
				r.mu.Lock()
				to = r.pairs[pair][1-side]
				r.mu.Unlock()
			}
			if _, err := to.Write(ws.MustCompileFrame(ws.NewBinaryFrame(filler[:binary.BigEndian.Uint16(o[1:])]))); err != nil {
				return
			}
		}
	}
}

// startRelay starts a relay in a process of its own: "relay" or "loop-relay".
func startRelay(ctx context.Context, kind string) (p *process, addr string, err error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	if p, err = start(ctx, "the relay", self, kind, addr); err != nil {
		return nil, "", err
	}
	return p, addr, p.until(ctx, answers(addr))
}

// floor is the relay in a process of its own, and the pairs of sockets that use it.
type floor struct {
	*process
	steps []step
	idle  chan *pair
	conns []*websocket.Conn
}

// step is a frame that one side of a call sends, and what it then awaits.
type step struct {
	side    int
	message []byte
	// comes is how many frames each side gets for it.
	comes [2]int
	// wait is how long to wait before.
	wait time.Duration
}

// pair is two sockets. got gets a word for each frame that came.
type pair struct {
	conns [2]*websocket.Conn
	got   [2]chan struct{}
}

func startFloor(ctx context.Context, kind string, pairs int, steps []step) (*floor, error) {
	p, addr, err := startRelay(ctx, kind)
	if err != nil {
		return nil, err
	}
	f := &floor{process: p, steps: steps, idle: make(chan *pair, pairs)}
	for i := range pairs {
		one := &pair{}
		for side := range 2 {
			conn, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/?pair=%d&side=%d", addr, i, side), nil)
			if err != nil {
				return nil, errors.Join(err, ctx.Err())
			}
			conn.SetReadLimit(1 << 20)
			one.conns[side], one.got[side] = conn, make(chan struct{}, 256)
			f.conns = append(f.conns, conn)
			go one.read(ctx, side)
		}
		f.idle <- one
	}
	return f, nil
}

func (f *floor) stop() {
	for _, c := range f.conns {
		_ = c.CloseNow()
	}
	f.process.stop()
}

func (p *pair) read(ctx context.Context, side int) {
	defer close(p.got[side])
	for {
		if _, _, err := p.conns[side].Read(ctx); err != nil {
			return
		}
		p.got[side] <- struct{}{}
	}
}

// run makes calls at a rate, as a fleet does, and gives how long each took to
// ring: until the first frame of the other side.
func (f *floor) run(ctx context.Context, rate float64, calls int) ([]time.Duration, error) {
	var (
		work  sync.WaitGroup
		mu    sync.Mutex
		rings []time.Duration
		fail  error
		begin = time.Now()
	)
	for i := range calls {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if err := pause(ctx, time.Until(due)); err != nil {
			break
		}
		work.Go(func() {
			p := <-f.idle
			defer func() { f.idle <- p }()
			ring, err := p.call(ctx, due, f.steps)
			mu.Lock()
			defer mu.Unlock()
			rings = append(rings, ring)
			fail = errors.Join(fail, err)
		})
	}
	work.Wait()
	return rings, errors.Join(fail, ctx.Err())
}

// call plays the frames of one call.
func (p *pair) call(ctx context.Context, due time.Time, steps []step) (ring time.Duration, err error) {
	for _, s := range steps {
		if s.wait > 0 {
			if err := pause(ctx, s.wait); err != nil {
				return 0, err
			}
		}
		if err := p.conns[s.side].Write(ctx, websocket.MessageBinary, s.message); err != nil {
			return 0, err
		}
		for side, n := range s.comes {
			for range n {
				if _, ok := <-p.got[side]; !ok {
					return 0, errors.New("the relay closed a connection")
				}
				if side != s.side && ring == 0 {
					ring = time.Since(due)
				}
			}
		}
	}
	return ring, nil
}
