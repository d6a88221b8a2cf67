package natsbus_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/bus/natsbus"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
)

func TestConfig(t *testing.T) {
	missing, other := filepath.Join(t.TempDir(), "missing"), write(t, "other", []byte("no key"))
	for _, c := range []natsbus.Config{
		{URL: ""},
		{URL: "postgres://u:secret@127.0.0.1"},
		{URL: "nats://"},
		{URL: "nats://u:sec ret@127.0.0.1"},
		{URL: "nats://u:secret@127.0.0.1,http://127.0.0.1"},
		{URL: "nats://u:secret@127.0.0.1?password=secret"},
		{URL: "nats://u:secret@127.0.0.1?creds=" + missing},
		{URL: "nats://u:secret@127.0.0.1?creds=%zz"},
		{URL: "nats://127.0.0.1?cert=" + other},
		{URL: "nats://127.0.0.1?nkey=" + other},
		{URL: "nats://127.0.0.1", Cluster: "a.b"},
		{URL: "nats://127.0.0.1", Cluster: "a b"},
		{URL: "nats://127.0.0.1", Cluster: "*"},
		{URL: "nats://127.0.0.1", Cluster: strings.Repeat("a", 65)},
	} {
		_, err := natsbus.Open(t.Context(), c)
		if err == nil {
			t.Errorf("%+v is taken", c)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec ret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	for _, cluster := range []string{"", "a", "A-b_9", strings.Repeat("a", 64)} {
		if _, err := natsbus.Open(t.Context(), natsbus.Config{URL: "nats://a:1,tls://b", Cluster: cluster}); err != nil {
			t.Errorf("the cluster %q is refused: %v", cluster, err)
		}
	}
}

// carries holds that two members hear each other.
func carries(t *testing.T, url string) {
	t.Helper()
	heard, ready := make(chan bus.Message, 1), make(chan struct{})
	hearer, err := open(t, url).Join(func(m bus.Message) { heard <- m }, nil)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	hearer.Subscribe("alice", func() { close(ready) })
	select {
	case <-ready:
	case <-time.After(10 * time.Second):
		t.Fatal("the bus does not connect")
	}
	speaker, err := open(t, url).Join(func(bus.Message) {}, nil)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	speaker.Publish(bus.Message{Account: "alice", LoggedOut: true})
	<-heard
}

func TestPassword(t *testing.T) {
	server := natsserver.Start(t, "--user", "peal", "--pass", "p@ss word")
	carries(t, fmt.Sprintf("nats://%s@%s", url.UserPassword("peal", "p@ss word"), server.Addr()))
}

// lines is a log that several goroutines write and a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestWrongPassword: a bus whose credentials are refused goes on trying, says so once, and shows
// no password.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	server := natsserver.Start(t, "--user", "peal", "--pass", "right")
	log := &lines{}
	b, err := natsbus.Open(t.Context(), natsbus.Config{
		URL: "nats://peal:wrong-secret@" + server.Addr(), Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if _, err := b.Join(func(bus.Message) {}, nil); err != nil {
		t.Fatalf("Join: %v", err)
	}
	// It tries again every 200 to 300 ms.
	<-time.After(1500 * time.Millisecond)
	if text := log.String(); b.State() || strings.Count(text, "cannot connect to the bus") != 1 || strings.Contains(text, "secret") {
		t.Errorf("connected is %v, and the log says\n%s", b.State(), text)
	}
	server.Restart("--user", "peal", "--pass", "wrong-secret")
	for end := time.After(10 * time.Second); !b.State(); {
		select {
		case <-end:
			t.Fatal("not connected though the password has become right")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestDenied: a node whose user lacks a permission says so before anybody logs in, and once; with the
// permission it works.
func TestDenied(t *testing.T) {
	t.Parallel()
	permitted := func(subjects string) string {
		return write(t, "nats.conf", []byte("authorization { users = [ { user: peal, password: p, permissions: { publish: \">\", subscribe: \""+subjects+"\" } } ] }\n"))
	}
	server := natsserver.Start(t, "-c", permitted("others.>"))
	log := &lines{}
	b, err := natsbus.Open(t.Context(), natsbus.Config{
		URL: "nats://peal:p@" + server.Addr(), Cluster: "c1", Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	m, err := b.Join(func(bus.Message) {}, nil)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.After(10 * time.Second); !is(); {
			select {
			case <-end:
				t.Fatalf("not %s; the log says\n%s", what, log.String())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	until("denied", func() bool { return strings.Contains(log.String(), "denies a permission") })
	ready := make(chan struct{})
	m.Subscribe("alice", nil)
	m.Subscribe("bob", func() { close(ready) })
	<-ready
	if text := log.String(); b.State() || strings.Count(text, "denies a permission") != 1 || !strings.Contains(text, "subjects=peal.c1.>") {
		t.Errorf("working is %v, and the log says\n%s", b.State(), text)
	}
	server.Restart("-c", permitted("peal.c1.>"))
	until("working", b.State)
}

func TestNkey(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	config := write(t, "nats.conf", []byte("authorization { users = [ { nkey: "+public+" } ] }\n"))
	server := natsserver.Start(t, "-c", config)
	carries(t, server.URL()+"?nkey="+write(t, "seed", seed))
}

// TestTLS: the server has a certificate of its own authority, and wants one of its clients.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	server := natsserver.Start(t, "--tlsverify", "--tlscert", cert, "--tlskey", key, "--tlscacert", cert)
	carries(t, fmt.Sprintf("tls://%s?ca=%s&cert=%s&key=%s", server.Addr(), cert, cert, key))
}

// certificate makes one that is its own authority, good for loopback on both sides.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "peal"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
