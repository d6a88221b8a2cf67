// Package storedpb has the messages in which durable stores keep calls. Nothing else uses
// it, and none of it goes over a network.
package storedpb
