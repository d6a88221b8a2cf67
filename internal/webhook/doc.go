// Package webhook sends events to backends as Standard Webhooks. It signs them, refuses addresses
// outside of the public internet, and retries each event until it is delivered or dead.
// internal/server starts its Dispatcher. internal/delivery decides when to try which event.
//
// A Dispatcher runs beside the node's loop and reads the outbox itself, so a slow or dead endpoint
// delays no call. A Dispatcher's methods may be called from any goroutine.
package webhook
