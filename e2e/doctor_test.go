package e2e_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const doctorSecret = "0123456789abcdef0123456789abcdef"

// serve runs a `peal serve` for the length of a test: on loopback, with a relay that
// reaches this machine, unless the flags say otherwise.
func serve(t *testing.T, flags ...string) *server {
	t.Helper()
	s := &server{t: t, addr: freeAddr(t), data: t.TempDir(), flags: flags, log: &buffer{}}
	args := []string{"serve", "--addr", s.addr, "--data", s.data}
	if strings.Contains(strings.Join(flags, " "), "--tls-cert") {
		s.flags = append(s.flags, "--tls") // For url.
	}
	if !strings.Contains(strings.Join(flags, " "), "--turn-addr") {
		args = append(args, "--turn-addr", freeAddr(t))
	}
	s.process = exec.Command(binary, append(args, flags...)...)
	s.process.Env = append(os.Environ(), "PEAL_SECRET="+doctorSecret)
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("server log:\n%s", s.log)
		}
	})
	eventually(t, toStart, "the server is ready", func() bool {
		r, err := trusting.Get(s.url() + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return s
}

// thisMachine are flags that allow the relay this machine's addresses, whichever they are.
func thisMachine(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok {
			flags = append(flags, "--turn-allow-peer", network.IP.String())
		}
	}
	return flags
}

// signed is a token of the command, as an operator makes it.
func signed(t *testing.T, flags ...string) string {
	t.Helper()
	command := exec.Command(binary, append([]string{"token", "--account", "doctor"}, flags...)...)
	command.Env = append(os.Environ(), "PEAL_SECRET="+doctorSecret)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("peal token %v: %v", flags, err)
	}
	return strings.TrimSpace(string(out))
}

