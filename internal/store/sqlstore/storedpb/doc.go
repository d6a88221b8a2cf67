// Package storedpb has the messages in which sqlstore keeps calls. Nothing else uses
// it, and none of it goes over a network.
package storedpb
