package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/relay"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/ws"
)

// sources are of a server with all parts.
func sources() Sources {
	return Sources{
		Ready: func() bool { return true }, Inbox: func() int { return 3 }, Changes: func() int { return 4 },
		Sockets: func() ws.Counts {
			return ws.Counts{Received: 5, ReceivedBytes: 500, Sent: 6, SentBytes: 600, Refused: 7, Slow: 8}
		},
		Relay: func() relay.Numbers {
			return relay.Numbers{
				Allocations: 9, AllocationsMost: 10, Refused: relay.Refusals{Device: 1, Account: 2, Full: 3, NoPort: 4},
				Traffic: []relay.Traffic{{Transport: relay.TLS, Direction: relay.ToClient, Packets: 11, Bytes: 1100, Dropped: 12}},
			}
		},
		CertificateEnd: func() time.Time { return time.Unix(1_900_000_000, 0) },
		Queues: func() []Queue {
			return []Queue{{"crm", 13, 14 * time.Second, false}, {"old", 15, time.Hour, true}}
		},
		Shared: func() Shared {
			return Shared{
				Pools: []Pool{{"commits", 1, 3}}, Retries: 16, Warnings: 1, Connected: true, Lost: 17,
				MessagesIn: 18, MessagesOut: 19, BytesIn: 20, BytesOut: 21,
			}
		},
	}
}

// text is what a scrape gives.
func text(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// want looks for the lines of a scrape that begin by a name of Peal's, in any order.
func want(t *testing.T, scraped string, lines ...string) {
	t.Helper()
	all := strings.Split(scraped, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			name, _, _ := strings.Cut(line, "{")
			name, _, _ = strings.Cut(name, " ")
			var like []string
			for _, one := range all {
				if strings.HasPrefix(one, name) {
					like = append(like, one)
				}
			}
			t.Errorf("no line\n%s\nbut\n%s", line, strings.Join(like, "\n"))
		}
	}
}

// TestScrape: the names, types and labels of a scrape are those of Table, and Prometheus'
// own linter, as in promtool check metrics, has nothing to say.
func TestScrape(t *testing.T) {
	m := New(false)
	m.Watch(sources())
	exercise(m)
	scraped := text(t, m)
	problems, err := promlint.New(strings.NewReader(scraped)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "peal_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := map[string]string{}, map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "peal_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		got[f.GetName()] = strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, ",")
	}
	for _, one := range Table() {
		labels := slices.Sorted(slices.Values(one.Labels))
		wanted[one.Name] = string(one.Kind) + " " + strings.Join(labels, ",")
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("table against scrape: %s", diff)
	}
	want(t, scraped,
		`peal_ready 1`, `peal_loop_queue_length 3`, `peal_commit_queue_changes 4`,
		`peal_messages_total{direction="in"} 5`, `peal_message_bytes_total{direction="out"} 600`,
		`peal_connections_total{event="refused"} 7`, `peal_connections_total{event="slow"} 9`,
		`peal_relay_allocations 9`, `peal_relay_allocations_limit 10`, `peal_relay_refused_total{why="no_port"} 4`,
		`peal_relay_bytes_total{direction="to_client",transport="tls"} 1100`,
		`peal_relay_dropped_total{direction="to_client",transport="tls"} 12`,
		`peal_certificate_expiry_timestamp_seconds 1.9e+09`,
		`peal_events_lag_seconds 14`, `peal_deliveries_waiting{endpoint="crm"} 13`, `peal_deliveries_waiting{endpoint="old"} 15`,
		`peal_webhook_endpoint_disabled{endpoint="crm"} 0`, `peal_webhook_endpoint_disabled{endpoint="old"} 1`,
		`peal_deliveries_total{endpoint="crm",result="delivered"} 1`, `peal_deliveries_total{endpoint="crm",result="dead"} 1`,
		`peal_webhook_clock_offset_seconds{endpoint="crm"} -61`,
		`peal_store_connections{pool="commits"} 1`, `peal_store_connections_limit{pool="commits"} 3`, `peal_store_retries_total 16`,
		`peal_store_warnings 1`, `peal_bus_connected 1`, `peal_bus_lost_total 17`, `peal_bus_messages_total{direction="out"} 19`,
		`peal_bus_bytes_total{direction="in"} 20`,
	)
	for _, one := range []string{"go_goroutines ", "process_resident_memory_bytes ", "go_memstats_heap_alloc_bytes "} {
		if !strings.Contains(scraped, "\n"+one) {
			t.Errorf("no %s", one)
		}
	}
}

// labelsAllowed are the labels of all metrics. Before you add one, make sure that its
// values are few and name nobody. An endpoint is named by the operator.
var labelsAllowed = []string{
	"code", "command", "direction", "endpoint", "event", "goversion", "kind", "path", "pool", "query", "reason", "result", "state", "transport", "type", "version", "why",
}

