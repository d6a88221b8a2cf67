package ws

import (
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// mode is how connections are served. What it can do is the suite that both ways pass.
type mode struct{ polled bool }

// TestSuite is one suite for both ways to serve a connection.
func TestSuite(t *testing.T) {
	modes := map[string]mode{"goroutines": {}}
	if runtime.GOOS == "linux" {
		modes["poller"] = mode{polled: true}
	}
	suite := reflect.TypeFor[mode]()
	if suite.NumMethod() < 30 {
		t.Fatalf("the suite has %d tests: where are the others?", suite.NumMethod())
	}
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			for method := range suite.Methods() {
				t.Run(method.Name, func(t *testing.T) {
					method.Func.Call([]reflect.Value{reflect.ValueOf(m), reflect.ValueOf(t)})
				})
			}
		})
	}
}

// pump has a goroutine serve the connections of a Poller, for the length of a test.
func pump(t *testing.T, h Handler) (p *Poller, stop func()) {
	t.Helper()
	p, err := NewPoller(h)
	if err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !over.Load() {
			p.Wait(time.Time{})
		}
	}()
	return p, func() {
		over.Store(true)
		p.Wake()
		<-done
		p.Close()
	}
}
