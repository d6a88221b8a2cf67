package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// ConnID names one connection of this node incarnation. The shell counts them
// up from 1 and never uses one twice.
type ConnID uint64

// Ticket ties the result of work that a node asked for to what waits for it.
type Ticket uint64

// Input is something that the shell tells a node.
type Input interface{ input() }

// The inputs of sockets.
type (
	// Opened is a new connection.
	Opened struct{ Conn ConnID }
	// Received is a command. Error is set in place of Frame.Command when what
	// came could not be decoded.
	Received struct {
		Conn  ConnID
		Frame *pealv1.ClientFrame
		Error *pealv1.Error
	}
	// Ponged is the answer to a Ping.
	Ponged struct{ Conn ConnID }
	// Closed is the end of a connection, by either side. Nothing follows it.
	Closed struct {
		Conn ConnID
		// Leaving says that the client closed it because its page goes away.
		Leaving bool
	}
)

// The inputs of the store: each answers the effect that carried its ticket.
// With Err set the rest says nothing.
type (
	// Committed answers Commit.
	Committed struct {
		Ticket Ticket
		Result store.Result
	}
	// Loaded answers Load.
	Loaded struct {
		Ticket Ticket
		Call   call.Call
		Err    error
	}
	// Listed answers List and ListOrphaned.
	Listed struct {
		Ticket Ticket
		Calls  []call.Call
		Err    error
	}
	// ListedRecords answers ListRecords.
	ListedRecords struct {
		Ticket  Ticket
		Records []call.Record
		Err     error
	}
	// ListedChanged answers ListChanged.
	ListedChanged struct {
		Ticket Ticket
		Marks  []store.Mark
		Err    error
	}
	// FoundDue answers FindDue.
	FoundDue struct {
		IDs []call.ID
		Err error
	}
	// Beaten answers Beat.
	Beaten struct {
		Ticket Ticket
		Sent   time.Time // That of the Beat.
		Alive  []string
		Err    error
	}
)

// The other inputs.
type (
	// Heard is a message of another node.
	Heard struct{ Message bus.Message }
	// Subscribed answers Subscribe: messages that are published from here on are heard.
	Subscribed struct{ Ticket Ticket }
	// Reconnected tells that the bus is back, and that messages may have been lost.
	Reconnected struct{}
	// Terminate ends a call for a backend. Request is the shell's; Terminated brings it back.
	Terminate struct {
		Request uint64
		ID      call.ID
	}
	// Woke tells that the time of Node.Deadline has come.
	Woke struct{}
	// Stopping begins a graceful end: every client is asked to connect again, and no new one is
	// taken. The node is done when it has no connection.
	Stopping struct{}
)

func (Opened) input()        {}
func (Received) input()      {}
func (Ponged) input()        {}
func (Closed) input()        {}
func (Committed) input()     {}
func (Loaded) input()        {}
func (Listed) input()        {}
func (ListedRecords) input() {}
func (ListedChanged) input() {}
func (FoundDue) input()      {}
func (Beaten) input()        {}
func (Heard) input()         {}
func (Subscribed) input()    {}
func (Reconnected) input()   {}
func (Terminate) input()     {}
func (Woke) input()          {}
func (Stopping) input()      {}

// Effect is something that a node asks of the shell. Effects are carried out
// in order; those of the store may take as long as they like and are answered
// by an input.
type Effect interface{ effect() }

// The effects on sockets.
type (
	// Send queues a frame on a connection. The shell closes a connection whose
	// queue is full.
	Send struct {
		Conn  ConnID
		Frame *pealv1.ServerFrame
	}
	// Ping sends a WebSocket ping.
	Ping struct{ Conn ConnID }
	// Close closes a connection after what was sent before. Closed follows.
	Close struct {
		Conn   ConnID
		Status int
		Reason string
	}
)

// The effects on the store.
type (
	// Commit makes a change. Commits in flight at the same time may be grouped; one
	// that is patient may wait a little for others to go with.
	Commit struct {
		Ticket  Ticket
		Change  store.Change
		Patient bool
	}
	// Hurry ends the patience of the commits so far: something waits for one.
	Hurry struct{}
	// Load reads one call.
	Load struct {
		Ticket Ticket
		ID     call.ID
	}
	// List reads the calls of an account: store.CallsOf.
	List struct {
		Ticket     Ticket
		Account    call.Account
		EndedSince time.Time
	}
	// ListOrphaned reads live calls of other nodes than those alive, in the order of ids:
	// store.Orphaned.
	ListOrphaned struct {
		Ticket Ticket
		Alive  []string
		After  call.ID
		Limit  int
	}
	// ListRecords reads records of an account: store.Records.
	ListRecords struct {
		Ticket  Ticket
		Account call.Account
		Page    store.Page
	}
	// ListChanged reads what was changed: store.Changed.
	ListChanged struct {
		Ticket Ticket
		Since  time.Time
		After  call.ID
		Limit  int
	}
	// FindDue asks for calls past their deadline: store.Due.
	FindDue struct {
		Now   time.Time
		Limit int
	}
	// Beat keeps this node's lease: store.Beat.
	Beat struct {
		Ticket      Ticket
		Incarnation string
		TTL         time.Duration
		Sent        time.Time
	}
)

// The effects on the bus.
type (
	// Publish sends a message to the other nodes.
	Publish struct{ Message bus.Message }
	// Subscribe and Unsubscribe say for which accounts to hear messages. Subscribed answers
	// Subscribe once it is in effect, unless Unsubscribe comes first. The answer may be lost.
	Subscribe struct {
		Ticket  Ticket
		Account call.Account
	}
	Unsubscribe struct{ Account call.Account }
)

// Terminated answers Terminate: with the call, which has ended by it or before, or with the
// reason why it goes on.
type Terminated struct {
	Request uint64
	Call    *call.Call
	Error   *pealv1.Error
}

// The effects that only tell, for the log: what they say has been decided, or stored.
type (
	// Named says whose connection it is: the token of its hello is good. The hello may yet
	// be refused.
	Named struct {
		Conn   ConnID
		Device call.Device
	}
	// Moved says that a call came to another state by a commit of this node. From is zero
	// for a new call. Nobody changes Call any more.
	Moved struct {
		Call *call.Call
		From call.State
		// CallerPath and CalleePath are what media flow by, where the call became connected and the
		// device is here and has reported it.
		CallerPath, CalleePath pealv1.MediaPath
	}
	// Flows says what media of a connected call flow by at one side, once for each generation.
	Flows struct {
		Call   call.ID
		Device call.Device
		Path   pealv1.MediaPath
	}
)

func (Terminated) effect()   {}
func (Named) effect()        {}
func (Moved) effect()        {}
func (Flows) effect()        {}
func (Send) effect()         {}
func (Ping) effect()         {}
func (Close) effect()        {}
func (Commit) effect()       {}
func (Hurry) effect()        {}
func (Load) effect()         {}
func (List) effect()         {}
func (ListOrphaned) effect() {}
func (ListRecords) effect()  {}
func (ListChanged) effect()  {}
func (FindDue) effect()      {}
func (Beat) effect()         {}
func (Publish) effect()      {}
func (Subscribe) effect()    {}
func (Unsubscribe) effect()  {}
