// Package buspb has the messages of natsbus, generated from bus.proto. Only natsbus uses it; its
// values belong to the caller that made them.
package buspb
