package call_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
)

// deaf is a call to somebody who blocks the caller, and beside it the same call to somebody who
// is offline.
func deaf(t *testing.T) (deaf, offline *world) {
	deaf, offline = begin(t), begin(t)
	deaf.call.Deaf = true
	return deaf, offline
}

// In every row of the table the callee is a stranger to a deaf call, and to everybody else it
// is what it would be if the callee were offline.
func TestDeaf(t *testing.T) {
	for _, in := range inputs {
		for _, from := range []call.Device{alice, laptop, carol} {
			d, o := deaf(t)
			d.do(in.make(from))
			o.do(in.make(from))
			o.call.Deaf = true
			told := slices.DeleteFunc(o.effects, func(e call.Effect) bool { return e.Account == "bob" })
			if diff := cmp.Diff(o.call, d.call); diff != "" || !slices.Equal(told, d.effects) || !errors.Is(d.err, o.err) {
				t.Errorf("%s of %s: %v %v, want %v %v (-offline +deaf)\n%s", in.name, from.ID, d.effects, d.err, told, o.err, diff)
			}
		}
		for _, from := range []call.Device{bob, phone} {
			d, _ := deaf(t)
			was := d.call
			d.do(in.make(from))
			if in.name == "tick" || in.name == "terminate" { // Of nobody.
				continue
			}
			if diff := cmp.Diff(was, d.call); diff != "" || len(d.effects) > 0 || d.err != nil && !errors.Is(d.err, call.Stranger) {
				t.Errorf("%s of %s, who does not hear the call: %v %v\n%s", in.name, from.ID, d.effects, d.err, diff)
			}
		}
	}
}

// A deaf call ends by itself like any other, with a record that says that the callee has no
// part in it.
func TestDeafEnds(t *testing.T) {
	d, o := deaf(t)
	d.wait(2*time.Minute).want(call.Ended, call.Timeout)
	o.wait(2 * time.Minute)
	got, _ := d.call.Record()
	want, _ := o.call.Record()
	want.Deaf = true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the record (-offline +deaf):\n%s", diff)
	}
	if d.call.Leg("bob") != nil || !d.call.Names("bob") || len(d.call.Members()) != 1 || d.call.Role(bob) != call.Outsider {
		t.Errorf("bob has a part in %+v", d.call)
	}
	for _, e := range d.effects {
		if e.Account == "bob" {
			t.Errorf("bob is told: %+v", e)
		}
	}
	if in, err := d.call.Meet(call.Invite{Caller: bob, Callee: "alice"}); in != nil || err != nil {
		t.Errorf("it meets an invitation of bob by %v, %v", in, err)
	}
}
