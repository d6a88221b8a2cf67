// Package auth makes and judges the bearer tokens that name an account.
//
// A token is a JWT signed by HS256 with one of the server's keys, named by its
// header kid. The application's backend makes them; a node judges them at each
// hello. Everything here is immutable once made, so any goroutine may use it,
// and nothing reads a clock: the time is handed in.
package auth
