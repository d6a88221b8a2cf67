package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// authority is Let's Encrypt's own test server, for names that all lead to this machine:
// turn.peal.test to another address where there is one.
type authority struct {
	cmd       *exec.Cmd
	directory string
	roots     *x509.CertPool // That signs what it gives.
}

// certificateSeconds is how long its certificates are good for. The server renews them after
// two thirds of it, and starts again within the next two.
const certificateSeconds = 12

// newAuthority starts one that finds servers at a port of this machine. Its own HTTPS uses a
// certificate in two files.
func newAuthority(t *testing.T, port int, certFile, keyFile string) *authority {
	t.Helper()
	dns, records, api, management := freePort(t), freePort(t), freePort(t), freePort(t)
	tool(t, nil, "pebble-challtestsrv", "-dnsserver", local127(dns), "-management", local127(records),
		"-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")
	names := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, local127(dns))
	}}
	patiently(t, func() error {
		_, err := names.LookupHost(t.Context(), "calls.peal.test")
		return err
	})
	patiently(t, func() error {
		record := strings.NewReader(`{"host": "turn.peal.test", "addresses": ["` + turnAddress() + `"]}`)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+local127(records)+"/add-a", record)
		if err != nil {
			return err
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		return w.Body.Close()
	})
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": local127(api), "managementListenAddress": local127(management),
		"certificate": certFile, "privateKey": keyFile, "tlsPort": port, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "short", "validityPeriod": certificateSeconds}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := tool(t, []string{"PEBBLE_VA_NOSLEEP=1"}, "pebble", "-dnsserver", local127(dns), "-config", write(t, string(config)))
	a := &authority{cmd: cmd, directory: "https://" + local127(api) + "/dir", roots: x509.NewCertPool()}
	patiently(t, func() error {
		_, err := page(t, a.directory, nil)
		return err
	})
	patiently(t, func() error {
		root, err := page(t, "https://"+local127(management)+"/roots/0", nil)
		if err == nil && !a.roots.AppendCertsFromPEM(root) {
			err = fmt.Errorf("no root in %s", root)
		}
		return err
	})
	return a
}

// tool runs a program of the module tools until the test ends.
func tool(t *testing.T, env []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.CommandContext(t.Context(), "go", "-C", filepath.Join("..", "..", "tools"), "tool", "-n", name).Output()
	if err != nil {
		t.Fatalf("build %s: %v", name, err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), strings.TrimSpace(string(path)), args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%s:\n%s", name, &log)
		}
	})
	return cmd
}

// turnAddress is where the relay of the test listens: with an address of its own, as on port
// 443, it is the relay that the authority comes to. Linux alone has 127.0.0.2 by itself.
func turnAddress() string {
	if runtime.GOOS == "linux" {
		return "127.0.0.2"
	}
	return "127.0.0.1"
}

func local127(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePort is a port where nothing listened a moment ago, over TCP and UDP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().(*net.TCPAddr)
		p, err := net.ListenPacket("udp", address.String())
		_ = l.Close()
		if err == nil {
			_ = p.Close()
			return address.Port
		}
	}
	t.Fatal("no port is free over TCP and UDP")
	return 0
}

// patiently repeats what another process is not ready for.
func patiently(t *testing.T, do func() error) {
	t.Helper()
	end := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := do()
		if err == nil {
			return
		}
		select {
		case <-end:
			t.Fatal(err)
		case <-again.C:
		}
	}
}

// page gets a page by HTTPS; without roots from whomever.
func page(t *testing.T, url string, roots *x509.CertPool) ([]byte, error) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, InsecureSkipVerify: roots == nil},
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	w, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Body.Close() }()
	return io.ReadAll(w.Body)
}

// shown is the serial number of the certificate that a server shows for a name, once the
// authority's roots vouch for it.
func (a *authority) shown(t *testing.T, address, name string) (string, error) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: a.roots, MinVersion: tls.VersionTLS12}}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// A server gets certificates by itself, renews them, and keeps them for its next start.
func TestACME(t *testing.T) {
	trial := t.TempDir()
	dev(t, trial, "--tls").end(syscall.SIGTERM) // It leaves a certificate for 127.0.0.1 behind.
	certFile, keyFile := filepath.Join(trial, "tls-cert.pem"), filepath.Join(trial, "tls-key.pem")
	t.Setenv("SSL_CERT_FILE", certFile) // By which the server trusts the authority.
	port := freePort(t)
	turn := net.JoinHostPort(turnAddress(), strconv.Itoa(port))
	if turnAddress() == "127.0.0.1" {
		turn = local127(freePort(t))
	}
	a := newAuthority(t, port, certFile, keyFile)
	data, address := t.TempDir(), local127(port)
	start := func() *process {
		p := serving(t, "https", "--addr", address, "--data", data, "--turn-tls-addr", turn, "--turn-host", "turn.peal.test",
			"--acme-domain", "calls.peal.test,Turn.peal.test", "--acme-directory", a.directory, "--acme-email", "ops@peal.test")
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("peal:\n%s", p.log)
			}
		})
		return p
	}
	server := start()
	if _, err := a.shown(t, address, "other.peal.test"); err == nil {
		t.Error("has a certificate for a name that is no setting")
	}
	serials := map[string]string{}
	for name, at := range map[string]string{"calls.peal.test": address, "turn.peal.test": turn} {
		patiently(t, func() (err error) {
			serials[name], err = a.shown(t, at, name)
			return err
		})
	}
	nameless := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // It asks for no name.
	if c, err := nameless.DialContext(t.Context(), "tcp", address); err != nil {
		t.Error(err)
	} else if err := c.(*tls.Conn).ConnectionState().PeerCertificates[0].VerifyHostname("calls.peal.test"); err != nil {
		t.Error(err)
	}
	if got := server.answer("calls.peal.test", "/").Header.Get("Strict-Transport-Security"); got == "" {
		t.Error("no Strict-Transport-Security")
	}

	for name := range serials {
		patiently(t, func() error {
			got, err := a.shown(t, address, name) // Either address has every name.
			if err == nil && got == serials[name] {
				err = fmt.Errorf("%s is not renewed", name)
			}
			return err
		})
	}
	keptAlone(t, filepath.Join(data, "acme"))
	if strings.Contains(server.log.String(), "level=ERROR") || !strings.Contains(server.log.String(), `msg="certificate received" name=turn.peal.test`) {
		t.Errorf("says:\n%s", server.log)
	}

	if code := server.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, server.log)
	}
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	start()
	patiently(t, func() error {
		_, err := a.shown(t, address, "calls.peal.test")
		return err
	})
}

// keptAlone looks whether others on the machine could read anything in a folder.
func keptAlone(t *testing.T, folder string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s is %v, want %v", path, info.Mode(), want)
		}
		return nil
	})
	if err != nil || files < 3 {
		t.Errorf("%d files, %v", files, err)
	}
}
