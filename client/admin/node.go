package admin

import (
	"context"
	"net/http"
	"time"
)

// Node is a node of the service: one start of a server.
type Node struct {
	// Node names this start.
	Node    string `json:"node"`
	Release string `json:"release"`
	// Address is the URL of this one node, and Relay where devices reach its relay; empty for none.
	Address string    `json:"address"`
	Relay   string    `json:"relay"`
	BegunAt time.Time `json:"begunAt"`
	// Alive says whether its lease is good, and LeaseUntil when that ends unless the node renews it;
	// zero for a server with SQLite, which is the only node.
	Alive      bool      `json:"alive"`
	LeaseUntil time.Time `json:"leaseUntil"`
}

// Nodes lists the nodes that share the database, and those that died within the last minute. The key
// needs the scope admin.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var answer struct {
		Nodes []Node `json:"nodes"`
	}
	err := c.do(ctx, request{method: http.MethodGet, path: "/nodes"}, &answer)
	return answer.Nodes, err
}
