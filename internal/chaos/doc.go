// Package chaos kills the built server by kill -9 while many calls of real
// clients are under way, starts it again, and holds all that everybody was told
// to the records in its database. It holds tests alone.
package chaos
