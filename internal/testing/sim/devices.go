package sim

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Languages says in which language the devices of persons are: there is one machine in
// Go, of package device, and the same one in TypeScript, of web/sdk/src/device.
type Languages string

// All but Go need Config.Worker.
const (
	// Go has all devices in Go. It is the fastest, and the zero value means it.
	Go Languages = "go"
	// TypeScript has all devices in TypeScript.
	TypeScript Languages = "ts"
	// Mixed has a device in three in TypeScript. The seed chooses; what happens is the
	// same as with Go, as long as both machines do the same.
	Mixed Languages = "mixed"
	// Lockstep has all devices in Go, gives each input to a twin in TypeScript as well,
	// and wants the same of both after each step.
	Lockstep Languages = "lockstep"
)

// machine is a device, in whatever language it is.
type machine interface {
	Step(now time.Time, in device.Input) []device.Effect
	Deadline() (at time.Time, ok bool)
	State() device.State
	Account() string
	Call() *pealv1.Call
	Idle() bool
}

// newDevice makes a device in a language that the schedule asks for.
func (w *world) newDevice(name string, c device.Config) machine {
	fail := func(err error) { w.violate("%s: %w", name, err) }
	switch w.cfg.Languages {
	case TypeScript:
		return newScripted(w.cfg.Worker, c, fail)
	case Mixed:
		if w.languages.IntN(3) == 0 {
			w.trace("%s is in TypeScript", name)
			return newScripted(w.cfg.Worker, c, fail)
		}
	case Lockstep:
		return &twins{Device: device.New(c), twin: newScripted(w.cfg.Worker, c, fail), differ: fail}
	case Go:
	}
	return device.New(c)
}

// twins are a device in Go and one in TypeScript that are given the same.
type twins struct {
	*device.Device
	twin   *scripted
	steps  int
	differ func(error)
	// compared are the calls that were the same last: most steps change none.
	compared [2]*pealv1.Call
}

// view is all that one can see of a device after a step.
type view struct {
	Effects  []device.Effect
	Deadline time.Time
	State    device.State
	Account  string
	Call     *pealv1.Call
	Idle     bool
}

func viewOf(m machine, effects []device.Effect) view {
	at, _ := m.Deadline()
	return view{effects, at, m.State(), m.Account(), m.Call(), m.Idle()}
}

// Step gives both the input, and compares their effects and their state.
func (t *twins) Step(now time.Time, in device.Input) []device.Effect {
	t.steps++
	effects := t.Device.Step(now, in)
	want := viewOf(t.Device, effects)
	got := viewOf(t.twin, t.twin.Step(now, in))
	if calls := [2]*pealv1.Call{want.Call, got.Call}; calls == t.compared {
		want.Call, got.Call = nil, nil
	} else {
		t.compared = calls
	}
	if !want.is(got) {
		diff := cmp.Diff(want, got, protocmp.Transform(), cmpopts.EquateEmpty())
		t.differ(fmt.Errorf("step %d: Go and TypeScript differ on %T %+v (-Go +TypeScript):\n%s\nGo: %+v\nTypeScript: %+v",
			t.steps, in, in, diff, want, got))
	}
	return effects
}

// is says whether both views show the same. cmp.Diff would take most of the time of a run.
func (v view) is(other view) bool {
	return slices.EqualFunc(v.Effects, other.Effects, sameEffect) && v.Deadline.Equal(other.Deadline) &&
		v.State == other.State && v.Account == other.Account && proto.Equal(v.Call, other.Call) && v.Idle == other.Idle
}

// sameEffect compares two effects field by field: messages as messages, no changes and
// none of them as the same.
func sameEffect(a, b device.Effect) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Type() != y.Type() {
		return false
	}
	for i := range x.NumField() {
		switch f, g := x.Field(i).Interface(), y.Field(i).Interface(); f := f.(type) {
		case proto.Message:
			if !proto.Equal(f, g.(proto.Message)) {
				return false
			}
		case device.End:
			other := g.(device.End)
			records := proto.Equal(f.Record, other.Record)
			if f.Record, other.Record = nil, nil; f != other || !records {
				return false
			}
		case device.RecordMemory:
			if other := g.(device.RecordMemory); f.Account != other.Account || f.Latest != other.Latest || !maps.Equal(f.Told, other.Told) {
				return false
			}
		case []device.Change:
			if !slices.Equal(f, g.([]device.Change)) {
				return false
			}
		default:
			if f != g {
				return false
			}
		}
	}
	return true
}
