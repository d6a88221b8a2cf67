// Package storedpb has the messages in which durable stores keep calls. Nothing but package stored
// uses it. Nodes send each other calls in the same form.
package storedpb
