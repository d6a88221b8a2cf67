// Package e2e holds no code but tests: real browsers on a real server, through
// the public API alone.
package e2e
