package media

import (
	"net"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// An address that the other side cannot send to is no candidate.
func TestCandidatesCanBeReached(t *testing.T) {
	for address, want := range map[string]bool{
		"192.0.2.1": true, "169.254.1.1": true, "2001:db8::1": true, "fd00::1": true, "fe80::1": false,
	} {
		if got := reaches(net.ParseIP(address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	engine, err := newEngine()
	if err != nil {
		t.Fatal(err)
	}
	pc, err := engine.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	if _, err := pc.CreateDataChannel("any", nil); err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	hosts := 0
	for _, stat := range pc.GetStats() {
		c, ok := stat.(webrtc.ICECandidateStats)
		if !ok || c.Type != webrtc.StatsTypeLocalCandidate {
			continue
		}
		hosts++
		if ip := net.ParseIP(strings.Split(c.IP, "%")[0]); !reaches(ip) {
			t.Errorf("%s is a candidate", c.IP)
		}
	}
	if hosts == 0 {
		t.Error("there is no candidate")
	}
}
