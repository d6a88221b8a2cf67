// Package socket is a program's end of a connection to the server. It dials, and carries
// frames both ways; the device machine decides when.
package socket

import (
	"context"
	"fmt"
	"net/http"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// readMost is the largest frame of the server in bytes: a welcome holds the calls of five
// minutes.
const readMost = 4 << 20

// Dialer makes connections.
type Dialer struct {
	// URL is that of the server's WebSocket; its scheme is http or https.
	URL    string
	Client *http.Client
	// Subprotocols are those to offer; protocol.Subprotocols() gives all.
	Subprotocols []string
}

// Socket is one connection. One goroutine at a time may write, and one may read.
type Socket struct {
	conn     *websocket.Conn
	encoding protocol.Encoding
}

// Dial makes a connection. It lasts until Close, or until the context that Serve gets ends.
func (d Dialer) Dial(ctx context.Context) (*Socket, error) {
	conn, _, err := websocket.Dial(ctx, d.URL, &websocket.DialOptions{HTTPClient: d.Client, Subprotocols: d.Subprotocols})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(readMost)
	encoding, ok := protocol.EncodingOf(conn.Subprotocol())
	if !ok {
		_ = conn.CloseNow() // Nobody was spoken to.
		return nil, fmt.Errorf("%s is no server of Peal: it chose the subprotocol %q", d.URL, conn.Subprotocol())
	}
	return &Socket{conn, encoding}, nil
}

// Encode gives the bytes of a command, for Write.
func (s *Socket) Encode(f *pealv1.ClientFrame) ([]byte, error) { return s.encoding.EncodeCommand(f) }

// Write sends what Encode gave.
func (s *Socket) Write(ctx context.Context, message []byte) error {
	kind := websocket.MessageText
	if s.encoding == protocol.Binary {
		kind = websocket.MessageBinary
	}
	return s.conn.Write(ctx, kind, message)
}

// Serve gives each frame of the server with its size in bytes, until the connection or ctx
// ends, or take fails. After that the connection is closed.
func (s *Socket) Serve(ctx context.Context, take func(f *pealv1.ServerFrame, bytes int) error) error {
	defer func() { _ = s.conn.CloseNow() }()
	for {
		_, message, err := s.conn.Read(ctx)
		if err != nil {
			return err
		}
		f, err := s.encoding.DecodeFrame(message)
		if err != nil {
			continue // A server that cannot be understood will be found silent.
		}
		if err := take(f, len(message)); err != nil {
			return err
		}
	}
}

// Close ends the connection by the closing handshake, for which it waits 5 s at most.
func (s *Socket) Close() { _ = s.conn.Close(websocket.StatusNormalClosure, "") } // It is over either way.

// CloseNow ends the connection at once.
func (s *Socket) CloseNow() { _ = s.conn.CloseNow() } // It is over either way.
