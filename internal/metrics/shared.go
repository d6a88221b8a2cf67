package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Shared is what the nodes of one service share, as one of them sees it.
type Shared struct {
	// Live counts the live calls of all nodes; nil where the store does not tell.
	Live map[call.State]int
	// Pools are the connections to the database.
	Pools []Pool
	// Retries counts what was asked of the database again.
	Retries uint64
	// Warnings is how many there are about the database.
	Warnings int
	// Connected says whether the bus is there. Lost counts the messages that were dropped here.
	Connected bool
	Lost      uint64

	MessagesIn, MessagesOut, BytesIn, BytesOut uint64
}

// Pool is a number of connections to the database for one purpose.
type Pool struct {
	Name       string
	Used, Most int
}

func (s *scrape) collectShared(out chan<- prometheus.Metric) {
	shared := s.Shared()
	if shared.Live != nil {
		for _, state := range []call.State{call.Ringing, call.Connecting, call.Connected} {
			callsLive.tell(out, float64(shared.Live[state]), nameOf(pealv1.CallState(state)))
		}
	}
	for _, p := range shared.Pools {
		storeConnections.tell(out, float64(p.Used), p.Name)
		storeConnectionsMost.tell(out, float64(p.Most), p.Name)
	}
	storeRetries.tell(out, float64(shared.Retries))
	storeWarnings.tell(out, float64(shared.Warnings))
	connected := 0.0
	if shared.Connected {
		connected = 1
	}
	busConnected.tell(out, connected)
	busLost.tell(out, float64(shared.Lost))
	busMessages.tell(out, float64(shared.MessagesIn), "in")
	busMessages.tell(out, float64(shared.MessagesOut), "out")
	busBytes.tell(out, float64(shared.BytesIn), "in")
	busBytes.tell(out, float64(shared.BytesOut), "out")
}
