package socket

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// dial connects to a server that does this with each connection, and speaks these
// subprotocols.
func dial(t *testing.T, speaks []string, serve func(context.Context, *websocket.Conn)) (*Socket, error) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: speaks})
		if err != nil {
			t.Error(err)
			return
		}
		serve(r.Context(), c)
		_ = c.CloseNow()
	}))
	t.Cleanup(s.Close)
	return Dialer{URL: s.URL, Client: s.Client(), Subprotocols: protocol.Subprotocols()}.Dial(t.Context())
}

// Frames go both ways in either encoding; what cannot be read is passed over.
func TestFrames(t *testing.T) {
	for _, encoding := range []protocol.Encoding{protocol.JSON, protocol.Binary} {
		t.Run(encoding.Subprotocol(), func(t *testing.T) {
			got := make(chan uint32, 1)
			s, err := dial(t, []string{encoding.Subprotocol()}, func(ctx context.Context, c *websocket.Conn) {
				kind, message, err := c.Read(ctx)
				limits := protocol.DefaultLimits()
				command, bad := encoding.Decode(message, &limits)
				if err != nil || bad != nil {
					t.Errorf("the server reads %q: %v, %v", message, err, bad)
					return
				}
				got <- command.GetId()
				reply, err := encoding.Encode(&pealv1.ServerFrame{ReplyTo: 7, Body: &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}})
				err = errors.Join(err, c.Write(ctx, kind, []byte("\xff no frame")), c.Write(ctx, kind, reply))
				if err != nil {
					t.Error(err)
				}
				_, _, _ = c.Read(ctx) // Until the client has closed the connection.
			})
			if err != nil {
				t.Fatal(err)
			}
			message, err := s.Encode(&pealv1.ClientFrame{Id: 7, Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}})
			if err == nil {
				err = s.Write(t.Context(), message)
			}
			if err != nil {
				t.Fatal(err)
			}
			if id := <-got; id != 7 {
				t.Errorf("the server read command %d, want 7", id)
			}
			enough := errors.New("enough")
			err = s.Serve(t.Context(), func(f *pealv1.ServerFrame, bytes int) error {
				if f.GetReplyTo() != 7 || bytes == 0 {
					t.Errorf("the client read %v of %d bytes", f, bytes)
				}
				return enough
			})
			if !errors.Is(err, enough) {
				t.Errorf("Serve ended with %v, want what take returned", err)
			}
		})
	}
}

// A server of something else is recognised.
func TestNoServerOfPeal(t *testing.T) {
	_, err := dial(t, nil, func(context.Context, *websocket.Conn) {})
	if err == nil || !strings.Contains(err.Error(), "no server of Peal") {
		t.Errorf("dialing another server: %v", err)
	}
}

// A frame may be as large as a welcome, and no larger.
func TestReadMost(t *testing.T) {
	s, err := dial(t, protocol.Subprotocols(), func(ctx context.Context, c *websocket.Conn) {
		_ = c.Write(ctx, websocket.MessageBinary, make([]byte, readMost+1)) // The client may have left.
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Serve(t.Context(), func(*pealv1.ServerFrame, int) error { t.Error("it was read"); return nil })
	if !errors.Is(err, websocket.ErrMessageTooBig) {
		t.Errorf("a frame of %d bytes: %v, want %v", readMost+1, err, websocket.ErrMessageTooBig)
	}
}
