package media

import (
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/webrtc/v4"
)

// Rewire has the calls that follow use another network.
func (p *Phone) Rewire(n transport.Net) (err error) {
	p.engine, err = newEngine(func(s *webrtc.SettingEngine) { s.SetNet(n) })
	return err
}

// Hurry has ICE give up soon on the calls that follow.
func (p *Phone) Hurry(after time.Duration) (err error) {
	p.engine, err = newEngine(func(s *webrtc.SettingEngine) { s.SetICETimeouts(after/2, after/2, after/10) })
	return err
}
