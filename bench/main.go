// Command bench measures a Peal server beside its peers, interleaved in one
// run, so that what is noise on a machine falls on all of them:
//
//	bench call         CPU of the server for one complete call, beside bare relays and Kamailio
//	bench saturation   calls a second that ring in time, beside another version
//	bench idle         memory for one idle device, plain and over TLS, and everybody coming back
//	bench turn         CPU for one relayed packet by channel, indication and TCP, beside coturn
//	bench cost         what grows with calls, live calls and accounts
//	bench cluster      nodes over PostgreSQL and NATS, beside one server with SQLite
//
// Everything runs on loopback, in processes that it starts and stops itself. The
// last line of each is for programs. See docs/run/performance.md for figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// longest bounds every run.
const longest = 15 * time.Minute

// errUsage is a command line that cannot be carried out.
var errUsage = errors.New("usage: bench call|saturation|idle|turn|cost|cluster [flags]; see bench call -h")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, longest)
	err := run(ctx, os.Args[1:])
	cancel()
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	commands := map[string]func(context.Context, []string) error{
		"call": benchCall, "idle": benchIdle, "turn": benchTurn, "cost": benchCost,
		"saturation": benchSaturation, "cluster": benchCluster,
		// In processes of their own, so that their CPU is measured apart from the load's.
		"relay": serveRelay, "loop-relay": serveLoopRelay,
	}
	command, ok := commands[args[0]]
	if !ok {
		return errUsage
	}
	return command(ctx, args[1:])
}

// flags are those of one command; pealFlag is where the server to measure is.
func flags(name string) *flag.FlagSet {
	return flag.NewFlagSet("bench "+name, flag.ContinueOnError)
}

func pealFlag(f *flag.FlagSet) *string {
	return f.String("peal", "bin/peal", "path of the binary to measure; make build makes it")
}

// median of some values; zero of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// ratio is the median of ratios, pair by pair: what befalls a machine for a
// while befalls both of a pair.
func ratio(ours, theirs []float64) float64 {
	var ratios []float64
	for i := range min(len(ours), len(theirs)) {
		if theirs[i] > 0 {
			ratios = append(ratios, ours[i]/theirs[i])
		}
	}
	return median(ratios)
}
