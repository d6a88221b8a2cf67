package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// certificateCheck is how often to look whether a certificate's files changed.
	certificateCheck = 30 * time.Second
	// selfSignedFor is how long a self-made certificate is good for; phones
	// take none of more than 825 days.
	selfSignedFor = 365 * 24 * time.Hour
	// renewBefore is when the next one is made.
	renewBefore = 30 * 24 * time.Hour
)

// certificate is a certificate in two files that is read again when they
// change, so that renewing it needs no restart. Handshakes call get from many
// goroutines.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex // Guards what follows.
	current *tls.Certificate
	checked time.Time
	changed [2]time.Time // When each file was changed last.
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.refresh(time.Now())
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow(time.Now())
	return c.current, nil
}

// leaf is the certificate that is served now.
func (c *certificate) leaf(now time.Time) *x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow(now)
	return c.current.Leaf
}

// follow refreshes where it is time to. The caller holds mu.
func (c *certificate) follow(now time.Time) {
	if now.Sub(c.checked) < certificateCheck {
		return
	}
	if err := c.refresh(now); err != nil {
		// The old one may serve on; half of a renewal may be written yet.
		c.log.Error("cannot read certificate again", "error", err)
	}
}

func (c *certificate) files() (certFile, keyFile string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.certFile, c.keyFile
}

// reload reads the files, which may be others than before, whether they have changed or
// not. Where they cannot be used nothing changes.
func (c *certificate) reload(certFile, keyFile string) error {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", certFile, keyFile, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certFile, c.keyFile, c.current = certFile, keyFile, &pair
	c.checked, c.changed = time.Time{}, [2]time.Time{}
	return nil
}

// end is when the certificate expires.
func (c *certificate) end() time.Time {
	return c.leaf(time.Now()).NotAfter
}

// refresh reads the files if they have changed. The caller holds mu.
func (c *certificate) refresh(now time.Time) error {
	c.checked = now
	var changed [2]time.Time
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("find certificate: %w", err)
		}
		changed[i] = info.ModTime()
	}
	if c.current != nil && changed == c.changed {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.changed = &pair, changed
	return nil
}

// keepSelfSigned makes sure that there is a self-made certificate in a folder
// for these names and addresses that is good for some time.
func keepSelfSigned(folder string, names []string, addresses []net.IP, now time.Time) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(folder, "tls-cert.pem"), filepath.Join(folder, "tls-key.pem")
	if serves(certFile, keyFile, names, addresses, now) {
		return certFile, keyFile, nil
	}
	cert, key, err := selfSigned(names, addresses, now)
	if err != nil {
		return "", "", fmt.Errorf("make certificate: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", "", fmt.Errorf("make data folder: %w", err)
	}
	// A key that was made under other permissions would keep them.
	if err := os.Remove(keyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("replace certificate: %w", err)
	}
	if err := errors.Join(os.WriteFile(keyFile, key, 0o600), os.WriteFile(certFile, cert, 0o600)); err != nil {
		return "", "", fmt.Errorf("keep certificate: %w", err)
	}
	return certFile, keyFile, nil
}

// serves tells whether the certificate that is there will do.
func serves(certFile, keyFile string, names []string, addresses []net.IP, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil || now.Before(pair.Leaf.NotBefore) || now.After(pair.Leaf.NotAfter.Add(-renewBefore)) {
		return false
	}
	for _, name := range names {
		if pair.Leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	for _, address := range addresses {
		if pair.Leaf.VerifyHostname(address.String()) != nil {
			return false
		}
	}
	return true
}

func selfSigned(names []string, addresses []net.IP, now time.Time) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "peal dev"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(selfSignedFor),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names,
		IPAddresses:           addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return cert, key, nil
}

// ownAddresses lists the addresses of this machine's interfaces, loopback
// included, by which others on its networks reach it.
func ownAddresses() ([]net.IP, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, address := range all {
		network, ok := address.(*net.IPNet)
		if ok && !network.IP.IsLoopback() && !network.IP.IsLinkLocalUnicast() {
			addresses = append(addresses, network.IP)
		}
	}
	return addresses, nil
}
