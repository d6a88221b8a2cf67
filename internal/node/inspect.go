package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
)

// inspectMost is how many calls and connections an inspection lists.
const inspectMost = 1000

// Inspect asks what the node holds, for operators. Request is the shell's; the answer brings it
// back.
type Inspect struct {
	Request uint64
	Call    call.ID // Empty for all.
}

func (Inspect) input() {}

// Inspected answers Inspect.
type Inspected struct {
	Request uint64
	State   Inspection
}

func (Inspected) effect() {}

// Inspection is what a node holds. Nothing of it is a secret of devices, but it names accounts.
type Inspection struct {
	Incarnation string    `json:"incarnation"`
	Now         time.Time `json:"now"`
	Ready       bool      `json:"ready"`
	Stopping    bool      `json:"stopping,omitempty"`
	// Alive are the nodes that live, as the store said at Beat.
	Alive []string  `json:"alive"`
	Beat  time.Time `json:"beat,omitzero"`
	// Judges is from when on the node may find others dead.
	Judges time.Time `json:"judges,omitzero"`
	// Requests is how many answers of the store are awaited.
	Requests int `json:"requests,omitempty"`
	// Connections and Calls are how many there are; the lists below have the first thousand.
	Connections int                    `json:"connections"`
	Calls       int                    `json:"calls"`
	Queues      []callqueue.Inspection `json:"queues"`
	// Devices are those of the listed calls.
	Devices []InspectedDevice `json:"devices"`
}

// InspectedDevice is a device that has to do with calls.
type InspectedDevice struct {
	Account call.Account  `json:"account"`
	Device  call.DeviceID `json:"device"`
	Conn    ConnID        `json:"connection"`
	// Greeting says that its hello is not answered yet.
	Greeting bool `json:"greeting,omitempty"`
	// Calls are the revs that were sent to it.
	Calls map[call.ID]uint32 `json:"calls,omitempty"`
}

// inspect tells what the node holds.
func (n *Node) inspect(in Inspect) {
	i := Inspection{
		Incarnation: n.cfg.Incarnation, Now: n.now, Ready: n.Ready(), Stopping: n.stopping,
		Alive: n.leases.alive, Beat: n.leases.answered, Judges: n.leases.judges, Requests: len(n.tickets),
		Connections: len(n.devices.conns), Calls: n.calls.Len(), Queues: n.calls.Inspect(in.Call, inspectMost),
	}
	for _, id := range sorted(n.devices.conns) {
		d := n.devices.conns[id]
		calls := make(map[call.ID]uint32)
		for of, v := range d.calls {
			if in.Call == "" || in.Call == of {
				calls[of] = v.rev
			}
		}
		if greeting := d.session.Greeting(); len(i.Devices) < inspectMost && (greeting || len(calls) > 0) {
			i.Devices = append(i.Devices, InspectedDevice{d.who.Account, d.who.ID, d.conn, greeting, calls})
		}
	}
	n.do(Inspected{in.Request, i})
}
