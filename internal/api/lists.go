package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
)

// page is the part of a list that a request asks for.
type page struct {
	account call.Account
	limit   int
	cursor  string // Empty for the first page.
}

const badCursor = "cursor=%.60s: send the value of next in the answer before"

// pageOf reads the query of a list: limit, cursor, and the fields in more.
func pageOf(w http.ResponseWriter, q *http.Request, more ...string) (p page, query url.Values, ok bool) {
	query, ok = queryOf(w, q, append([]string{"limit", "cursor"}, more...)...)
	if !ok {
		return page{}, nil, false
	}
	p.cursor = query.Get("cursor")
	if query.Has("cursor") && p.cursor == "" {
		// A loop over pages that sends the missing next of the last page would begin again.
		deny(w, protocol.BadRequest, badCursor, p.cursor)
		return page{}, nil, false
	}
	p.limit, ok = limitOf(w, query)
	return p, query, ok
}

// page reads the query of a list of calls or records, whose cursor is the id of a call.
func (b *backend) page(w http.ResponseWriter, q *http.Request, more ...string) (p page, ok bool) {
	p, query, ok := pageOf(w, q, more...)
	if !ok {
		return page{}, false
	}
	p.account = call.Account(query.Get("account"))
	if query.Has("account") && !protocol.ValidAccount(string(p.account), &b.Limits) {
		deny(w, protocol.BadRequest, "%s", protocol.BadAccount(&b.Limits).Message)
		return page{}, false
	}
	if p.cursor != "" && !protocol.ValidCallID(p.cursor) {
		deny(w, protocol.BadRequest, badCursor, p.cursor)
		return page{}, false
	}
	return p, true
}

// seq is the cursor of a list that is ordered by seqs; 0 for the first page.
func (p *page) seq(w http.ResponseWriter) (int64, bool) {
	if p.cursor == "" {
		return 0, true
	}
	seq, err := strconv.ParseInt(p.cursor, 10, 64)
	if err != nil || seq < 1 {
		deny(w, protocol.BadRequest, badCursor, p.cursor)
		return 0, false
	}
	return seq, true
}

// limitOf is how many a page has at most.
func limitOf(w http.ResponseWriter, query url.Values) (limit int, ok bool) {
	text := query.Get("limit")
	if text == "" {
		return pageUsual, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > pageMost {
		deny(w, protocol.BadRequest, "limit=%s: send a number from 1 to %d", text, pageMost)
		return 0, false
	}
	return n, true
}

// replyPage answers with a page of a list, under the name of the list. Items are one more than the page
// has where there is another page, whose cursor is next of the last item of this one.
func replyPage[Item, Shape any](w http.ResponseWriter, name string, items []Item, limit int, shape func(*Item) Shape, next func(*Item) string) {
	shown := min(limit, len(items))
	shapes := make([]Shape, shown)
	for i := range shapes {
		shapes[i] = shape(&items[i])
	}
	answer := map[string]any{name: shapes}
	if len(items) > limit {
		answer["next"] = next(&items[limit-1])
	}
	reply(w, answer)
}
