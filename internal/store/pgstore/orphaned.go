package pgstore

import (
	"context"
	"fmt"

	"github.com/peal-rtc/peal/internal/call"
)

// sqlOrphaned goes through the live calls, and reads the bodies of those alone that name a node
// which does not live.
const sqlOrphaned = `
SELECT c.id, c.format, c.body, o.sdp, a.sdp FROM calls c` + sqlDescribed + `
WHERE c.ended_ns IS NULL AND c.id > $1 AND NOT c.nodes <@ $3::text[] ORDER BY c.id LIMIT $2`

// Orphaned implements store.Store.
func (s *Store) Orphaned(ctx context.Context, alive []string, after call.ID, limit int) ([]call.Call, error) {
	if alive == nil {
		alive = []string{} // Nil would be NULL, which compares with nothing.
	}
	calls, err := collect(ctx, s, s.scanCall, sqlOrphaned, string(after), limit, alive)
	if err != nil {
		return nil, fmt.Errorf("read calls of dead nodes: %w", err)
	}
	return calls, nil
}
