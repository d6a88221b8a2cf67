package main

import "context"

func benchTurn(context.Context, []string) error { return errUsage }
func benchCost(context.Context, []string) error { return errUsage }
