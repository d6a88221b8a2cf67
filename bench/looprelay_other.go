//go:build !linux

package main

import (
	"context"
	"errors"
)

func serveLoopRelay(context.Context, []string) error {
	return errors.New("the relay with an event loop needs Linux")
}
