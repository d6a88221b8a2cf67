package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Kamailio is what a call is compared with that keeps as little as it can of
// one: transactions, in memory. Nothing of a call is stored, nobody is busy.

var (
	//go:embed sip/kamailio.cfg
	kamailioConfig string
	//go:embed sip/caller.xml
	sipCaller string
	//go:embed sip/callee.xml
	sipCallee string
)

// kamailio is the proxy and the callees behind it.
type kamailio struct {
	*process
	callee *process
	folder string
	port   int
	o      *callOptions
}

func startKamailio(ctx context.Context, o *callOptions) (k *kamailio, err error) {
	for program, from := range map[string]string{"kamailio": "kamailio", "sipp": "sip-tester"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: install Debian's package %s", err, from)
		}
	}
	// Not k itself: what is returned with an error is nil.
	made := &kamailio{o: o}
	k = made
	if k.folder, err = os.MkdirTemp("", "peal-bench-sip-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			made.stop()
		}
	}()
	calleePort, err := freePort()
	if err != nil {
		return nil, err
	}
	if k.port, err = freePort(); err != nil {
		return nil, err
	}
	values := strings.NewReplacer(
		"@PORT@", strconv.Itoa(k.port), "@CALLEE@", strconv.Itoa(calleePort),
		"@RING_MS@", strconv.FormatInt(o.ring.Milliseconds(), 10), "@TALK_MS@", strconv.FormatInt(o.talk.Milliseconds(), 10),
	)
	for name, text := range map[string]string{"kamailio.cfg": kamailioConfig, "caller.xml": sipCaller, "callee.xml": sipCallee} {
		if err := os.WriteFile(k.file(name), []byte(values.Replace(text)), 0o600); err != nil {
			return nil, err
		}
	}
	k.callee, err = start(ctx, "sipp, the callees", "sipp", "-sf", k.file("callee.xml"),
		"-i", "127.0.0.1", "-p", strconv.Itoa(calleePort), "-nostdin", "-trace_err", "-error_file", k.file("callee.err"))
	if err != nil {
		return nil, err
	}
	// tlsf is the fastest of its allocators.
	k.process, err = start(ctx, "kamailio", "kamailio", "-f", k.file("kamailio.cfg"), "-DD", "-E", "-n", "2", "-x", "tlsf",
		"-m", "128", "-Y", k.folder)
	if err != nil {
		return nil, err
	}
	ready := func() bool {
		return exec.CommandContext(ctx, "sh", "-c", fmt.Sprintf("grep -qi ':%04X ' /proc/net/udp", k.port)).Run() == nil
	}
	return k, k.until(ctx, ready)
}

func (k *kamailio) file(name string) string { return filepath.Join(k.folder, name) }

// run makes calls at the same rate as all others.
func (k *kamailio) run(ctx context.Context) (int, error) {
	calls := int(k.o.rate * k.o.each.Seconds())
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	caller, err := start(ctx, "sipp", "sipp", "-sf", k.file("caller.xml"), "-i", "127.0.0.1", "-p", strconv.Itoa(port),
		"-r", strconv.FormatFloat(k.o.rate, 'f', -1, 64), "-m", strconv.Itoa(calls), "-l", strconv.Itoa(10*calls),
		"-s", "callee", "-nostdin", fmt.Sprintf("127.0.0.1:%d", k.port))
	if err != nil {
		return 0, err
	}
	return calls, errors.Join(caller.wait(), ctx.Err())
}

func (k *kamailio) stop() {
	for _, p := range []*process{k.callee, k.process} {
		if p != nil {
			p.stop()
		}
	}
	_ = os.RemoveAll(k.folder)
}
