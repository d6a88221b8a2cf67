package chaos_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// owns says whether the running process of a server has the TCP socket with an address of its own.
func (s *server) owns(addr string) bool {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false
	}
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	b := at.Addr().As4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], at.Port())
	for line := range strings.Lines(string(sockets)) {
		if f := strings.Fields(line); len(f) > 9 && f[1] == local {
			return s.hasFile("socket:[" + f[9] + "]")
		}
	}
	return false
}

// hasFile says whether the process has a file open.
func (s *server) hasFile(name string) bool {
	s.mu.Lock()
	pid := s.process.Process.Pid
	s.mu.Unlock()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		if to, err := os.Readlink(file); err == nil && to == name {
			return true
		}
	}
	return false
}
