package ws

import "sync/atomic"

// Counts is what an Endpoint has done since it was made.
type Counts struct {
	// Received and Sent are messages; frames that control a connection do not count.
	Received, ReceivedBytes uint64
	Sent, SentBytes         uint64
	// Refused are requests for a connection that got none.
	Refused uint64
	// Slow are connections that were closed because their queue was full.
	Slow uint64
}

// Counts returns the counts.
func (e *Endpoint) Counts() Counts {
	c := &e.counts
	return Counts{
		Received: c.messagesIn.Load(), ReceivedBytes: c.bytesIn.Load(),
		Sent: c.messagesOut.Load(), SentBytes: c.bytesOut.Load(),
		Refused: c.refused.Load(), Slow: c.slow.Load(),
	}
}

// counts are counted by any goroutine.
type counts struct {
	messagesIn, bytesIn, messagesOut, bytesOut, refused, slow atomic.Uint64
}

func (c *counts) received(bytes int) {
	c.messagesIn.Add(1)
	c.bytesIn.Add(uint64(bytes))
}

// sent counts the messages of one write.
func (c *counts) sent(messages, bytes int) {
	if messages > 0 {
		c.messagesOut.Add(uint64(messages))
		c.bytesOut.Add(uint64(bytes))
	}
}
