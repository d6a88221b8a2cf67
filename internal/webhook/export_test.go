package webhook

import "time"

// Limit bounds each try in place of tryTime.
func (s *Sender) Limit(d time.Duration) { s.limit = d }
