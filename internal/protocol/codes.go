package protocol

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Code is the stable name of an error on the wire.
type Code string

// The catalogue: docs/build/protocol.md lists it, and a test holds the two together.
const (
	BadRequest        Code = "bad_request"
	UnknownCommand    Code = "unknown_command"
	MessageTooLarge   Code = "message_too_large"
	LimitExceeded     Code = "limit_exceeded"
	RateLimited       Code = "rate_limited"
	HelloRequired     Code = "hello_required"
	HelloTimeout      Code = "hello_timeout"
	BadToken          Code = "bad_token"
	TokenExpired      Code = "token_expired"
	TokenRevoked      Code = "token_revoked"
	OtherAccount      Code = "other_account"
	TooManyDevices    Code = "too_many_devices"
	TooManySockets    Code = "too_many_sockets"
	Replaced          Code = "replaced"
	Kicked            Code = "kicked"
	LoggedOut         Code = "logged_out"
	SlowConsumer      Code = "slow_consumer"
	ShuttingDown      Code = "shutting_down"
	Unavailable       Code = "unavailable"
	SelfCall          Code = "self_call"
	BusyElsewhere     Code = "busy_elsewhere"
	CallIDTaken       Code = "call_id_taken"
	NoRelay           Code = "no_relay"
	NoSuchCall        Code = "no_such_call"
	WrongDevice       Code = "wrong_device"
	AlreadyAccepted   Code = "already_accepted"
	AnsweredElsewhere Code = "answered_elsewhere"
	NotAccepted       Code = "not_accepted"
	RingStopped       Code = "ring_stopped"
	StaleGeneration   Code = "stale_generation"
	CallEnded         Code = "call_ended"
)

// entry is what the catalogue says of a code.
type entry struct {
	text  string
	retry bool
}

// catalogue holds the default text of each code and whether the same command
// may succeed later, unchanged.
var catalogue = map[Code]entry{
	BadRequest:        {"the message is not a valid command", false},
	UnknownCommand:    {"the frame holds no command that this server knows", false},
	MessageTooLarge:   {"the message is larger than the server takes", false},
	LimitExceeded:     {"a part of the command is larger than the server takes", false},
	RateLimited:       {"too many requests, try again later", true},
	HelloRequired:     {"the first frame must be hello", false},
	HelloTimeout:      {"no hello arrived in time", true},
	BadToken:          {"the token is not valid here; get a new one from your backend", false},
	TokenExpired:      {"the token has expired; get a new one from your backend", false},
	TokenRevoked:      {"the account was logged out, and this token is not from after that; get a new one from your backend", false},
	OtherAccount:      {"the token is for another account than this connection's", false},
	TooManyDevices:    {"the account has too many devices online", true},
	TooManySockets:    {"too many connections from this address have not said hello", true},
	Replaced:          {"the same device connected again; this connection is over", false},
	Kicked:            {"the account logged in on another device", false},
	LoggedOut:         {"logged out", false},
	SlowConsumer:      {"the client reads too slowly", true},
	ShuttingDown:      {"the server is restarting; connect again", true},
	Unavailable:       {"the server cannot store this now, try again", true},
	SelfCall:          {"an account cannot call itself", false},
	BusyElsewhere:     {"this account is in another call on another device", false},
	CallIDTaken:       {"another call has this id; make a new UUIDv7", false},
	NoRelay:           {"this server has no relay, which the call's ice_policy needs", false},
	NoSuchCall:        {"there is no such call for this account", false},
	WrongDevice:       {"this device is not allowed to do this in this call", false},
	AlreadyAccepted:   {"the call was answered already; hang up to end it", false},
	AnsweredElsewhere: {"another device of this account answered", false},
	NotAccepted:       {"the call is not answered yet", false},
	RingStopped:       {"this device's own ring time-out is over", false},
	StaleGeneration:   {"the call has moved on to another media generation", false},
	CallEnded:         {"the call is over", false},
}

// Codes lists the catalogue in order.
func Codes() []Code { return slices.Sorted(maps.Keys(catalogue)) }

// Error makes the wire form of a code with its text.
func (c Code) Error() *pealv1.Error {
	e := catalogue[c]
	return &pealv1.Error{Code: string(c), Message: e.text, Retry: e.retry}
}

// Because is Error with the particulars after the text.
func (c Code) Because(format string, args ...any) *pealv1.Error {
	e := c.Error()
	e.Message += ": " + fmt.Sprintf(format, args...)
	return e
}

// After is Error with the time after which to try again.
func (c Code) After(d time.Duration) *pealv1.Error {
	e := c.Error()
	e.RetryAfterMs = Millis(d)
	return e
}

// The WebSocket close statuses: whether the client should connect again. The
// close reason is the code.
const (
	CloseRetry = 4000
	// CloseSilent is no status: the connection is cut, since nobody is there to receive it.
	CloseSilent = 0
	CloseFinal  = 4001
)

// Goodbye is the last event of a connection that ends for a reason, with the
// status to close it by.
func (c Code) Goodbye() (f *pealv1.ServerFrame, status int) {
	e := c.Error()
	// A client that connects again gets a fresh token first.
	again := e.Retry || c == TokenExpired
	status = CloseFinal
	if again {
		status = CloseRetry
	}
	return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Goodbye{
		Goodbye: &pealv1.Goodbye{Error: e, Reconnect: again},
	}}, status
}

// Millis is a duration as the wire has it: whole milliseconds, rounded up,
// never negative.
func Millis(d time.Duration) uint32 {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return uint32(min(max(ms, 0), 1<<32-1))
}
