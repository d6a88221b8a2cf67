// Package soak runs a server under calls and logins for hours, and holds that it comes back
// to what it was: memory, goroutines, descriptors.
package soak
