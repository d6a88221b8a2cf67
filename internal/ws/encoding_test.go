package ws

import (
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Encodings: each connection speaks what it was made for, both ways, and a
// message of the other kind is refused and answered.
func (m mode) Encodings(t *testing.T) {
	tests := []struct {
		offers      []string
		encoding    protocol.Encoding
		kind, other websocket.MessageType
	}{
		{[]string{protocol.Subprotocol}, protocol.JSON, websocket.MessageText, websocket.MessageBinary},
		{[]string{protocol.BinarySubprotocol}, protocol.Binary, websocket.MessageBinary, websocket.MessageText},
		{protocol.Subprotocols(), protocol.Binary, websocket.MessageBinary, websocket.MessageText},
		{[]string{"chat", protocol.Subprotocol, protocol.BinarySubprotocol}, protocol.Binary, websocket.MessageBinary, websocket.MessageText},
		{[]string{strings.ToUpper(protocol.BinarySubprotocol)}, protocol.Binary, websocket.MessageBinary, websocket.MessageText},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.offers, ", "), func(t *testing.T) {
			b := m.start(t)
			socket, _, err := b.dialBy(nil, tt.offers...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = socket.CloseNow() }()
			c := b.told.next(t, "opened").conn
			if !strings.EqualFold(socket.Subprotocol(), tt.encoding.Subprotocol()) {
				t.Fatalf("the server chose %s", socket.Subprotocol())
			}
			message, err := tt.encoding.EncodeCommand(&pealv1.ClientFrame{Id: 7, Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := socket.Write(t.Context(), tt.kind, message); err != nil {
				t.Fatal(err)
			}
			if e := b.told.next(t, "received"); e.frame.GetId() != 7 || e.bad != nil {
				t.Errorf("received %v, %v", e.frame, e.bad)
			}
			if err := socket.Write(t.Context(), tt.other, message); err != nil {
				t.Fatal(err)
			}
			if e := b.told.next(t, "received"); !proto.Equal(e.bad, tt.encoding.WrongKind()) || !strings.Contains(e.bad.Message, tt.encoding.Subprotocol()) {
				t.Errorf("the other kind: %v", e.bad)
			}
			c.Send(pong())
			kind, answer, err := socket.Read(t.Context())
			if err != nil || kind != tt.kind {
				t.Fatalf("read a message of kind %v, %v", kind, err)
			}
			if f, err := tt.encoding.DecodeFrame(answer); err != nil || !proto.Equal(f, pong()) {
				t.Errorf("read %v, %v", f, err)
			}
		})
	}
}
