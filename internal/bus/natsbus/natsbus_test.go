package natsbus_test

import (
	"testing"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/bus/bustest"
	"github.com/peal-rtc/peal/internal/bus/natsbus"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
)

// open makes a bus that is closed with the test.
func open(t *testing.T, url string) *natsbus.Bus {
	t.Helper()
	b, err := natsbus.Open(t.Context(), natsbus.Config{URL: url, Cluster: "test"})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func TestNATS(t *testing.T) {
	server := natsserver.Start(t)
	bustest.Run(t, func(t *testing.T) bus.Bus { return open(t, server.URL()) })
}