// TestLabels: no label names an account, a device, a call or an address, whatever clients
// send, and the number of series stays the same.
func TestLabels(t *testing.T) {
	for _, one := range Table() {
		for _, l := range one.Labels {
			if !slices.Contains(labelsAllowed, l) {
				t.Errorf("%s has the label %s", one.Name, l)
			}
		}
	}
	m := New(false)
	m.Watch(sources())
	for range 3 {
		exercise(m)
	}
	before := strings.Count(text(t, m), "\n")
	for range 3 {
		exercise(m)
	}
	scraped := text(t, m)
	if after := strings.Count(scraped, "\n"); after != before {
		t.Errorf("%d lines became %d", before, after)
	}
	for _, secret := range []string{"alice", "bob", "phone", "192.0.2.", callID, "made up"} {
		if strings.Contains(scraped, secret) {
			t.Errorf("a scrape holds %q", secret)
		}
	}
	value := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for _, found := range value.FindAllStringSubmatch(scraped, -1) {
		if found[1] != "goversion" && found[1] != "version" && found[1] != "le" && !regexp.MustCompile(`^[a-z0-9_.]+$`).MatchString(found[2]) {
			t.Errorf("label %s", found[0])
		}
	}
}

const callID = "019a0000-0000-7000-8000-000000000001"

// exercise has a Metrics count something of everything, with names and codes that clients
// and errors could hold.
func exercise(m *Metrics) {
	m.Tried("crm", delivery.Delivered)
	m.GaveUp("crm")
	m.Clock("crm", -61*time.Second)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	m.Waited(time.Now())
	m.Late(time.Millisecond)
	m.Told(time.Now(), node.Opened{Conn: 1})
	m.Told(time.Now(), node.Received{Conn: 1, Frame: &pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Hello{Hello: &pealv1.Hello{DeviceId: "phone"}}}})
	m.Asked(node.Send{Conn: 1, Frame: &pealv1.ServerFrame{ReplyTo: 1, Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{Account: "alice"}}}})
	m.Told(time.Now(), node.Received{Conn: 1, Frame: &pealv1.ClientFrame{}, Error: protocol.BadRequest.Because("alice")})
	m.Asked(node.Send{Conn: 1, Frame: &pealv1.ServerFrame{Error: &pealv1.Error{Code: "made up by 192.0.2.1"}}})
	for i, code := range []protocol.Code{protocol.Replaced, protocol.Kicked, protocol.SlowConsumer, protocol.HelloTimeout} {
		m.Asked(node.Close{Conn: node.ConnID(i), Status: protocol.CloseFinal, Reason: string(code)})
	}
	m.Asked(node.Close{Conn: 1, Status: protocol.CloseSilent})
	m.Holds(node.Held{Connections: 1, Accounts: 1})
	c := call.Call{
		ID: callID, Rev: 1, State: call.Ringing, Type: call.Video, CreatedAt: now,
		Legs: []call.Leg{{Account: "alice"}, {Account: "bob", Ringers: []call.Ringer{{}, {}}}},
	}
	commit := func(at time.Time, verdict store.Verdict) {
		m.Committed(at, time.Millisecond, []store.Change{{Call: c, From: c.Rev - 1}}, []store.Result{{Verdict: verdict}})
	}
	commit(now, store.Done)
	commit(now, store.Conflict)
	c.Rev, c.State, c.Media.Generation = 2, call.Connecting, 3
	commit(now.Add(4*time.Second), store.Done)
	for range 2 {
		m.Told(time.Now(), node.Received{Conn: 1, Frame: &pealv1.ClientFrame{Id: 2, Quiet: true, Command: &pealv1.ClientFrame_Media{
			Media: &pealv1.MediaReport{CallId: callID, Generation: 3, Up: true, Path: pealv1.MediaPath_MEDIA_PATH_RELAY_TLS},
		}}})
	}
	c.Rev, c.State, c.ConnectedAt = 3, call.Connected, now.Add(5*time.Second)
	commit(now.Add(5*time.Second), store.Done)
	c.Rev, c.State = 4, call.Ended
	c.Outcome = call.Outcome{Reason: call.Completed, Kind: call.KindCompleted, EndedAt: now.Add(65 * time.Second)}
	commit(now.Add(65*time.Second), 0) // Unknown,
	m.Read(now, time.Millisecond, node.Load{ID: callID}, node.Loaded{Call: c}, nil)
	for range 2 { // read back once, and read again.
		m.Read(now, time.Millisecond, node.Load{ID: callID}, node.Loaded{Call: c}, nil)
	}
	m.Read(now, time.Millisecond, node.ListOrphaned{}, node.Listed{}, errors.New("192.0.2.1 is away"))
	m.Read(now, time.Millisecond, node.Load{ID: "bob"}, node.Loaded{Err: store.ErrNotFound}, store.ErrNotFound)
	m.Told(time.Now(), node.Closed{Conn: 1})
}

