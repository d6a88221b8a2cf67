package protocol

import (
	"fmt"
	"time"
)

// CallID is a new id of a call, a UUIDv7: the time it is made at, and chance.
func CallID(now time.Time, chance [10]byte) string {
	var b [16]byte
	copy(b[6:], chance[:])
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// ValidCallID tells whether a text is a call id as the wire takes it.
func ValidCallID(s string) bool { return uuid("call_id", s) == nil }
