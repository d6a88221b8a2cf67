//go:build !linux

package natsserver

import "syscall"

// withParent has nothing to say here: a server may outlive a test's process that is killed.
func withParent() *syscall.SysProcAttr { return nil }
