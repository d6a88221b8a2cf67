package protocol_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

var update = flag.Bool("update", false, "rewrite the golden messages")

const exampleID = "0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"

// clientGolden holds one message of every command.
func clientGolden() map[string]*pealv1.ClientFrame {
	return map[string]*pealv1.ClientFrame{
		"hello":        {Id: 1, Command: &pealv1.ClientFrame_Hello{Hello: &pealv1.Hello{Token: "header.claims.signature", DeviceId: "d-1", Fresh: true, Resume: true, Client: "peal-js/0.1.0", AttemptAt: timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC))}}},
		"ping":         {Id: 2, Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}},
		"invite":       {Id: 3, Command: &pealv1.ClientFrame_Invite{Invite: &pealv1.Invite{CallId: exampleID, Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: empty, Attachment: `{"room":7}`, RingTimeoutMs: 30000}}},
		"ringing":      {Id: 4, Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{CallId: exampleID, RingTimeoutMs: 20000}}},
		"ring_timeout": {Id: 5, Command: &pealv1.ClientFrame_RingTimeout{RingTimeout: &pealv1.RingTimeout{CallId: exampleID}}},
		"accept":       {Id: 6, Command: &pealv1.ClientFrame_Accept{Accept: &pealv1.Accept{CallId: exampleID, Answer: empty, Generation: 1}}},
		"reject":       {Id: 7, Command: &pealv1.ClientFrame_Reject{Reject: &pealv1.Reject{CallId: exampleID}}},
		"cancel":       {Id: 8, Command: &pealv1.ClientFrame_Cancel{Cancel: &pealv1.Cancel{CallId: exampleID}}},
		"hangup":       {Id: 9, Command: &pealv1.ClientFrame_Hangup{Hangup: &pealv1.Hangup{CallId: exampleID}}},
		"offer":        {Id: 10, Command: &pealv1.ClientFrame_Offer{Offer: &pealv1.Offer{CallId: exampleID, Generation: 2, Sdp: empty}}},
		"answer":       {Id: 11, Command: &pealv1.ClientFrame_Answer{Answer: &pealv1.Answer{CallId: exampleID, Generation: 2, Sdp: empty}}},
		"candidates":   {Id: 12, Command: &pealv1.ClientFrame_Candidates{Candidates: candidates()}},
		"media":        {Id: 13, Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{CallId: exampleID, Generation: 1, Up: true}}},
		"restart":      {Id: 14, Command: &pealv1.ClientFrame_Restart{Restart: &pealv1.Restart{CallId: exampleID, FromGeneration: 1, Rebuild: true}}},
		"tracks":       {Id: 15, Command: &pealv1.ClientFrame_Tracks{Tracks: &pealv1.TrackReport{CallId: exampleID, Tracks: &pealv1.Tracks{Audio: true, AudioMuted: true, Video: true}}}},
		"leaving":      {Id: 16, Command: &pealv1.ClientFrame_Leaving{Leaving: &pealv1.Leaving{}}},
		"authenticate": {Id: 17, Command: &pealv1.ClientFrame_Authenticate{Authenticate: &pealv1.Authenticate{Token: "header.claims.signature"}}},
		"logout":       {Id: 18, Command: &pealv1.ClientFrame_Logout{Logout: &pealv1.Logout{}}},
		"switch_type":  {Id: 19, Command: &pealv1.ClientFrame_SwitchType{SwitchType: &pealv1.SwitchType{CallId: exampleID, Type: pealv1.CallType_CALL_TYPE_VIDEO}}},
		"list_records": {Id: 20, Command: &pealv1.ClientFrame_ListRecords{ListRecords: &pealv1.ListRecords{From: &pealv1.ListRecords_BeforeCall{BeforeCall: exampleID}, Limit: 20}}},
	}
}

