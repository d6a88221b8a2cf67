package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Kamailio is what a call is compared with. Alone it keeps as little as it can of a
// call: transactions, in memory; nothing is stored. With a database it stores, as Peal
// does, a row that begins, changes and ends, and records.

const (
	// bareWorkers serve where nothing is stored: more of them only wait for each other.
	bareWorkers = 2
	// dbWorkers serve where each of them waits for commits.
	dbWorkers = 8
	// sipPatience is how long calls that have begun may take to end.
	sipPatience = 40 * time.Second
)

var (
	//go:embed sip/kamailio.cfg
	kamailioConfig string
	//go:embed sip/caller.xml
	sipCaller string
	//go:embed sip/callee.xml
	sipCallee string
)

// kamailio is the proxy, the callees behind it and the database that it stores in.
type kamailio struct {
	*process
	callee *process
	db     *database // Nil where nothing is stored.
	folder string
	port   int
	o      *callOptions
	// calls were made so far. unsure is true once some of them have failed: nobody knows
	// what was to be stored then.
	calls  int
	unsure bool
}

// startKamailio starts Kamailio. It stores in the database that startDB starts, or
// nothing where startDB is nil.
func startKamailio(ctx context.Context, o *callOptions, startDB func(context.Context) (*database, error)) (k *kamailio, err error) {
	if err := need("kamailio", "kamailio", "sipp", "sip-tester"); err != nil {
		return nil, err
	}
	// Not k itself: what is returned with an error is nil.
	made := &kamailio{o: o}
	defer func() {
		if err != nil {
			made.stop()
		}
	}()
	if startDB != nil {
		if made.db, err = startDB(ctx); err != nil {
			return nil, err
		}
	}
	if made.folder, err = os.MkdirTemp("", "peal-bench-sip-"); err != nil {
		return nil, err
	}
	calleePort, err := freePort()
	if err != nil {
		return nil, err
	}
	if made.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := made.write(calleePort); err != nil {
		return nil, err
	}
	made.callee, err = start(ctx, "sipp, the callees", "sipp", "-sf", made.file("callee.xml"),
		"-i", "127.0.0.1", "-p", strconv.Itoa(calleePort), "-nostdin", "-trace_err", "-error_file", made.file("callee.err"))
	if err != nil {
		return nil, err
	}
	if made.process, err = start(ctx, "kamailio", made.command()...); err != nil {
		return nil, err
	}
	return made, made.until(ctx, made.listens)
}

// write writes the configuration and the scenarios.
func (k *kamailio) write(calleePort int) error {
	pairs := []string{
		"@PORT@", strconv.Itoa(k.port), "@CALLEE@", strconv.Itoa(calleePort),
		"@RING_MS@", strconv.FormatInt(k.o.ring.Milliseconds(), 10), "@TALK_MS@", strconv.FormatInt(k.o.talk.Milliseconds(), 10),
	}
	if k.db != nil {
		pairs = append(pairs, "@DB_MODULE@", k.db.module, "@DB_URL@", k.db.url)
	}
	values := strings.NewReplacer(pairs...)
	for name, text := range map[string]string{"kamailio.cfg": kamailioConfig, "caller.xml": sipCaller, "callee.xml": sipCallee} {
		if err := os.WriteFile(k.file(name), []byte(values.Replace(text)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// command is the command line of Kamailio. tlsf is the fastest of its allocators.
func (k *kamailio) command() []string {
	command := []string{"kamailio", "-f", k.file("kamailio.cfg"), "-DD", "-E", "-x", "tlsf", "-m", "128", "-Y", k.folder}
	if k.db == nil {
		return append(command, "-n", strconv.Itoa(bareWorkers))
	}
	env := append([]string{"env"}, k.db.env...)
	return append(append(env, command...), "-n", strconv.Itoa(dbWorkers), "-A", "WITH_DB")
}

// listens tells whether Kamailio has its port.
func (k *kamailio) listens() bool {
	ports, err := os.ReadFile("/proc/net/udp")
	return err == nil && strings.Contains(string(ports), fmt.Sprintf(":%04X ", k.port))
}

func (k *kamailio) file(name string) string { return filepath.Join(k.folder, name) }

// pids are the processes whose CPU counts, without their children.
func (k *kamailio) pids() []int {
	if k.db == nil {
		return []int{k.pid()}
	}
	return []int{k.pid(), k.db.pid()}
}

// run makes calls at the same rate as all others.
func (k *kamailio) run(ctx context.Context) (int, error) {
	calls := int(k.o.rate * k.o.each.Seconds())
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	caller, err := start(ctx, "sipp", "sipp", "-sf", k.file("caller.xml"), "-i", "127.0.0.1", "-p", strconv.Itoa(port),
		"-r", strconv.FormatFloat(k.o.rate, 'f', -1, 64), "-m", strconv.Itoa(calls), "-l", strconv.Itoa(10*calls),
		"-timeout", strconv.Itoa(int((k.o.each + sipPatience).Seconds())), "-timeout_error",
		"-s", "callee", "-nostdin", fmt.Sprintf("127.0.0.1:%d", k.port))
	if err != nil {
		return 0, err
	}
	k.calls += calls
	if err := caller.wait(); err != nil {
		k.unsure = true
		return 0, err
	}
	return calls, ctx.Err()
}

// check finds out whether the database holds what it is to.
func (k *kamailio) check(ctx context.Context) error {
	if k.db == nil {
		return nil
	}
	if k.unsure {
		fmt.Println("Calls by Kamailio have failed, so its rows are not checked.")
		return nil
	}
	return k.db.check(ctx, k.calls)
}

func (k *kamailio) stop() {
	for _, p := range []*process{k.callee, k.process} {
		if p != nil {
			p.stop()
		}
	}
	if k.db != nil {
		k.db.stop()
	}
	_ = os.RemoveAll(k.folder)
}
