// Package admin is the server API of Peal for backends in Go: live calls, ending one, the records
// of calls, and events, by webhooks or by a feed.
//
//	c, err := admin.New(admin.Config{URL: "https://calls.example.com", Key: os.Getenv("PEAL_KEY")})
//	…
//	for call, err := range c.Calls(ctx, admin.CallFilter{Account: "alice"}) {
//		…
//	}
//
// A server has the API when it has a key: see docs/build/server-api.md. A key is for backends alone,
// so this package is not for programs that people run.
//
// Every method takes a context, and returns an *Error where the server refuses. A request that
// is safe to repeat is sent again when the server is busy or stopping, after the pause that the
// server asks for. The package has no dependency beside the standard library. A Client is safe
// for concurrent use.
package admin
