package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/load"
)

const secret = "a secret for measuring alone, known to all"

// peal is a server that is measured.
type peal struct {
	*process
	addr, data string
	scheme     string // "http" or "https".
}

// startPeal starts a server as it is by default, commits flushed to disk, but
// for the limits that a load from one address would meet.
func startPeal(ctx context.Context, binary string, more ...string) (*peal, error) {
	data, err := os.MkdirTemp("", "peal-bench-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return startPealAt(ctx, binary, data, fmt.Sprintf("127.0.0.1:%d", port), more...)
}

// startPealAt starts a server on the data of another one, where that one was.
func startPealAt(ctx context.Context, binary, data, addr string, more ...string) (*peal, error) {
	command := append([]string{
		binary, "serve", "--addr", addr, "--data", data, "--secret", secret, "--turn-addr", "off", "--log-level", "error",
		"--limits-invites-per-min", "1000000", "--limits-pair-per-min", "1000000", "--limits-sockets-per-addr", "100000",
		"--limits-message-rate", "10000", "--limits-message-burst", "10000",
		"--limits-rings-per-min", "1000000", "--limits-hellos-per-min", "100000", "--limits-signal-bytes", "1000000000", "--limits-declined-pause", "0s",
	}, more...)
	p, err := start(ctx, "peal", command...)
	if err != nil {
		return nil, fmt.Errorf("%w: run make build, or give -peal", err)
	}
	s := &peal{process: p, addr: addr, data: data, scheme: "http"}
	if err := p.until(ctx, answers(addr)); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *peal) stop() {
	s.process.stop()
	_ = os.RemoveAll(s.data)
}

// load is a load for the server.
func (s *peal) load(devices int) load.Config {
	return load.Config{
		Server: s.scheme + "://" + s.addr, Prefix: "bench-", Devices: devices, Connects: 64,
		Token: func(_ context.Context, account string) (string, error) {
			signer, err := auth.NewSigner(auth.Keys{"main": auth.Secret(secret)}, "main")
			if err != nil {
				return "", err
			}
			return signer.Sign(account, time.Hour, time.Now())
		},
	}
}

// fleet logs the devices of a load in.
func fleet(ctx context.Context, cfg load.Config) (*load.Fleet, error) {
	f, err := load.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := f.Connect(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
