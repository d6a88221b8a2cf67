package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

// TestMeasureAgain: calls that fail once do not end the run, and those that fail twice do.
func TestMeasureAgain(t *testing.T) {
	for failures, counted := range map[int]int{0: 1, 1: 1, 2: 0} {
		tries := 0
		c := &contender{name: "peer", pids: []int{os.Getpid()}, calls: func(context.Context) (int, error) {
			tries++
			if tries <= failures {
				return 0, errors.New("calls failed")
			}
			return 10, nil
		}}
		if err := c.retry(t.Context(), 1); (err != nil) != (counted == 0) || len(c.us) != counted {
			t.Errorf("%d failures: %v, %d rounds counted", failures, err, len(c.us))
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
