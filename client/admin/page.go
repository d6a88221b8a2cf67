package admin

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// filter is the query of a list.
func filter(account string, limit int) url.Values {
	query := url.Values{}
	if account != "" {
		query.Set("account", account)
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	return query
}

// pages lists what a route has, and asks for a page when the loop has gone through the one before.
// A loop over it again begins again.
func pages[P, T any](ctx context.Context, c *Client, path string, query url.Values, items func(P) (page []T, next string)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		asked := url.Values{}
		maps.Copy(asked, query)
		for {
			var page P
			if err := c.do(ctx, request{method: http.MethodGet, path: path, query: asked}, &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			list, next := items(page)
			for _, item := range list {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			asked.Set("cursor", next)
		}
	}
}
