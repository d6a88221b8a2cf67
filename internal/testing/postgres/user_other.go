//go:build !linux

package postgres

import "syscall"

// unprivileged says how to start a program of PostgreSQL.
func unprivileged(...string) (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{}, nil }
