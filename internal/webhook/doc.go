// Package webhook sends events to backends as Standard Webhooks: it signs them, keeps away from
// addresses that are not of the public internet, and tries again until each one is delivered or
// given up. internal/server starts its Dispatcher; what to try when is decided by
// internal/delivery.
//
// It runs beside the node's loop and reads the outbox by itself, so an endpoint that is slow or
// dead holds up no call. A Dispatcher's methods may be called from any goroutine.
package webhook
