package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestLastLine(t *testing.T) {
	all := []*contender{
		{name: "peal", us: []float64{200, 300, 400}},
		{name: "relay", us: []float64{100, 100, 100}},
		{name: "kamailio-mariadb", us: []float64{400, 400, 400}},
		{name: "peal-json", us: []float64{300, 450, 600}},
	}
	want := "call_cpu_us=300 floor_ratio=3.00 kamailio_mariadb_ratio=0.75 kamailio_postgres_ratio=none json_ratio=1.50 rate=200"
	if got := lastLine(all, 200); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCallFlags(t *testing.T) {
	for args, want := range map[string][]string{
		"":                             nil,
		"-peers=peal":                  {},
		"-peers=peal,relay,loop-relay": {"relay", "loop-relay"},
		"-peers=kamailio-mariadb,kamailio-mariadb": {"kamailio-mariadb"},
	} {
		o, err := callFlags(strings.Fields(args))
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		if !slices.Equal(o.peers, want) || (o.peers == nil) != (want == nil) {
			t.Errorf("%s: got %#v, want %#v", args, o.peers, want)
		}
	}
	for _, args := range []string{"-peers=asterisk", "-peers=relay,", "-rounds=0", "-rate=501", "-each=1ms"} {
		if _, err := callFlags([]string{args}); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
}

// TestMissingPrograms: the error names the Debian package.
func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	starts := map[string]func(context.Context) (*database, error){"mariadb-server": startMariaDB, "postgresql-client": startPostgres}
	for debian, start := range starts {
		_, err := start(t.Context())
		if absent := new(missingError); !errors.As(err, &absent) || !strings.Contains(err.Error(), "install Debian's package "+debian) {
			t.Errorf("%s: %v", debian, err)
		}
	}
	_, err := startKamailio(t.Context(), &callOptions{}, nil)
	if err == nil || !strings.Contains(err.Error(), "install Debian's package kamailio") {
		t.Error(err)
	}
	if err := need("/no/such/file", "some-package"); err == nil || !strings.Contains(err.Error(), "some-package") {
		t.Error(err)
	}
}

// TestCheck: rows that Kamailio has lost are an error.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		acc  string
		lost bool
	}{"all": {acc: "20\n"}, "lost": {acc: "19\n", lost: true}} {
		d := &database{query: func(_ context.Context, sql string) (string, error) {
			if strings.HasSuffix(sql, " acc") {
				return c.acc, nil
			}
			return "0\n", nil
		}}
		if err := d.check(t.Context(), 10); (err != nil) != c.lost {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKamailioCommand: with a database there are more workers, and its address.
func TestKamailioCommand(t *testing.T) {
	k := &kamailio{o: &callOptions{}, folder: t.TempDir()}
	if got := k.command(); got[0] != "kamailio" || slices.Contains(got, "WITH_DB") {
		t.Errorf("without a database: %q", got)
	}
	k.db = &database{module: "db_mysql", url: "mysql://somewhere", env: []string{"A=B"}}
	if got := strings.Join(k.command(), " "); !strings.HasPrefix(got, "env A=B kamailio ") || !strings.HasSuffix(got, " -n 8 -A WITH_DB") {
		t.Errorf("with a database: %s", got)
	}
	if err := k.write(1); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(k.folder, "kamailio.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`loadmodule "db_mysql.so"`, `modparam("dialog", "db_url", "mysql://somewhere")`, `modparam("dialog", "db_mode", 1)`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in the configuration", want)
		}
	}
}

func TestSearch(t *testing.T) {
	for _, limit := range []float64{0, 130, 1000, 10_000} {
		tries := 0
		got, err := search(100, 5000, func(rate float64) (bool, error) {
			tries++
			return rate <= limit, nil
		})
		want := min(limit, 3200)
		if err != nil || got > want || got*closeEnough < want || tries > 16 {
			t.Errorf("limit %v: got %v, %v after %d tries", limit, got, err, tries)
		}
	}
	failed := errors.New("failed")
	if _, err := search(100, 5000, func(float64) (bool, error) { return false, failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
}

// TestLoopRelay: it passes on what the relay with goroutines passes on, also where frames
// come in pieces and many at once.
func TestLoopRelay(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	for name, serve := range map[string]func(context.Context, []string) error{"relay": serveRelay, "loop-relay": serveLoopRelay} {
		t.Run(name, func(t *testing.T) { testRelay(t, serve) })
	}
}

func testRelay(t *testing.T, serve func(context.Context, []string) error) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- serve(ctx, []string{addr}) }()
	defer func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("the relay ended by %v", err)
		}
	}()
	if err := until(ctx, answers(addr)); err != nil {
		t.Fatal(err)
	}
	a, b := dialRelay(t, addr, "0"), dialRelay(t, addr, "1")
	small := maskedFrame(request(5, []out{{bytes: 9}}))
	ask := maskedFrame(request(3000, []out{{peer: true, bytes: 7}, {bytes: 300}, {peer: true, bytes: 5000}}))
	for _, piece := range [][]byte{ask[:1], ask[1:50], append(slices.Clone(ask[50:]), ask...)} {
		if _, err := a.Write(piece); err != nil {
			t.Fatal(err)
		}
		if len(piece) > len(ask) {
			break
		}
		// A piece has been read when a frame that came after it is answered.
		if _, err := b.Write(small); err != nil {
			t.Fatal(err)
		}
		expectFrames(t, b, 9)
	}
	expectFrames(t, b, 7, 5000, 7, 5000)
	for range 2 {
		expectFrames(t, a, 300)
	}
	// What is not for the relay ends the connection, and no other.
	if _, err := b.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("hello"))))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after a text: %v", err)
	}
	if _, err := a.Write(small); err != nil {
		t.Fatal(err)
	}
	expectFrames(t, a, 9)
}

func maskedFrame(message []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(message)))
}

func dialRelay(t *testing.T, addr, side string) net.Conn {
	t.Helper()
	conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr+"/?pair=1&side="+side)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func expectFrames(t *testing.T, conn net.Conn, sizes ...int) {
	t.Helper()
	for _, size := range sizes {
		f, err := ws.ReadFrame(conn)
		if err != nil || f.Header.OpCode != ws.OpBinary || len(f.Payload) != size {
			t.Fatalf("got %+v, %v, want %d bytes", f.Header, err, size)
		}
	}
}

// TestCertify: a client of this process trusts the certificate.
func TestCertify(t *testing.T) {
	t.Setenv("SSL_CERT_FILE", "")
	flags, err := certify(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.ServeTLS(listener, flags[1], flags[3]) }() // It ends by Close.
	defer func() { _ = s.Close() }()
	w, err := http.Get("https://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Body.Close()
}
