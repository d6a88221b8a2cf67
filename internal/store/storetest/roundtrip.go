package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// Full is a live call of which no field is zero.
func Full() call.Call {
	var full call.Call
	new(filler).fill(reflect.ValueOf(&full).Elem())
	full.Rev, full.State, full.Format = 1, call.Ringing, call.Format
	full.ConnectedAt, full.Outcome.EndedAt = after(70), after(190)
	full.Media.Offer = "v=0\r\na=x:\"\\</script>\u2028é\x00\r\n"
	return full
}

func testRoundTrip(t *testing.T, s store.Store) {
	full := Full()
	create(t, s, full)
	wantCall(t, s, full)

	// Every way to read gives the same.
	live, err := s.Live(t.Context(), "", 9)
	if err != nil {
		t.Fatalf("Live: %v", err)
	}
	wantSame(t, live, []call.Call{full})
	of, err := s.CallsOf(t.Context(), full.Caller().Account, time.Time{})
	if err != nil {
		t.Fatalf("CallsOf: %v", err)
	}
	wantSame(t, of, []call.Call{full})

	// So does an update, and an ended call.
	full.Rev, full.Attachment = 2, "another"
	update(t, s, full)
	wantCall(t, s, full)
	full.Rev, full.State = 3, call.Ended
	update(t, s, full)
	wantCall(t, s, full)

	// And its record.
	record, ok := full.Record()
	if v := reflect.ValueOf(record); ok {
		for field, value := range v.Fields() {
			if value.IsZero() {
				t.Errorf("the record has no %s", field.Name)
			}
		}
	}
	filed, err := s.Records(t.Context(), full.Caller().Account, store.Newest(9))
	if err != nil {
		t.Fatalf("Records: %v", err)
	}
	wantSame(t, filed, []call.Record{record})
}

// filler sets every field of a value to something that is not zero, each to
// something else, so that a field which a store forgets shows.
type filler struct{ n int }

func (f *filler) fill(v reflect.Value) {
	f.n++
	if t, ok := v.Addr().Interface().(*time.Time); ok {
		*t = after(f.n)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text ", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n))
	default:
		panic(fmt.Sprintf("a call has a %s, which this test cannot fill", v.Type()))
	}
}

func testDeepCopy(t *testing.T, s store.Store) {
	make1 := func() call.Call {
		c := ringing(t, "c1", "alice", "bob", 0)
		c.Legs[1].Ringers = []call.Ringer{{Device: call.Device{Account: "bob", ID: "tab"}}}
		return c
	}
	spoil := func(c call.Call) {
		c.Legs[1].Ringers[0].Stopped = true
		c.Legs[0].MediaUp = true
		c.Legs[0].Account = "mallory"
	}
	given := make1()
	create(t, s, given)
	spoil(given)
	wantCall(t, s, make1())

	read, err := s.Call(t.Context(), "c1")
	if err != nil {
		t.Fatalf("Call: %v", err)
	}
	spoil(read)
	wantCall(t, s, make1())

	live, err := s.Live(t.Context(), "", 9)
	wantIDs(t, live, err, "c1")
	spoil(live[0])
	wantCall(t, s, make1())

	of, err := s.CallsOf(t.Context(), "bob", time.Time{})
	wantIDs(t, of, err, "c1")
	spoil(of[0])
	wantCall(t, s, make1())

	next := changed(make1())
	want := changed(make1())
	update(t, s, next)
	spoil(next)
	wantCall(t, s, want)

	create(t, s, ringing(t, "c2", "carol", "dave", 0))
	variant := busy(t, "c3", "erin", "dave", 1)
	commit(t, s, []store.Change{{Call: ringing(t, "c3", "erin", "dave", 1), Busy: variant}},
		store.Result{Verdict: store.CalleeBusy, Holder: "c2"})
	variant.Legs[0].Account = "mallory"
	wantCall(t, s, *busy(t, "c3", "erin", "dave", 1))
	if diff := cmp.Diff(want.Legs, changed(make1()).Legs); diff != "" {
		t.Fatalf("the test spoiled what it wants:\n%s", diff)
	}
}