// serverGolden holds the answers and events of a typical life.
func serverGolden() map[string]*pealv1.ServerFrame {
	ringing := callSnapshot(pealv1.CallState_CALL_STATE_RINGING, 1)
	ringing.Role = pealv1.Role_ROLE_CALLEE
	ringing.RingRemainingMs = 59_900
	accepted := callSnapshot(pealv1.CallState_CALL_STATE_CONNECTING, 3)
	accepted.Role = pealv1.Role_ROLE_CALLER
	accepted.Callee.Present, accepted.Callee.Epoch = true, 1
	accepted.Callee.Name = "小明"
	ended := callSnapshot(pealv1.CallState_CALL_STATE_ENDED, 7)
	ended.Role = pealv1.Role_ROLE_CALLER
	ended.Callee.Name = "小明"
	ended.Reason, ended.Actor, ended.ActorDevice = pealv1.Reason_REASON_COMPLETED, "bob", "d-2"
	ended.EndedAt = timestamppb.New(time.Date(2030, 1, 2, 3, 5, 5, 0, time.UTC))
	ended.ConnectedForMs = 42_500
	ended.Record = &pealv1.Record{
		CallId: exampleID, Kind: pealv1.RecordKind_RECORD_KIND_COMPLETED, Type: pealv1.CallType_CALL_TYPE_VIDEO,
		Caller: "alice", Callee: "bob", Reason: pealv1.Reason_REASON_COMPLETED,
		CreatedAt: ended.CreatedAt, EndedAt: ended.EndedAt, DurationS: 42,
		Parties: []*pealv1.RecordParty{
			{Account: "alice", Role: pealv1.Role_ROLE_CALLER, Name: "Alice Example", Avatar: "https://example.com/alice.png"},
			{Account: "bob", Role: pealv1.Role_ROLE_CALLEE, Name: "小明"},
		},
	}
	servers := []*pealv1.IceServer{
		{Urls: []string{"stun:192.0.2.1:3478"}},
		{Urls: []string{"turn:192.0.2.1:3478?transport=udp"}, Username: "1893553445:u", Credential: "c"},
	}
	update := func(u *pealv1.CallUpdate) *pealv1.ServerFrame {
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: u}}
	}
	reply := func(id uint32, f *pealv1.ServerFrame) *pealv1.ServerFrame {
		f.ReplyTo = id
		return f
	}
	bye, _ := protocol.Replaced.Goodbye()
	late := reply(8, update(&pealv1.CallUpdate{Call: accepted}))
	late.Error = protocol.AlreadyAccepted.Error()
	return map[string]*pealv1.ServerFrame{
		"welcome": reply(1, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{
			Account: "bob", DeviceId: "d-2", TokenExpiresInMs: 600_000,
			Calls: []*pealv1.CallUpdate{{Call: ringing, Offer: empty, IceServers: servers}},
			Idle:  &pealv1.Heartbeat{EveryMs: 15_000, DeadAfterMs: 25_000}, Active: &pealv1.Heartbeat{EveryMs: 2_000, DeadAfterMs: 4_000},
			RingTimeoutMs: 60_000, MaxRingTimeoutMs: 120_000,
			LoginAt: timestamppb.New(time.Date(2030, 1, 2, 3, 4, 0, 123_456_789, time.UTC)),
		}}}),
		"pong":         reply(2, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}}),
		"done":         reply(12, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Done{Done: &pealv1.Done{}}}),
		"ringing":      update(&pealv1.CallUpdate{Call: ringing, Offer: empty, IceServers: servers}),
		"accepted":     update(&pealv1.CallUpdate{Call: accepted, Answer: empty}),
		"ended":        update(&pealv1.CallUpdate{Call: ended}),
		"merged":       reply(3, update(&pealv1.CallUpdate{Call: accepted, Offer: empty, IceServers: servers, MergedInto: exampleID})),
		"late_cancel":  late,
		"rate_limited": reply(3, &pealv1.ServerFrame{Error: protocol.RateLimited.After(20 * time.Second)}),
		"candidates":   {Body: &pealv1.ServerFrame_Candidates{Candidates: candidates()}},
		"goodbye":      bye,
		"records":      reply(20, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Records{Records: &pealv1.RecordList{Records: []*pealv1.Record{ended.Record}, More: true}}}),
	}
}

func callSnapshot(state pealv1.CallState, rev uint32) *pealv1.Call {
	caller := &pealv1.Party{
		Account: "alice", Uid: 1234567, Present: true, Epoch: 1, Tracks: &pealv1.Tracks{Audio: true, Video: true},
		Role: pealv1.Role_ROLE_CALLER, Name: "Alice Example", Avatar: "https://example.com/alice.png",
	}
	callee := &pealv1.Party{Account: "bob", Uid: 7654321, Tracks: &pealv1.Tracks{}, Role: pealv1.Role_ROLE_CALLEE}
	return &pealv1.Call{
		CallId: exampleID, Rev: rev, State: state, Type: pealv1.CallType_CALL_TYPE_VIDEO,
		Caller: caller, Callee: callee, Parties: []*pealv1.Party{caller, callee},
		Attachment: `{"room":7}`, Generation: 1, RebuildGeneration: 1,
		CreatedAt: timestamppb.New(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
}

func candidates() *pealv1.Candidates {
	return &pealv1.Candidates{CallId: exampleID, Generation: 1, Candidates: []*pealv1.Candidate{
		{Candidate: "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host", SdpMid: new("0"), SdpMLineIndex: proto.Uint32(0), UsernameFragment: new("abcd")},
		{SdpMid: new("0")},
	}}
}

// golden compares a message's text with its file.
func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

func TestClientGolden(t *testing.T) {
	limits := protocol.DefaultLimits()
	for name, f := range clientGolden() {
		text, err := protocol.EncodeCommand(f)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "client_"+name, text)
		back, bad := protocol.Decode(text, &limits)
		if bad != nil {
			t.Errorf("%s is refused: %s", name, bad.Message)
		}
		if diff := cmp.Diff(f, back, protocmp.Transform()); diff != "" {
			t.Errorf("%s does not survive (-want +got):\n%s", name, diff)
		}
	}
}

// Every command has a golden message, so that a new one cannot go without.
func TestEveryCommandHasAGolden(t *testing.T) {
	commands := (&pealv1.ClientFrame{}).ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range commands.Len() {
		if name := string(commands.Get(i).Name()); clientGolden()[name] == nil {
			t.Errorf("command %s has no golden message", name)
		}
	}
}

func TestServerGolden(t *testing.T) {
	for name, f := range serverGolden() {
		text, err := protocol.Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "server_"+name, text)
		back, err := protocol.DecodeFrame(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, back, protocmp.Transform()); diff != "" {
			t.Errorf("%s does not survive (-want +got):\n%s", name, diff)
		}
	}
}

