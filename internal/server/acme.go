package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/peal-rtc/peal/internal/config"
)

const (
	// acmeFirstPause is the pause after the first failure to get a certificate, and each
	// pause doubles up to acmeLongestPause: an authority refuses names that fail often
	// (Let's Encrypt, five times an hour). autocert repeats a failure for a minute.
	acmeFirstPause   = 2 * time.Minute
	acmeLongestPause = time.Hour
	// acmeCheck is how often to look whether a certificate was renewed.
	acmeCheck = 6 * time.Hour
)

// acmeCertificates gets certificates by ACME (RFC 8555), proves names by TLS-ALPN-01
// (RFC 8737) on the ports of HTTPS and of TURN over TLS, and keeps account, keys and certificates in the data
// folder. autocert renews each in the last third of its time. Handshakes call get from many
// goroutines.
type acmeCertificates struct {
	manager *autocert.Manager
	log     *slog.Logger
	names   []string
	// usable has the names with a certificate. Handshakes for the others fail at once,
	// where autocert would have each of them wait for the authority.
	usable map[string]*atomic.Bool
}

func newACMECertificates(settings *config.ACME, data string, log *slog.Logger) *acmeCertificates {
	a := &acmeCertificates{log: log, usable: map[string]*atomic.Bool{}}
	for _, name := range settings.Domains {
		a.names = append(a.names, strings.ToLower(name))
		a.usable[strings.ToLower(name)] = new(atomic.Bool)
	}
	a.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		HostPolicy: autocert.HostWhitelist(a.names...),
		Email:      settings.Email,
		Client:     &acme.Client{DirectoryURL: settings.Directory, UserAgent: "peal"},
		Cache:      acmeFolder{autocert.DirCache(acmePath(data, settings.Directory)), a.names, log},
	}
	return a
}

// acmePath is a folder for each authority: a certificate for trials must not be served
// after the setting names another one.
func acmePath(data, directory string) string {
	host := "acme"
	if u, err := url.Parse(directory); err == nil {
		host = strings.NewReplacer(":", "_", "[", "", "]", "").Replace(u.Host)
	}
	return filepath.Join(data, "acme", host)
}

// forChallenge implements tls.Config.GetConfigForClient: the authority, which comes to prove
// a name, speaks a protocol of its own.
func (a *acmeCertificates) forChallenge(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return nil, nil
	}
	return &tls.Config{
		GetCertificate: a.manager.GetCertificate, MinVersion: tls.VersionTLS12, NextProtos: []string{acme.ALPNProto},
	}, nil
}

// get implements tls.Config.GetCertificate.
func (a *acmeCertificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	// Who connects to an address names nothing.
	name := a.names[0]
	if hello.ServerName != "" {
		name = strings.ToLower(hello.ServerName)
	}
	usable, ours := a.usable[name]
	switch {
	case !ours:
		return nil, fmt.Errorf("%.300q is not in acme-domain", name)
	case !usable.Load():
		return nil, fmt.Errorf("%s has no certificate yet", name)
	}
	return a.load(name)
}

// load returns the certificate of a name, and gets one first where there is none. That may
// take autocert's five minutes.
func (a *acmeCertificates) load(name string) (*tls.Certificate, error) {
	// ECDSA for everyone: every browser with WebRTC knows it, and a client without it must
	// not have autocert get a second certificate.
	return a.manager.GetCertificate(&tls.ClientHelloInfo{
		ServerName: name, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
}

// start gets what is missing, and watches the rest until quit is closed.
func (a *acmeCertificates) start(chores *sync.WaitGroup, quit <-chan struct{}) {
	for _, name := range a.names {
		chores.Go(func() { a.keep(name, quit) })
	}
}

func (a *acmeCertificates) keep(name string, quit <-chan struct{}) {
	pause := acmeFirstPause
	for {
		loaded := make(chan error, 1)
		// Nothing ends it early, so a server that stops does not wait for it.
		go func() {
			cert, err := a.load(name)
			if err == nil {
				a.usable[name].Store(true)
				a.judge(name, cert, time.Now())
			}
			loaded <- err
		}()
		wait := acmeCheck
		select {
		case <-quit:
			return
		case err := <-loaded:
			if err != nil {
				a.log.Error("cannot get certificate", "name", name, "error", err, "retry_in", pause)
				wait, pause = pause, min(2*pause, acmeLongestPause)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-quit:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// judge says when a certificate should have been renewed by now: autocert is silent about
// failures of renewals, which it retries.
func (a *acmeCertificates) judge(name string, cert *tls.Certificate, now time.Time) {
	lifetime, left := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore), cert.Leaf.NotAfter.Sub(now)
	if left < lifetime/4 {
		a.log.Error("certificate is not renewed", "name", name, "not_after", cert.Leaf.NotAfter)
	}
}

// acmeFolder keeps files that the server alone can read, and logs each new certificate.
type acmeFolder struct {
	autocert.DirCache
	names []string
	log   *slog.Logger
}

// Put implements autocert.Cache.
func (f acmeFolder) Put(ctx context.Context, key string, data []byte) error {
	if err := f.DirCache.Put(ctx, key, data); err != nil {
		// autocert drops this error for a first certificate.
		f.log.ErrorContext(ctx, "cannot keep what ACME needs", "file", key, "error", err)
		return err
	}
	if slices.Contains(f.names, key) {
		if pair, err := tls.X509KeyPair(data, data); err == nil {
			f.log.InfoContext(ctx, "certificate received", "name", key, "not_after", pair.Leaf.NotAfter)
		}
	}
	return nil
}