func TestCounts(t *testing.T) {
	m := New(false)
	m.Watch(sources())
	exercise(m)
	want(t, text(t, m),
		`peal_commands_total{code="ok",command="hello"} 1`,
		`peal_commands_total{code="other",command="unknown"} 1`,
		`peal_commands_total{code="quiet",command="media"} 2`,
		`peal_command_seconds_count{command="hello"} 1`,
		`peal_connections_total{event="open"} 1`, `peal_connections_total{event="closed"} 1`,
		`peal_connections_total{event="replaced"} 1`, `peal_connections_total{event="kicked"} 1`,
		`peal_connections_total{event="dead"} 1`, `peal_connections_total{event="hello_timeout"} 1`,
		`peal_connections 1`, `peal_accounts 1`, `peal_devices 0`,
		`peal_calls_started_total{type="video"} 1`, `peal_call_rings_total{type="video"} 2`,
		`peal_calls_total{kind="completed",reason="completed",type="video"} 1`,
		`peal_calls_live{state="ringing"} 0`, `peal_calls_live{state="connecting"} 0`, `peal_calls_live{state="connected"} 0`,
		`peal_call_answer_seconds_sum{type="video"} 4`, `peal_call_setup_seconds_sum{type="video"} 1`,
		`peal_call_seconds_sum{type="video"} 60`, `peal_call_seconds_count{type="video"} 1`,
		`peal_media_path_total{path="relay_tls",type="video"} 1`,
		`peal_commit_seconds_count 5`, `peal_commit_changes_sum 5`, `peal_commit_unknown_total 1`, `peal_conflicts_total 1`,
		`peal_read_seconds_count{query="load"} 4`, `peal_read_failures_total{query="load"} 0`, `peal_read_failures_total{query="list_orphaned"} 1`,
		`peal_loop_lag_seconds_count 1`, `peal_deadline_late_seconds_count 1`,
	)
	if len(m.calls.live)+len(m.calls.doubtful)+len(m.loop.peers) != 0 {
		t.Errorf("still known: %v %v %v", m.calls.live, m.calls.doubtful, m.loop.peers)
	}
}

// TestBusy: a call to somebody who is busy begins and ends at once; a tombstone is no call.
func TestBusy(t *testing.T) {
	m := New(false)
	m.Watch(sources())
	ended := call.Call{ID: "busy", Rev: 1, State: call.Ended, Type: call.Audio, Outcome: call.Outcome{Reason: call.Busy, Kind: call.KindBusy}}
	live := call.Call{ID: "busy", Rev: 1, State: call.Ringing, Type: call.Audio}
	grave := call.Call{ID: "grave", Rev: 1, State: call.Ended, Outcome: call.Outcome{Reason: call.Cancelled}}
	m.Committed(time.Time{}, 0, []store.Change{{Call: live, Busy: &ended}, {Call: grave}}, []store.Result{{Verdict: store.CalleeBusy}, {Verdict: store.Done}})
	scraped := text(t, m)
	want(t, scraped,
		`peal_calls_total{kind="busy",reason="busy",type="audio"} 1`, `peal_calls_started_total{type="audio"} 1`, `peal_calls_live{state="ringing"} 0`)
	if strings.Contains(scraped, "cancelled") {
		t.Error("a tombstone was counted")
	}
}

// TestLive: calls from before the start are counted once they end, and are live until then.
func TestLive(t *testing.T) {
	m := New(false)
	m.Watch(sources())
	c := call.Call{ID: callID, Rev: 7, State: call.Connecting, Type: call.Audio}
	m.Live([]call.Call{c})
	want(t, text(t, m), `peal_calls_live{state="connecting"} 1`, `peal_calls_started_total{type="audio"} 0`)
	c.Rev, c.State, c.Outcome = 8, call.Ended, call.Outcome{Reason: call.Failed, Kind: call.KindCompleted}
	m.Committed(time.Time{}, 0, []store.Change{{Call: c, From: 7}}, []store.Result{{Verdict: store.Done}})
	want(t, text(t, m), `peal_calls_live{state="connecting"} 0`, `peal_calls_total{kind="completed",reason="failed",type="audio"} 1`)
}

// TestCommandNames: each command of the protocol has its own name.
func TestCommandNames(t *testing.T) {
	f := &pealv1.ClientFrame{}
	fields := f.ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range fields.Len() {
		one := &pealv1.ClientFrame{}
		one.ProtoReflect().Set(fields.Get(i), one.ProtoReflect().NewField(fields.Get(i)))
		if got := commandOf(one); got != string(fields.Get(i).Name()) {
			t.Errorf("%s is called %s", fields.Get(i).Name(), got)
		}
	}
	if got := commandOf(nil); got != "unknown" {
		t.Errorf("nothing is called %s", got)
	}
}

// TestNoAllocation: counting a command and its answer allocates nothing.
func TestNoAllocation(t *testing.T) {
	m := New(false)
	m.Told(time.Now(), node.Opened{Conn: 1})
	var asked node.Input = node.Received{Conn: 1, Frame: &pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}}}
	var answer node.Effect = node.Send{Conn: 1, Frame: &pealv1.ServerFrame{ReplyTo: 1}}
	got := testing.AllocsPerRun(1000, func() {
		m.Waited(time.Now())
		m.Told(time.Now(), asked)
		m.Asked(answer)
		m.Holds(node.Held{Connections: 1})
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestNil: a nil Metrics counts nothing.
func TestNil(*testing.T) {
	var m *Metrics
	exercise(m)
	m.Live(nil)
}
