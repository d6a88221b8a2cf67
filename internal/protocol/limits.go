package protocol

import "time"

// Limits bounds everything that a client can make the server hold or do.
type Limits struct {
	MessageBytes    int           // One WebSocket message.
	Hello           time.Duration // From the connection to a valid hello.
	Write           time.Duration // One message to a socket.
	PingIdle        Pulse         // The server's pings without a live call.
	PingActive      Pulse         // The same while ringing or in a call.
	ClientIdle      Pulse         // What the server asks clients to do, likewise.
	ClientActive    Pulse
	QueueMessages   int     // Messages waiting for one socket.
	QueueBytes      int     // Their size.
	MessageRate     float64 // Commands a second on one socket,
	MessageBurst    int     // and how many at once.
	InvitesPerMin   int     // Invitations a minute of one account,
	PairPerMin      int     // and to one callee.
	RingsPerMin     int     // Invitations a minute that one callee gets, over all callers.
	HellosPerMin    int     // Hellos a minute of one account.
	SignalBytes     int     // Descriptions and candidates that an account sends to others at once, in bytes,
	SignalRate      int     // and how many more each second.
	Devices         int     // Devices of one account.
	SocketsPerAddr  int     // Sockets without a hello, per address or /64.
	SDPBytes        int
	Candidates      int // Per generation and side.
	CandidateBytes  int // Their size.
	AttachmentBytes int
	RecordPage      int // Records in one answer.
	AccountBytes    int
	TokenBytes      int
	RingMin         time.Duration
	RingMax         time.Duration
	// DeclinedPause follows the second rejection in a row of one caller by one
	// callee. Each further one doubles it, up to DeclinedPauseMost; an answered
	// call, or DeclinedPauseMost without another rejection after it, ends it.
	DeclinedPause, DeclinedPauseMost time.Duration
	TokenGrace                       time.Duration // How long after its expiry a token is as good as before.
	Recent                           time.Duration // How long a hello still lists an ended call.
}

// Pulse is a heartbeat: how often, and how long without an answer is dead.
type Pulse struct {
	Every, Dead time.Duration
}

// DefaultLimits are the limits unless configured.
func DefaultLimits() Limits {
	return Limits{
		MessageBytes:    64 << 10,
		Hello:           5 * time.Second,
		Write:           5 * time.Second,
		PingIdle:        Pulse{20 * time.Second, 30 * time.Second},
		PingActive:      Pulse{5 * time.Second, 10 * time.Second},
		ClientIdle:      Pulse{15 * time.Second, 25 * time.Second},
		ClientActive:    Pulse{2 * time.Second, 4 * time.Second},
		QueueMessages:   64,
		QueueBytes:      256 << 10,
		MessageRate:     20,
		MessageBurst:    60,
		InvitesPerMin:   10,
		PairPerMin:      3,
		RingsPerMin:     20,
		HellosPerMin:    60,
		SignalBytes:     256 << 10,
		SignalRate:      8 << 10,
		Devices:         10,
		SocketsPerAddr:  50,
		SDPBytes:        32 << 10,
		Candidates:      64,
		CandidateBytes:  16 << 10,
		AttachmentBytes: 4 << 10,
		RecordPage:      100,
		AccountBytes:    128,
		TokenBytes:      8 << 10,
		RingMin:         time.Second,
		RingMax:         120 * time.Second,
		TokenGrace:      time.Minute,
		Recent:          5 * time.Minute,

		DeclinedPause:     15 * time.Second,
		DeclinedPauseMost: 15 * time.Minute,
	}
}