// rawToken is a token as a backend makes it that gets something wrong.
func rawToken(t *testing.T, header, more map[string]any) string {
	t.Helper()
	claims := map[string]any{"sub": "doctor", "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(claims, more)
	part := func(value map[string]any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(header) + "." + part(claims)
	mac := hmac.New(sha256.New, []byte(doctorSecret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// front puts a proxy before a server.
func front(t *testing.T, s *server, change func(*httputil.ReverseProxy), handle map[string]http.HandlerFunc) string {
	t.Helper()
	target, err := url.Parse(s.url())
	if err != nil {
		t.Fatal(err)
	}
	p := &httputil.ReverseProxy{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
	}
	if change != nil {
		change(p)
	}
	mux := http.NewServeMux()
	mux.Handle("/", p)
	for path, f := range handle {
		mux.HandleFunc(path, f)
	}
	proxy := httptest.NewServer(mux)
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// consult opens the page /doctor of a server and waits until it has looked at all
// but the devices; with a token, where one is given.
func consult(t *testing.T, browser context.Context, url, token, lang string, width, height int64) *visitor {
	t.Helper()
	p := open(t, browser, url+"/doctor?lang="+lang)
	p.account = "doctor-" + lang
	p.run("window.log = []") // What history shows: the page has none.
	v := &visitor{p, width, height}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	v.examined()
	if token != "" {
		if r := v.row("token"); r.State != "not_checked" {
			t.Fatalf("without a token: %+v", r)
		}
		v.types("token-input", token)
		v.click("token-use")
		v.until("begins again", `["running"].includes(document.body.dataset.state) || document.querySelector('[data-check="token"]').dataset.state !== "not_checked"`)
		v.examined()
	}
	return v
}

func (v *visitor) examined() {
	v.t.Helper()
	eventually(v.t, 2*time.Minute, v.account+" is through", func() bool {
		done, err := evaluate[bool](v.page, `document.body.dataset.state !== "running"`)
		return err == nil && done
	})
}

// row is what the page shows of one check.
type row struct{ State, Settings, Text string }

func (v *visitor) row(check string) row {
	v.t.Helper()
	found, err := evaluate[row](v.page, fmt.Sprintf(`(({dataset, innerText}) => ({State: dataset.state, Settings: dataset.settings, Text: innerText}))(
		document.querySelector('[data-check=%q]'))`, check))
	if err != nil {
		v.t.Fatal(err)
	}
	return found
}

// all takes a picture of the whole page.
func (v *visitor) all(name string) {
	v.t.Helper()
	v.look(name)
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d-all.png", name, v.account, v.width)), picture, 0o644); err != nil {
		v.t.Fatal(err)
	}
}

// Browser and server on one machine: all is well, at a desk and at a phone, and so
// are the devices that Chromium makes up.
func TestDoctorPage(t *testing.T) {
	s := startServer(t, thisMachine(t)...)
	browser := startBrowser(t)
	for _, at := range []struct {
		lang          string
		width, height int64
	}{{"en", 1280, 800}, {"zh", 390, 844}} {
		v := consult(t, browser, s.url(), "", at.lang, at.width, at.height)
		v.click("devices")
		v.until("has looked at the camera", `document.querySelector('[data-check="camera"]').dataset.state === "ok"`)
		for _, check := range []string{
			"server", "secure", "browser", "clock", "websocket", "token", "stun", "turn-udp", "relay-udp", "turn-tcp", "relay-tcp",
			"relay-direct", "microphone", "camera",
		} {
			if r := v.row(check); r.State != "ok" || r.Settings != "" {
				t.Errorf("%s: %+v", check, r)
			}
		}
		for _, check := range []string{"turn-tls", "relay-tls"} {
			if r := v.row(check); r.State != "not_checked" {
				t.Errorf("%s: %+v", check, r)
			}
		}
		v.until("sees the camera", `document.querySelector('[data-testid="preview"]').videoWidth > 0`)
		v.all("doctor-well")
		v.click("devices")
		v.until("lets go of the camera", `document.querySelector('[data-testid="preview"]').srcObject === null`)
		v.click("lang")
		v.until("speaks the other language", fmt.Sprintf(`document.documentElement.lang !== %q && document.body.dataset.state === "ok"`,
			map[string]string{"en": "en", "zh": "zh-CN"}[at.lang]))
		v.click("again")
		v.examined()
		if r := v.row("relay-direct"); r.State != "ok" {
			t.Errorf("again: %+v", r)
		}
	}
}

// wrong is one setting that is wrong, and how the page names it.
type wrong struct {
	name           string
	flags          []string
	token          []string // Flags of peal token; none means a good one.
	check          string
	state, setting string
	raw            string // A token that peal token does not make; empty for one that it makes.
}

// Each setting that is wrong is named by the page.
func TestDoctorPageNamesSettings(t *testing.T) {
	here := thisMachine(t)
	browser := startBrowser(t)
	for i, w := range []wrong{
		{"announced where nothing listens", append([]string{"--turn-announce", "127.0.0.9"}, here...), nil, "turn-tcp", "failed", "--turn-announce", ""},
		{
			"announced for what is relayed", append([]string{"--turn-announce", "198.51.100.1", "--turn-host", "localhost"}, here...), nil,
			"relay-udp", "failed", "--turn-announce", "",
		},
		{"relay off", []string{"--turn-addr", "off"}, nil, "stun", "warning", "--turn-addr", ""},
		{"neighbours not allowed", nil, nil, "relay-direct", "warning", "--turn-allow-peer", ""},
		{"name of nobody", []string{"--turn-host", "turn.invalid"}, nil, "turn-udp", "failed", "--turn-host", ""},
		{"another secret", []string{"--secret", strings.Repeat("x", 32)}, nil, "token", "failed", "--secret", ""},
		{"another key", nil, []string{"--key-id", "old"}, "token", "failed", "--key-id", ""},
		{"token for too long", []string{"--token-max-ttl", "1m"}, nil, "token", "failed", "--token-max-ttl", ""},
		{"token without kid", nil, nil, "token", "failed", "--key-id", rawToken(t, map[string]any{"alg": "HS256"}, nil)},
		{"token in milliseconds", nil, nil, "token", "failed", "签发 token 的后端", rawToken(t, map[string]any{"alg": "HS256", "kid": "main"}, map[string]any{"exp": time.Now().UnixMilli()})},
	} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel() // Most of the time is waiting for what never comes.
			s := serve(t, w.flags...)
			lang, width := "en", int64(1280)
			if i%2 == 1 {
				lang, width = "zh", 390
			}
			token := w.raw
			if token == "" {
				token = signed(t, w.token...)
			}
			v := consult(t, browser, s.url(), token, lang, width, 844)
			v.names(w.check, w.state, w.setting)
			v.all(fmt.Sprintf("doctor-wrong-%d", i))
		})
	}
}

// names holds that the page names a setting first, and says what to do.
func (v *visitor) names(check, state, setting string) {
	v.t.Helper()
	r := v.row(check)
	if r.State != state || !strings.HasPrefix(r.Settings, setting) || !strings.Contains(r.Text, setting) {
		v.t.Errorf("want %s %s by %s, got %+v", check, state, setting, r)
	}
}

// What stands between browser and server is reported apart from the server as well.
func TestDoctorPageBehindProxy(t *testing.T) {
	here := thisMachine(t)
	browser := startBrowser(t)
	strict := serve(t, append([]string{"--origins", "app.example.com"}, here...)...)
	renamed := func(p *httputil.ReverseProxy) {
		rewrite := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) { rewrite(r); r.Out.Host = "backend:7326" }
	}
	late := func(p *httputil.ReverseProxy) {
		p.ModifyResponse = func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			return nil
		}
	}
	closed := freeAddr(t)
	ice := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"iceServers":[{"urls":["stun:%[1]s"]},{"urls":["turn:%[1]s?transport=udp","turn:%[1]s?transport=tcp"],"username":"u","credential":"c"}]}`, closed)
	}
	t.Run("another Host", func(t *testing.T) {
		t.Parallel()
		consult(t, browser, front(t, strict, renamed, nil), "", "en", 1280, 800).names("websocket", "failed", "--origins")
	})
	t.Run("another Date", func(t *testing.T) {
		t.Parallel()
		r := consult(t, browser, front(t, strict, late, nil), "", "en", 1280, 800).row("clock")
		if r.State != "warning" || !strings.Contains(r.Text, "behind") || !strings.Contains(r.Settings, "clock") {
			t.Errorf("an hour late: %+v", r)
		}
	})
	t.Run("a closed port", func(t *testing.T) {
		t.Parallel()
		at := front(t, strict, nil, map[string]http.HandlerFunc{"/v1/ice-servers": ice})
		v := consult(t, browser, at, signed(t), "en", 1280, 800)
		for _, check := range []string{"stun", "turn-udp", "turn-tcp"} {
			v.names(check, "failed", "--turn-addr")
		}
	})
}

// TURN over TLS: missing, by a certificate for another name, and as it should be.
func TestDoctorPageTLS(t *testing.T) {
	keeper := startServer(t, "--tls") // It makes a certificate.
	certificate := []string{"--tls-cert", filepath.Join(keeper.data, "tls-cert.pem"), "--tls-key", filepath.Join(keeper.data, "tls-key.pem")}
	certificate = append(certificate, thisMachine(t)...)
	careless := startBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		s := serve(t, certificate...)
		consult(t, careless, s.url(), signed(t), "en", 1280, 800).names("turn-tls", "warning", "--turn-tls-addr")
	})
	t.Run("there", func(t *testing.T) {
		t.Parallel()
		s := serve(t, append([]string{"--turn-tls-addr", freeAddr(t)}, certificate...)...)
		v := consult(t, careless, s.url(), signed(t), "en", 1280, 800)
		for _, check := range []string{"turn-tls", "relay-tls"} {
			if r := v.row(check); r.State != "ok" {
				t.Errorf("%s: %+v", check, r)
			}
		}
	})
	t.Run("another name", func(t *testing.T) {
		t.Parallel()
		s := serve(t, append([]string{"--turn-tls-addr", freeAddr(t), "--turn-host", "turn.localhost"}, certificate...)...)
		// A page over plain HTTP on this machine, in a browser that looks at certificates.
		consult(t, startBrowser(t), front(t, s, nil, nil), signed(t), "en", 1280, 800).names("turn-tls", "failed", "--turn-host")
	})
}

// The command, as an operator uses it.
func TestDoctorCommand(t *testing.T) {
	doctor := func(flags ...string) (code int, out string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		text, err := exec.CommandContext(ctx, binary, append([]string{"doctor", "--patience", "2s"}, flags...)...).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if exit != nil {
			code = exit.ExitCode()
		}
		return code, string(text)
	}
	well := startServer(t)
	code, out := doctor("--server", well.url())
	if code != 0 || strings.Contains(out, "failed") || strings.Contains(out, "warning") || !strings.Contains(out, "\nok           relay-direct  ") {
		t.Errorf("a healthy server: exit code %d\n%s", code, out)
	}
	broken := serve(t, "--turn-announce", "127.0.0.9")
	code, out = doctor("--server", broken.url()+"/", "--token", signed(t))
	if code != 1 || !strings.Contains(out, "failed       turn-udp") || !strings.Contains(out, "--turn-announce: Give") {
		t.Errorf("a wrong address: exit code %d\n%s", code, out)
	}
	code, out = doctor("--server", broken.url(), "--token", signed(t), "--json")
	var report struct {
		OK     bool
		Checks []struct {
			Check, State, Seen, Advice string
			Settings                   []string
		}
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&report); err != nil || code != 1 || report.OK || len(report.Checks) != 13 {
		t.Errorf("as JSON: exit code %d, %v\n%s", code, err, out)
	}
	if code, out = doctor("--server", "calls.example.com"); code != 2 || !strings.HasPrefix(out, "peal: server is") {
		t.Errorf("no address: exit code %d, %s", code, out)
	}
}