// What a newer server adds is ignored by a client.
func TestClientsIgnoreTheUnknown(t *testing.T) {
	f, err := protocol.DecodeFrame([]byte(`{"call":{"call":{"callId":"x","state":"CALL_STATE_FROM_TOMORROW","tomorrow":1}},"more":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.GetCall().GetCall(); got.CallId != "x" || got.State != pealv1.CallState_CALL_STATE_UNSPECIFIED {
		t.Errorf("got %v", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	limits := protocol.DefaultLimits()
	id := exampleID
	tests := []struct {
		name, text, code, says string
		id                     uint32
	}{
		{"no JSON", `hello`, "bad_request", "", 0},
		{"an array", `[]`, "bad_request", "", 0},
		{"no id", `{"ping":{}}`, "bad_request", "id must be", 0},
		{"no command", `{"id":4}`, "unknown_command", "", 4},
		{"an unknown command", `{"id":4,"dance":{}}`, "unknown_command", "dance", 4},
		{"an unknown field", `{"id":4,"ping":{"loud":true}}`, "bad_request", "loud", 4},
		{"two commands", `{"id":4,"ping":{},"leaving":{}}`, "bad_request", "", 4},
		{"a wrong type", `{"id":4,"cancel":{"callId":7}}`, "bad_request", "", 4},
		{"an unknown call type", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":"CALL_TYPE_SMELL","offer":"v=0"}}`, "bad_request", "CALL_TYPE_SMELL", 4},
		{"a call type by an unknown number", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":9,"offer":"v=0"}}`, "bad_request", "type 9", 4},
		{"no call type", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","offer":"v=0"}}`, "bad_request", "type is missing", 4},
		{"an id in capitals", `{"id":4,"hangup":{"callId":"` + strings.ToUpper(id) + `"}}`, "bad_request", "UUIDv7", 4},
		{"a version 4 id", `{"id":4,"hangup":{"callId":"0192d3c4-5e6f-4a8b-9c0d-1e2f3a4b5c6d"}}`, "bad_request", "UUIDv7", 4},
		{"no callee", `{"id":4,"invite":{"callId":"` + id + `","type":1,"offer":"v=0"}}`, "bad_request", "callee", 4},
		{"a callee with a control character", `{"id":4,"invite":{"callId":"` + id + `","callee":"b\nb","type":1,"offer":"v=0"}}`, "bad_request", "callee", 4},
		{"no offer", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":1}}`, "bad_request", "offer is missing", 4},
		{"an offer that is none", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":1,"offer":"hi"}}`, "bad_request", "offer", 4},
		{"a long offer", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":1,"offer":"v=0` + strings.Repeat("x", limits.SDPBytes) + `"}}`, "limit_exceeded", "offer", 4},
		{"a long attachment", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":1,"offer":"v=0","attachment":"` + strings.Repeat("x", limits.AttachmentBytes+1) + `"}}`, "limit_exceeded", "attachment", 4},
		{"a long ring time-out", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":1,"offer":"v=0","ringTimeoutMs":120001}}`, "limit_exceeded", "120000", 4},
		{"a short ring time-out", `{"id":4,"ringing":{"callId":"` + id + `","ringTimeoutMs":999}}`, "limit_exceeded", "1000", 4},
		{"many candidates", `{"id":4,"candidates":{"callId":"` + id + `","generation":1,"candidates":[` + strings.Repeat(`{},`, limits.Candidates) + `{}]}}`, "limit_exceeded", "candidates", 4},
		{"large candidates", `{"id":4,"candidates":{"callId":"` + id + `","generation":1,"candidates":[{"candidate":"` + strings.Repeat("x", limits.CandidateBytes+1) + `"}]}}`, "limit_exceeded", "candidates", 4},
		{"a candidate that is none", `{"id":4,"candidates":{"callId":"` + id + `","generation":1,"candidates":[{"candidate":"candidate:1 1 udp x 192.0.2.7 9 typ host"}]}}`, "bad_request", "candidate 1", 4},
		{"a candidate of no known kind", `{"id":4,"candidates":{"callId":"` + id + `","generation":1,"candidates":[{},{"candidate":"candidate:1 1 udp 1 192.0.2.7 9 typ guest"}]}}`, "bad_request", "candidate 2", 4},
		{"an acceptance with a candidate that is none", `{"id":4,"accept":{"callId":"` + id + `","generation":1,"answer":"v=0","candidates":[{"candidate":"x"}]}}`, "bad_request", "candidate 1", 4},
		{"a quiet invitation", `{"id":4,"quiet":true,"invite":{"callId":"` + id + `","callee":"bob","type":1,"offer":"v=0"}}`, "bad_request", "may be quiet", 4},
		{"a quiet restart", `{"id":4,"quiet":true,"restart":{"callId":"` + id + `","fromGeneration":1}}`, "bad_request", "may be quiet", 4},
		{"an unknown path", `{"id":4,"media":{"callId":"` + id + `","generation":1,"up":true,"path":77}}`, "bad_request", "path 77", 4},
		{"an unknown policy", `{"id":4,"invite":{"callId":"` + id + `","callee":"bob","type":1,"offer":"v=0","icePolicy":7}}`, "bad_request", "ice_policy 7", 4},
		{"no tracks", `{"id":4,"tracks":{"callId":"` + id + `"}}`, "bad_request", "tracks", 4},
		{"no token", `{"id":4,"hello":{"deviceId":"d"}}`, "bad_request", "token", 4},
		{"no device", `{"id":4,"hello":{"token":"t"}}`, "bad_request", "device_id", 4},
		{"a device with a slash", `{"id":4,"hello":{"token":"t","deviceId":"a/b"}}`, "bad_request", "device_id", 4},
		{"a long token", `{"id":4,"hello":{"deviceId":"d","token":"` + strings.Repeat("x", limits.TokenBytes+1) + `"}}`, "limit_exceeded", "token", 4},
		{"resume without fresh", `{"id":4,"hello":{"token":"t","deviceId":"d","resume":true}}`, "bad_request", "resume", 4},
		{"a login from nowhere in time", `{"id":4,"hello":{"token":"t","deviceId":"d","loginAt":"1901-01-01T00:00:00Z"}}`, "bad_request", "login_at must be between", 4},
		{"a switch to no type", `{"id":4,"switchType":{"callId":"` + id + `"}}`, "bad_request", "type is missing", 4},
		{"a switch without a call", `{"id":4,"switchType":{"type":1}}`, "bad_request", "UUIDv7", 4},
		{"a large page of records", `{"id":4,"listRecords":{"limit":101}}`, "limit_exceeded", "at most 100", 4},
		{"records before a time that does not count", `{"id":4,"listRecords":{"before":"9999-01-01T00:00:00Z"}}`, "bad_request", "before must be", 4},
		{"records after no id", `{"id":4,"listRecords":{"afterCall":"x"}}`, "bad_request", "after_call must be", 4},
		{"records from two places", `{"id":4,"listRecords":{"afterCall":"` + id + `","beforeCall":"` + id + `"}}`, "bad_request", "", 4},
		{"a large message", `{"id":4,"ping":{}}` + strings.Repeat(" ", limits.MessageBytes), "message_too_large", "at most 65536", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, bad := protocol.Decode([]byte(tt.text), &limits)
			if bad == nil {
				t.Fatal("taken")
			}
			if bad.Code != tt.code || !strings.Contains(bad.Message, tt.says) || f.Id != tt.id {
				t.Errorf("got %s %q for id %d, want %s with %q for id %d", bad.Code, bad.Message, f.Id, tt.code, tt.says, tt.id)
			}
		})
	}
}

// docs/build/protocol.md lists the catalogue as it is.
func TestCatalogueIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/build/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range protocol.Codes() {
		e := c.Error()
		if e.Message == "" {
			t.Errorf("%s has no text", c)
		}
		retry := "no"
		if e.Retry {
			retry = "yes"
		}
		if row := "| `" + string(c) + "` | " + e.Message + " | " + retry + " |"; !strings.Contains(string(doc), row) {
			t.Errorf("docs/build/protocol.md lacks the row\n%s", row)
		}
	}
}
