package store

// QueueAtMost lets no more deliveries wait for an endpoint, in place of QueueMost.
func (m *Memory) QueueAtMost(n int) { m.out.most = n }

// SearchAtMost searches no more calls, or events, at a time for an account.
func (m *Memory) SearchAtMost(n int) { m.searchPortion = n }

// Writing says that who commits would wait.
func (m *Memory) Writing() bool {
	if !m.writing.TryLock() {
		return true
	}
	m.writing.Unlock()
	return false
}

// FreshMost is how many deliveries to an endpoint are kept in memory.
const FreshMost = freshMost

// Idle says that no write is under way that a commit would have to wait for.
func (m *Memory) Idle() bool {
	if !m.writing.TryLock() {
		return false
	}
	m.writing.Unlock()
	return true
}
