package api

import (
	"net/http"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// nodeShape is a node as a backend sees it.
type nodeShape struct {
	Node    string     `json:"node"`
	Release string     `json:"release"`
	Address string     `json:"address"`
	Relay   string     `json:"relay,omitempty"`
	Begun   time.Time  `json:"begunAt"`
	Alive   bool       `json:"alive"`
	Lease   *time.Time `json:"leaseUntil,omitempty"`
}

func nodeOf(n *store.Node, now time.Time) nodeShape {
	shape := nodeShape{
		Node: n.Incarnation, Release: n.Release, Address: n.Address, Relay: n.Relay, Begun: n.Begun.UTC(),
		Alive: n.Until.IsZero() || n.Until.After(now),
	}
	if !n.Until.IsZero() {
		until := n.Until.UTC()
		shape.Lease = &until
	}
	return shape
}

// listNodes gives the nodes that live, and those that died within the last minute.
func (b *backend) listNodes(w http.ResponseWriter, q *http.Request) {
	if _, ok := queryOf(w, q); !ok {
		return
	}
	nodes, err := b.Nodes(q.Context())
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	now := b.Now()
	answer := struct {
		Nodes []nodeShape `json:"nodes"`
	}{Nodes: make([]nodeShape, len(nodes))}
	for i := range nodes {
		answer.Nodes[i] = nodeOf(&nodes[i], now)
	}
	reply(w, answer)
}
