package bus_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/bus/bustest"
	"github.com/peal-rtc/peal/internal/call"
)

func TestMemory(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bus.Bus {
		b := bus.NewMemory()
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return b
	})
}

// TestMemoryIsBounded lets more messages wait for one member than may.
func TestMemoryIsBounded(t *testing.T) {
	const queue, more = 1024, 100
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory()
		free := make(chan struct{})
		var heard []string
		hearer, err := b.Join(func(m bus.Message) {
			<-free
			heard = append(heard, string(m.Device))
		}, nil)
		if err != nil {
			t.Fatalf("Join: %v", err)
		}
		hearer.Subscribe("alice", nil)
		speaker, err := b.Join(func(bus.Message) {}, nil)
		if err != nil {
			t.Fatalf("Join: %v", err)
		}
		publish := func(device string) {
			speaker.Publish(bus.Message{Account: "alice", Device: call.DeviceID(device)})
		}
		publish("first")
		synctest.Wait() // The first is being delivered, so the queue is empty.
		for i := range queue + more {
			publish(fmt.Sprint(i))
		}
		close(free)
		synctest.Wait()
		publish("last")
		synctest.Wait()
		if len(heard) != 1+queue+1 || heard[queue] != fmt.Sprint(queue-1) || heard[queue+1] != "last" {
			t.Errorf("heard %d messages, at last %v; want %d", len(heard), heard[len(heard)-2:], 1+queue+1)
		}
		// The bubble fails unless this ends every goroutine.
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestMemoryCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory()
		free, closed := make(chan struct{}), make(chan struct{})
		hearer, err := b.Join(func(bus.Message) { <-free }, nil)
		if err != nil {
			t.Fatalf("Join: %v", err)
		}
		hearer.Subscribe("alice", nil)
		speaker, err := b.Join(func(bus.Message) {}, nil)
		if err != nil {
			t.Fatalf("Join: %v", err)
		}
		speaker.Publish(bus.Message{Account: "alice"})
		synctest.Wait()
		go func() {
			defer close(closed)
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned while a message was being delivered")
		default:
		}
		close(free)
		<-closed
	})
}
