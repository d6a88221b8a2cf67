package main

import "context"

func benchIdle(context.Context, []string) error { return errUsage }
func benchTurn(context.Context, []string) error { return errUsage }
func benchCost(context.Context, []string) error { return errUsage }
