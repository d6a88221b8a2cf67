package main

import "context"

func benchCost(context.Context, []string) error { return errUsage }
