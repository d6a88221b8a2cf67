package webhook_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// names answers look-ups of any name by the addresses of the moment.
type names struct {
	mu        sync.Mutex // Guards what follows.
	addresses []netip.Addr
	asked     int
}

func (n *names) point(addresses ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses = addresses
}

func (n *names) lookups() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// resolver asks no network.
func (n *names) resolver(t *testing.T) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		go n.serve(server)
		return client, nil
	}}
}

// serve answers as DNS over TCP, which has the length before each message.
func (n *names) serve(c net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer := n.answer(query)
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer answers one question (RFC 1035, section 4).
func (n *names) answer(query []byte) []byte {
	const header = 12
	end := header
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	question := query[header : end+5]
	var records []byte
	count := uint16(0)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	for _, a := range n.addresses {
		data, of := a.AsSlice(), uint16(28) // AAAA
		if a.Is4() {
			of = 1 // A
		}
		if kind != of {
			continue
		}
		count++
		records = append(records, 0xc0, header) // The name of the question.
		records = binary.BigEndian.AppendUint16(records, of)
		records = append(records, 0, 1, 0, 0, 0, 0) // The internet, for no time.
		records = binary.BigEndian.AppendUint16(records, uint16(len(data)))
		records = append(records, data...)
	}
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1}, byte(count>>8), byte(count), 0, 0, 0, 0)
	return append(append(answer, question...), records...)
}
