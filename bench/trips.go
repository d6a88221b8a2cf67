package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// trips stands between nodes and PostgreSQL and counts the round trips: the messages after which
// a client waits for an answer, which are Sync and Query.
type trips struct {
	listener net.Listener
	to       string
	count    atomic.Int64
	work     sync.WaitGroup
}

// countTrips counts those to an address.
func countTrips(to string) (*trips, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &trips{listener: l, to: to}
	t.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.work.Go(func() { t.serve(c) })
		}
	})
	return t, nil
}

func (t *trips) addr() string { return t.listener.Addr().String() }

// close waits for the connections, whose clients have ended.
func (t *trips) close() {
	_ = t.listener.Close()
	t.work.Wait()
}

func (t *trips) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", t.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	t.work.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_ = t.pass(server, bufio.NewReader(client))
}

// pass copies the messages of a client, and counts. The first one has no type; a message is its
// type and its length, which counts itself.
func (t *trips) pass(to io.Writer, from *bufio.Reader) error {
	for first := true; ; first = false {
		skip := 1
		if first {
			skip = 0
		}
		head, err := from.Peek(skip + 4)
		if err != nil {
			return err
		}
		if !first && (head[0] == 'S' || head[0] == 'Q') {
			t.count.Add(1)
		}
		length := int64(skip) + int64(binary.BigEndian.Uint32(head[skip:]))
		if _, err := io.CopyN(to, from, length); err != nil {
			return err
		}
	}
}
