package device

import (
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Socket names one connection of a device. They are counted up from 1.
type Socket uint64

// Ticket ties a wish of the application to its Answer.
type Ticket uint64

// Input is something that the shell tells a device.
type Input interface{ input() }

// The inputs of the connection. What comes from a socket that is no longer the
// device's is passed over.
type (
	// GotToken answers GetToken. The shell bounds the wait: a token that does not
	// come is an error.
	GotToken struct {
		Token string
		Err   error
	}
	// Opened tells that a socket can be used.
	Opened struct{ Socket Socket }
	// Received is a frame of the server.
	Received struct {
		Socket Socket
		Frame  *pealv1.ServerFrame
	}
	// Closed is the end of a socket, or its failure to open. Nothing of
	// that socket follows it.
	Closed struct{ Socket Socket }
	// Woke tells that the time of Device.Deadline has come.
	Woke struct{}
)

// The inputs of the application. Those with a ticket are answered by one Answer.
type (
	// Login begins a login that lasts until Logout, or until the server ends it.
	Login struct{}
	// Logout ends the call that the device is in, and the login.
	Logout struct{ Ticket Ticket }
	// Stop goes offline without a word, as a program that is killed does.
	Stop struct{}
	// Draft begins a call that is not sent yet: the caller opens a microphone
	// first, which takes a person's time, and no other call rings meanwhile. Its
	// Invite needs no offer.
	Draft struct {
		Ticket Ticket
		Invite *pealv1.Invite
	}
	// Abandon ends a draft without a word: the call could not be made.
	Abandon struct{ Call string }
	// Invite makes a call, or sends the draft of that id. An invitation that was given up while it
	// was a draft is never sent to the server.
	Invite struct {
		Ticket Ticket
		Invite *pealv1.Invite
	}
	// Accept answers the call that rings.
	Accept struct {
		Ticket Ticket
		Accept *pealv1.Accept
	}
	// Reject declines the call that rings. It holds at once.
	Reject struct {
		Ticket Ticket
		Call   string
	}
	// Cancel gives up an invitation. Where the server cannot be reached it holds
	// at once.
	Cancel struct {
		Ticket Ticket
		Call   string
	}
	// Hangup ends the call, whatever it is. It holds at once.
	Hangup struct {
		Ticket Ticket
		Call   string
	}
	// Ask sends any other command, and repeats it until it is answered or
	// requestTimeout is over.
	Ask struct {
		Ticket  Ticket
		Command *pealv1.ClientFrame
	}
	// Mention sends a command that nobody waits for, if there is a connection. It is quiet: its
	// effect arrives as an update, and only a failure gets an answer.
	Mention struct{ Command *pealv1.ClientFrame }
	// Forget gives up waiting for an answer.
	Forget struct{ Ticket Ticket }
	// Probe finds out at once whether the connection is alive.
	Probe struct{}
	// Suspect tells that media does not come any more: the device finds out soon
	// whether the connection is alive, and dials a second one meanwhile.
	Suspect struct{}
	// Leaving tells that the program may be about to end, or to sleep: the server
	// grants a shorter time to come back. A Probe is due if it goes on.
	Leaving struct{}
	// RecordsRemembered is what another program remembers, or remembered before this
	// one was started: those records cause no change again. The account is known by a
	// welcome only, so before the login there is one of these for each account.
	RecordsRemembered struct{ RecordMemory }
	// NetworkChanged tells that there may be another network, or none. A Probe
	// finds out what that means for the connection.
	NetworkChanged struct{}
)

func (GotToken) input()          {}
func (Opened) input()            {}
func (Received) input()          {}
func (Closed) input()            {}
func (Woke) input()              {}
func (Login) input()             {}
func (Logout) input()            {}
func (Stop) input()              {}
func (Invite) input()            {}
func (Accept) input()            {}
func (Reject) input()            {}
func (Cancel) input()            {}
func (Hangup) input()            {}
func (Ask) input()               {}
func (Mention) input()           {}
func (Forget) input()            {}
func (Probe) input()             {}
func (Draft) input()             {}
func (Abandon) input()           {}
func (Leaving) input()           {}
func (RecordsRemembered) input() {}
func (Suspect) input()           {}
func (NetworkChanged) input()    {}

// Effect is something that a device asks of the shell, to be done in order.
type Effect interface{ effect() }

// The effects on the connection.
type (
	// GetToken asks for a bearer token. There is one such question at a time.
	GetToken struct{}
	// Dial opens a socket. It may be the second one, beside that which is in use.
	Dial struct{ Socket Socket }
	// Send writes a frame.
	Send struct {
		Socket Socket
		Frame  *pealv1.ClientFrame
	}
	// Close closes a socket after what was sent before.
	Close struct{ Socket Socket }
)

// The effects on the application.
type (
	// Answer tells what came of a wish. Error may stand beside Update.
	Answer struct {
		Ticket  Ticket
		Update  *pealv1.CallUpdate
		Records *pealv1.RecordList
		Error   *pealv1.Error
	}
	// StateChanged tells of the connection.
	StateChanged struct{ State State }
	// LoggedOut tells that the login is over: no reconnect follows.
	LoggedOut struct{ Error *pealv1.Error }
	// Incoming is a call that rings here, with its offer and ICE servers.
	Incoming struct{ Update *pealv1.CallUpdate }
	// Resumed is a call that went on while this program was started again.
	Resumed struct{ Update *pealv1.CallUpdate }
	// Updated is news of the call, with what it changes for this device; the
	// descriptions and ICE servers count also where nothing changes. Those that
	// come late have the newest snapshot beside them.
	Updated struct {
		Update  *pealv1.CallUpdate
		Changes []Change
	}
	// Ended tells that the call is over for this device. Nothing of it follows,
	// but its record.
	Ended struct {
		Call string
		End  End
	}
	// Candidates are the other side's.
	Candidates struct{ Candidates *pealv1.Candidates }
	// Filed is a record of the account, each once.
	Filed struct{ Record *pealv1.Record }
	// RememberRecords gives what is to be stored for the next program, in place of
	// what was given of that account before.
	RememberRecords struct{ RecordMemory }
	// Failed is what nothing else tells of.
	Failed struct{ Error *pealv1.Error }
)

func (GetToken) effect()        {}
func (Dial) effect()            {}
func (Send) effect()            {}
func (Close) effect()           {}
func (Answer) effect()          {}
func (StateChanged) effect()    {}
func (LoggedOut) effect()       {}
func (Incoming) effect()        {}
func (Resumed) effect()         {}
func (Updated) effect()         {}
func (Ended) effect()           {}
func (Candidates) effect()      {}
func (Filed) effect()           {}
func (RememberRecords) effect() {}
func (Failed) effect()          {}

// State says whether the server can be reached.
type State uint8

const (
	// Offline: not logged in. Left by Login; entered when the login ends.
	Offline State = iota
	// Connecting: also while connecting again. Left by a welcome or a refusal.
	Connecting
	// Online: welcomed. Left when the connection is lost or the login ends.
	Online
)

// Codes of errors that are made here; the others are the server's.
const (
	CodeOffline    = "not_logged_in"
	CodeTimeout    = "request_timeout"
	CodeWrongState = "wrong_state"
	CodeToken      = "token_failed"
	CodeLoggedOut  = "logged_out"
)

// The times of a device.
const (
	// requestTimeout is how long a command waits for its answer, reconnects included.
	requestTimeout = 10 * time.Second
	// lastingRetry is when a command that must arrive is repeated after an
	// error that may pass.
	lastingRetry = time.Second
	// patience is how long a connection may take to be welcomed: one that is
	// stuck is left soon, a slow network gets more time.
	patienceFirst = 4 * time.Second
	patienceMost  = 15 * time.Second
	// The pause before the next attempt is anything up to a limit, which doubles:
	// after an outage not everybody comes back at once.
	pauseFirst = 250 * time.Millisecond
	pauseIdle  = 30 * time.Second
	pauseBusy  = 5 * time.Second
	// renewRetry is when to ask again for a token that could not be had, while the
	// connection lasts.
	renewRetry = 30 * time.Second
	// logoutPatience is how long a logout waits for the server.
	logoutPatience = 2 * time.Second
)
