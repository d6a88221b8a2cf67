package device

import "time"

// random is a generator of pseudo-random numbers: mulberry32, which needs only
// 32-bit integers, so that every language computes the same numbers. Its value
// is the state; any seed is good.
type random uint32

// next is the next number.
func (r *random) next() uint32 {
	*r += 0x6d2b79f5
	t := uint32(*r)
	t = (t ^ t>>15) * (t | 1)
	t ^= t + (t^t>>7)*(t|61)
	return t ^ t>>14
}

// below is a duration of whole milliseconds from 0 up to a limit, which it does
// not reach.
func (r *random) below(limit time.Duration) time.Duration {
	return millis(r.next() % uint32(limit.Milliseconds()))
}
