// Package call is the state machine of one call: pure, complete, and the only
// place where it is decided what becomes of a call.
package call
