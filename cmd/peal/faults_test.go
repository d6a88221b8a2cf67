package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTooManyOpenFiles: a server that is out of file descriptors says so by one line a
// second, and serves on once there are some.
func TestTooManyOpenFiles(t *testing.T) {
	address := freeAddress(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -n 50 && exec "$@"`, "sh",
		os.Args[0], "serve", "--addr", address, "--turn-addr", "off", "--data", t.TempDir(), "--secret", secret)
	cmd.Env = append(os.Environ(), asPeal+"=1")
	p := &process{t: t, cmd: cmd, log: &output{}, url: "http://" + address}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.log.says(t, "server started")
	begun := time.Now()
	var open []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	p.log.says(t, `msg="too many open files"`)
	time.Sleep(time.Until(begun.Add(3 * time.Second)))
	said := p.log.String()
	if n := strings.Count(said, "level=ERROR"); n > 4 || n != strings.Count(said, `msg="too many open files"`) || !strings.Contains(said, "LimitNOFILE") {
		t.Errorf("in 3 s the log says, in %d lines:\n%s", n, said)
	}
	for _, c := range open {
		_ = c.Close()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.Get(p.url + "/readyz")
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("does not serve again: %v\n%s", err, p.log)
		}
	}
	if code := p.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
}
