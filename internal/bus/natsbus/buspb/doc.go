// Package buspb has the messages of natsbus, generated from bus.proto. Only natsbus uses it; its
// values belong to whoever made them.
package buspb
