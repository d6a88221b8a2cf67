package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

const (
	// renewal is how long before its end a certificate is warned of.
	renewal = 14 * 24 * time.Hour
	// clockNote is by how much clocks may differ without a word, clockMost what tokens
	// forgive: auth.Leeway.
	clockNote = 2 * time.Second
	clockMost = 5 * time.Second
	// answerBytes bounds what is read of an answer.
	answerBytes = 1 << 20
)

// client makes requests of the server, without a check of its certificate unless verify is
// set. It follows no redirects: a page that opens a WebSocket does not either.
func (r *run) client(verify bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			// Proxied as browsers would be; see the environment's HTTPS_PROXY.
			Proxy:           http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{RootCAs: r.cfg.Roots, InsecureSkipVerify: !verify, MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (r *run) at(path string) string { return strings.TrimSuffix(r.server.String(), "/") + path }

// origin is that of the pages to ask for.
func (r *run) origin() string {
	if r.cfg.Origin != "" {
		return r.cfg.Origin
	}
	return r.server.Scheme + "://" + r.server.Host
}

// hostAlone is the server's name or address without its port.
func (r *run) hostAlone() string { return r.server.Hostname() }

func (r *run) get(ctx context.Context, path string) (*http.Response, []byte, error) {
	return r.ask(ctx, http.MethodGet, path, "", nil)
}

// ask makes one request and reads its answer.
func (r *run) ask(ctx context.Context, method, path, token string, body []byte) (*http.Response, []byte, error) {
	ctx, cancel := r.wait(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, r.at(path), bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := r.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	return answer, text, err
}

func (r *run) checkServer(ctx context.Context) Result {
	answer, text, err := r.get(ctx, "/readyz")
	switch {
	case err != nil:
		result := bad(Failed, "%s: %s", r.server, why(err))
		if speaksHTTP(err) {
			result.Seen = fmt.Sprintf("%s speaks plain HTTP", r.server)
			return result.mend("Give --tls-cert and --tls-key, or have a proxy in front that serves HTTPS.", "--tls-cert", "--tls-key")
		}
		if nameUnknown(err) {
			return result.mend(whereToLook(err), "--server (of peal doctor)")
		}
		return result.mend(whereToLook(err), "--addr")
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return bad(Failed, "%s sends elsewhere, to %s", r.at("/readyz"), answer.Header.Get("Location")).
			mend("Check that address in place of this one: the component connects to what it is given, without following.", "--server (of peal doctor)")
	}
	var health struct {
		Status, Reason string
		Warnings       []string
	}
	if json.Unmarshal(text, &health) != nil || health.Status == "" {
		if r.server.Path != "" && r.server.Path != "/" {
			return bad(Failed, "there is no Peal at %s: %s answers %s", r.server, r.at("/readyz"), answer.Status).
				mend("Correct the path of --server, or have the proxy pass all that is below it to peal serve: /readyz, /healthz, /ws, /v1/, /sdk/.",
					"--server (of peal doctor)")
		}
		return bad(Failed, "%s answers %s, and not as Peal does", r.at("/readyz"), answer.Status).
			mend("Have the proxy pass all paths to peal serve: /readyz, /healthz, /ws, /v1/, /sdk/.", "--addr")
	}
	r.up = true
	if answer.StatusCode != http.StatusOK {
		switch health.Reason {
		case "store":
			return bad(Failed, "the server answers %s: it cannot store calls", answer.Status).
				mend("Look at the server's log, which says what is wrong with the folder of --data, a full disk or a locked database, "+
					"or with the database of --store.", "--data", "--store")
		case "bus":
			return bad(Failed, "the server answers %s: it has no connection to the bus", answer.Status).
				mend("Look at the server's log, and whether the NATS server of --bus runs and takes its user and password.", "--bus")
		}
		return bad(Failed, "the server answers %s: it starts or stops", answer.Status).
			mend("Wait a moment; if it stays so, look at the server's log.")
	}
	if len(health.Warnings) > 0 {
		return bad(Warning, "%s answers, and warns: %s", r.server, strings.Join(health.Warnings, "; ")).
			mend("Calls can be made. Look at the databases of --store, or at the NATS server of --bus.", "--store", "--bus")
	}
	return ok("%s answers", r.server)
}

func (r *run) checkCertificate(ctx context.Context) Result {
	host := r.hostAlone()
	if r.server.Scheme == "http" {
		if loopback(host) {
			return ok("plain HTTP on this machine, where browsers give a camera all the same")
		}
		r.distrusted = true // Anybody on the way could read a token.
		return bad(Failed, "plain HTTP: browsers give no camera or microphone to its pages").
			mend("Give --tls-cert and --tls-key, or have a proxy in front that serves HTTPS.", "--tls-cert", "--tls-key")
	}
	if !r.up {
		return notChecked("the server does not answer")
	}
	port := r.server.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := r.wait(ctx)
	defer cancel()
	chain, err := handshake(ctx, net.JoinHostPort(host, port), host)
	if err != nil {
		r.distrusted = true
		return bad(Failed, "no TLS with %s: %s", host, why(err)).mend("Look at the server's log.", "--tls-cert", "--tls-key")
	}
	result := r.judge(chain, host, "--tls-cert")
	r.distrusted = result.State == Failed || selfSigned(chain[0]) && result.State == Warning
	if !r.distrusted {
		// A server that has shown a good certificate once has to show it each time.
		r.http.CloseIdleConnections()
		r.http = r.client(true)
	}
	return result
}

// handshake gives the certificates that a server shows for a name.
func handshake(ctx context.Context, address, name string) ([]*x509.Certificate, error) {
	d := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	secure, is := conn.(*tls.Conn)
	if !is || len(secure.ConnectionState().PeerCertificates) == 0 {
		return nil, errors.New("it shows no certificate")
	}
	return secure.ConnectionState().PeerCertificates, nil
}

// judge says what browsers will think of a certificate for a name. The setting is
// the one that gives the name where that may be what is wrong.
func (r *run) judge(chain []*x509.Certificate, name, setting string) Result {
	leaf, now := chain[0], time.Now()
	until := leaf.NotAfter.Format(time.DateOnly)
	if err := leaf.VerifyHostname(name); err != nil {
		advice := "Give a certificate for the name that clients use."
		if setting == "--turn-host" {
			advice = "Give by --turn-host a name that the certificate is for, and that leads to the relay."
		}
		return bad(Failed, "the certificate is for %s, not for %s", namesOf(leaf), name).mend(advice, setting)
	}
	switch {
	case now.After(leaf.NotAfter):
		return bad(Failed, "the certificate expired on %s", until).
			mend("Renew it: the files are read again by themselves.", "--tls-cert")
	case now.Before(leaf.NotBefore):
		return bad(Failed, "the certificate is good from %s on", leaf.NotBefore.Format(time.DateOnly)).
			mend("Compare the clocks of this machine and of the one that made it.", "--tls-cert")
	}
	intermediates := x509.NewCertPool()
	for _, one := range chain[1:] {
		intermediates.AddCert(one)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: r.cfg.Roots, Intermediates: intermediates}); err != nil {
		if selfSigned(leaf) {
			return bad(Warning, "the certificate is self-made: browsers warn, and take it for pages alone").
				mend("For real use give one of an authority that browsers trust.", "--tls-cert")
		}
		return bad(Failed, "the certificate is signed by %q, whom this machine does not trust", leaf.Issuer.CommonName).
			mend("Give the whole chain in the file, the certificate first and then those between it and the authority "+
				"(often called fullchain.pem).", "--tls-cert")
	}
	if left := leaf.NotAfter.Sub(now); left < renewal {
		return bad(Warning, "the certificate expires on %s", until).
			mend("Renew it: the files are read again by themselves.", "--tls-cert")
	}
	return ok("certificate for %s by %q, until %s", namesOf(leaf), leaf.Issuer.CommonName, until)
}

func selfSigned(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// namesOf lists the first few names and addresses of a certificate.
func namesOf(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 3
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

// checkClock compares this machine's clock with the server's, which its answers
// bear, to the second.
func (r *run) checkClock(ctx context.Context) Result {
	if !r.up {
		return notChecked("the server does not answer")
	}
	sent := time.Now()
	answer, _, err := r.get(ctx, "/healthz")
	if err != nil {
		return bad(Warning, "the server's time is not known: %s", why(err)).mend("Run peal doctor again.")
	}
	way := time.Since(sent) / 2
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return notChecked("the answers of the server bear no Date: the proxy in front drops it")
	}
	// Date is cut to the second, so it stands for half a second later on average.
	ahead := theirs.Add(time.Second / 2).Sub(sent.Add(way)).Round(time.Second)
	off := ahead.Abs()
	if off <= clockNote {
		return ok("this clock and the server's agree")
	}
	which := "behind"
	if ahead > 0 {
		which = "ahead of"
	}
	state := Warning
	if off > clockMost {
		state = Failed
	}
	return bad(state, "the server's clock is %s %s this one", off, which).
		mend("Set both by NTP. A token is good by the server's clock: one made by a clock that is off is refused as not yet "+
			"good, or expires early.", "the clock of the server, or of this machine")
}

// addresses are those of the server's name.
func (r *run) addresses(ctx context.Context) []netip.Addr {
	host := r.hostAlone()
	if loopback(host) && !isAddress(host) {
		host = "127.0.0.1"
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil // Without a name there is nothing to compare with; the first check has reported it.
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.Unmap().IsLoopback()
}

func refusedConnection(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
