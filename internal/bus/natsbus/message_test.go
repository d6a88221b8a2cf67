package natsbus

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/bus/natsbus/buspb"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store/stored"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
)

func TestSubject(t *testing.T) {
	seen := make(map[string]call.Account)
	for _, account := range []call.Account{"", "alice", "alice ", "a.b", "*", ">", "\r\n", "名字"} {
		got := subject("c1", account)
		if !regexp.MustCompile(`^peal\.c1\.1\.a\.[A-Za-z0-9_-]{20}$`).MatchString(got) {
			t.Errorf("the subject of %q is %q", account, got)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q have one subject", account, other)
		}
		seen[got] = account
	}
	// Nodes of all releases agree on it.
	if got := subject("c1", "alice"); got != "peal.c1.1.a.K9gGyX8OAK8aH8Myj6dj" {
		t.Errorf("subject %q", got)
	}
}

// aCall is a call that rings.
func aCall(t *testing.T) *call.Call {
	t.Helper()
	c, _, err := call.New(call.Invite{
		ID: "c1", Callee: "bob", Type: call.Video, Offer: "v=0\r\n", Timing: call.DefaultTiming(),
		Caller: call.Device{Account: "alice", ID: "phone", Conn: call.Connection{Incarnation: "n1", Seq: 7}},
	}, time.Unix(1_900_000_000, 5))
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// TestUnreadable: a node drops and counts what it does not understand, and never guesses.
func TestUnreadable(t *testing.T) {
	server := natsserver.Start(t)
	b, err := Open(t.Context(), Config{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	heard, ready := make(chan bus.Message, 10), make(chan struct{})
	m, err := b.Join(func(m bus.Message) { heard <- m }, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Subscribe("bob", func() { close(ready) })
	<-ready

	c := aCall(t)
	body, err := stored.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	alone := *c
	alone.Legs = c.Legs[:1]
	half, err := stored.Encode(&alone)
	if err != nil {
		t.Fatal(err)
	}
	of := func(news ...*buspb.News) *buspb.BusMessage {
		return &buspb.BusMessage{Format: format, Account: "bob", News: news}
	}
	newer := of(&buspb.News{LoggedOut: true})
	newer.Format++
	unreadable := map[string]*buspb.BusMessage{
		"newer":          newer,
		"without format": {Account: "bob", News: newer.News},
		"empty":          of(),
		"of no kind":     of(&buspb.News{}),
		"of two kinds":   of(&buspb.News{LoggedOut: true, Login: &buspb.Login{}}),
		"a broken call":  of(&buspb.News{Call: &buspb.Call{Id: "c1", Body: []byte{1}}}),
		"no id":          of(&buspb.News{Call: &buspb.Call{Body: body}}),
		"one leg":        of(&buspb.News{Call: &buspb.Call{Id: "c1", Body: half}}),
		"a broken frame": of(&buspb.News{Signal: []byte{1}}),
	}
	raw, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	publish := func(in *buspb.BusMessage) {
		data, err := proto.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Publish(subject("peal", "bob"), data); err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range unreadable {
		publish(in)
	}
	if err := raw.Publish(subject("peal", "bob"), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	// One that cannot be read takes none along that travelled with it.
	publish(of(&buspb.News{}, &buspb.News{LoggedOut: true}, &buspb.News{Signal: []byte{1}}))
	if got := <-heard; !got.LoggedOut {
		t.Errorf("heard %+v, want the log-out", got)
	}
	// Of another account, whose hash begins alike.
	publish(&buspb.BusMessage{Format: format, Account: "carol", News: newer.News})
	publish(of(&buspb.News{Call: &buspb.Call{Id: "c1", Body: body}}))
	got := <-heard
	want := *c
	want.Media.Offer = ""
	if diff := cmp.Diff(bus.Message{Account: "bob", Call: &want}, got); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
	if lost := b.Lost(); lost != uint64(len(unreadable)+3) {
		t.Errorf("%d messages count as lost, want %d", lost, len(unreadable)+3)
	}
}

// TestUnencodable: a message that cannot be encoded is lost, and no other one with it.
func TestUnencodable(t *testing.T) {
	good := &bus.Message{Account: "bob", LoggedOut: true}
	broken := &bus.Message{Account: "bob", Signal: &pealv1.ServerFrame{Error: &pealv1.Error{Message: "\xff"}}}
	data, bad := encode([]*bus.Message{broken, good, broken})
	if len(bad) != 2 {
		t.Errorf("errors %v, want two", bad)
	}
	got, unread := decode(data)
	if diff := cmp.Diff([]bus.Message{*good}, got); diff != "" || unread != nil {
		t.Errorf("what is sent (-want +got):\n%s%v", diff, unread)
	}
	if data, bad := encode([]*bus.Message{broken}); data != nil || len(bad) != 1 {
		t.Errorf("encode = %q, %v; want nothing and one error", data, bad)
	}
	if data, bad := encode([]*bus.Message{{Account: "\xff", LoggedOut: true}, good}); data != nil || len(bad) != 2 {
		t.Errorf("encode = %q, %v; want nothing and two errors", data, bad)
	}
}

// TestSizes shows what messages cost.
func TestSizes(t *testing.T) {
	c := aCall(t)
	c.Media.Offer = ""
	for what, m := range map[string]bus.Message{
		"a call":   {Account: "bob", Call: c, Without: call.WithOffer},
		"a login":  {Account: "bob", Login: &bus.Login{Device: c.Caller().Device, At: time.Now(), Connected: time.Now(), Attempt: time.Now()}},
		"a signal": {Account: "bob", Signal: &pealv1.ServerFrame{ReplyTo: 1}},
	} {
		data, bad := encode([]*bus.Message{&m})
		if bad != nil {
			t.Fatal(bad)
		}
		if len(data) > 400 {
			t.Errorf("%s takes %d bytes", what, len(data))
		}
		t.Logf("%s takes %d bytes", what, len(data))
	}
}
