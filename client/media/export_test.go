package media

import (
	"github.com/pion/transport/v5"
	"github.com/pion/webrtc/v4"
)

// Rewire has the calls that follow use another network.
func (p *Phone) Rewire(n transport.Net) (err error) {
	p.engine, err = newEngine(func(s *webrtc.SettingEngine) { s.SetNet(n) })
	return err
}
