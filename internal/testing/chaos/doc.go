// Package chaos kills a server by kill -9 before and after each commit and each
// message of a call, while many real clients call each other, starts it again, and
// compares all that the clients received with the records in its database. It holds tests
// alone; the server in package victim is the one of `peal serve`.
package chaos
