package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/doctor"
	"github.com/peal-rtc/peal/internal/server"
	"github.com/peal-rtc/peal/internal/store"
)

const secret = "0123456789abcdef0123456789abcdef"

// patient is short: what answers on loopback does so at once.
const patient = 700 * time.Millisecond

// start runs a server as peal serve does, and gives its address.
func start(t *testing.T, change func(*config.Config)) string {
	t.Helper()
	return startAs(t, server.Config{}, change)
}

func startAs(t *testing.T, cfg server.Config, change func(*config.Config)) string {
	t.Helper()
	s := &cfg.Settings
	if err := kong.ApplyDefaults(s); err != nil {
		t.Fatal(err)
	}
	s.Addr, s.TURN.Addr, s.Data, s.Auth.Secret = "127.0.0.1:0", "127.0.0.1:0", t.TempDir(), secret
	s.TURN.AllowPeer = []string{"127.0.0.0/8"}
	if cfg.Dev {
		s.TURN.AllowPeer = nil
	}
	if change != nil {
		change(s)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	cfg.Store = store.NewMemory(time.Now)
	running, err := server.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	if s.TLS.Cert != "" {
		return "https://" + running.Addr().String()
	}
	return "http://" + running.Addr().String()
}

// token is one that a server of start takes.
func token(t *testing.T) string {
	t.Helper()
	return sign(t, secret, "main", 10*time.Minute, time.Now())
}

func sign(t *testing.T, secret, keyID string, ttl time.Duration, at time.Time) string {
	t.Helper()
	signer, err := auth.NewSigner(auth.Keys{keyID: auth.Secret(secret)}, keyID)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign("doctor", ttl, at)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// findings are what a visit found.
type findings struct {
	t   *testing.T
	all []doctor.Result
}

// visit makes all checks.
func visit(t *testing.T, cfg doctor.Config) findings {
	t.Helper()
	if cfg.Patience == 0 {
		cfg.Patience = patient
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	told := 0
	all, err := doctor.Run(ctx, cfg, func(doctor.Result) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if told != len(all) || told != 13 {
		t.Errorf("%d checks, of which %d were told", len(all), told)
	}
	return findings{t, all}
}

func (f findings) of(check string) doctor.Result {
	f.t.Helper()
	i := slices.IndexFunc(f.all, func(r doctor.Result) bool { return r.Check == check })
	if i < 0 {
		f.t.Fatalf("there is no check %q", check)
	}
	return f.all[i]
}

// names holds that a check ended in a state and names a setting first.
func (f findings) names(check string, state doctor.State, setting string) {
	f.t.Helper()
	r := f.of(check)
	if r.State != state || len(r.Settings) == 0 || r.Settings[0] != setting || r.Seen == "" || r.Advice == "" {
		f.t.Errorf("%s: want %s by %s, got:%s", check, state, setting, f)
	}
}

// is holds that checks ended in a state.
func (f findings) is(state doctor.State, checks ...string) {
	f.t.Helper()
	for _, check := range checks {
		if f.of(check).State != state {
			f.t.Errorf("%s: want %s, got:%s", check, state, f)
		}
	}
}

// well holds that nothing failed or was warned of.
func (f findings) well() {
	f.t.Helper()
	if worst := doctor.Worst(f.all); worst != doctor.OK {
		f.t.Errorf("want all well, got:%s", f)
	}
}

func (f findings) String() string {
	var b strings.Builder
	for _, r := range f.all {
		fmt.Fprintf(&b, "\n  %s %s: %s | %v %s", r.State, r.Check, r.Seen, r.Settings, r.Advice)
	}
	return b.String()
}

// behind puts a proxy in front of a server.
func behind(t *testing.T, server string, change func(*httputil.ReverseProxy)) string {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	change(p)
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	return front.URL
}

// withICE has a server give other ICE servers than its own.
func withICE(t *testing.T, server, username, credential string, urls ...string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"iceServers": []any{
		map[string]any{"urls": urls, "username": username, "credential": credential},
	}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/ice-servers", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target))
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	return front.URL
}

// closedPort is one where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority of the test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.sign(template, template, nil)
	return a
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// sign makes a certificate by a parent's key; nil means its own.
func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// give has a server serve HTTPS by a certificate for names, that is good for so long.
func (a *authority) give(c *config.Config, left time.Duration, names ...string) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a server"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(left), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, key := a.sign(template, a.cert, a.key)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	folder := a.t.TempDir()
	c.TLS.Cert, c.TLS.Key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for file, block := range map[string]*pem.Block{
		c.TLS.Cert: {Type: "CERTIFICATE", Bytes: cert.Raw}, c.TLS.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}
