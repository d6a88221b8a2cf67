package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket by which many datagrams go in one call of the system. One
// goroutine receives, any may send.
type socket struct {
	*net.UDPConn
	raw    syscall.RawConn
	take   func(fd uintptr) bool // The method, made once.
	got    *batch
	failed error
}

func newSocket(conn *net.UDPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{UDPConn: conn, raw: raw}
	s.take = s.tryReceive
	return s, nil
}

// receive waits for datagrams.
func (s *socket) receive() (*batch, error) {
	s.got, s.failed = nil, nil
	if err := s.raw.Read(s.take); err != nil {
		return nil, err
	}
	return s.got, s.failed
}

// tryReceive is false when there is nothing. While it is waited for, no batch is held.
func (s *socket) tryReceive(fd uintptr) bool {
	b := newBatch()
	n, err := many(unix.SYS_RECVMMSG, fd, b.arriving[:])
	if err == 0 {
		b.arrived(n)
		s.got = b
		return true
	}
	b.release()
	if err != unix.EAGAIN {
		s.failed = err
	}
	return err != unix.EAGAIN
}

// send sends what is collected in a batch, in its order. What the network does not
// take is lost.
func (s *socket) send(b *batch) {
	b.gather()
	_ = s.raw.Write(b.give) // The socket may be closed.
	b.out = b.out[:0]
}

// calls is what recvmmsg and sendmmsg take: each array has an element for each
// datagram.
type calls struct {
	arriving [batchMost]mmsghdr
	from     [batchMost]unix.RawSockaddrInet6 // Or of IPv4, which is shorter.
	into     [batchMost]unix.Iovec

	leaving [batchMost]mmsghdr
	to      [batchMost]unix.RawSockaddrInet6
	parts   [batchMost]unix.Iovec
	gone    int // How many of leaving are sent, or lost.

	give func(fd uintptr) bool // The method, made once.
}

// mmsghdr is the system's.
type mmsghdr struct {
	unix.Msghdr
	size uint32
}

func (b *batch) prepare() {
	b.give = b.trySend
	for i := range batchMost {
		datagram := b.room(i)[headroom:]
		b.into[i].Base = &datagram[0]
		b.into[i].SetLen(len(datagram))
		b.arriving[i].refer(&b.from[i], &b.into[i])
		b.leaving[i].refer(&b.to[i], &b.parts[i])
	}
}

// refer has a header refer to an address and to one buffer.
func (h *mmsghdr) refer(addr *unix.RawSockaddrInet6, buffer *unix.Iovec) {
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(addr)), unix.SizeofSockaddrInet6
	h.Iov = buffer
	h.SetIovlen(1)
}

// arrived notes what the system has filled in.
func (b *batch) arrived(n int) {
	for i := range n {
		h := &b.arriving[i]
		b.received(i, int(h.size), address(&b.from[i]))
		h.Namelen = unix.SizeofSockaddrInet6
	}
}

// gather prepares what is collected for sending.
func (b *batch) gather() {
	b.gone = 0
	for i, p := range b.out {
		b.leaving[i].Namelen = setAddress(&b.to[i], p.addr)
		b.parts[i].Base = unsafe.SliceData(p.data)
		b.parts[i].SetLen(len(p.data))
	}
}

// trySend is false when the socket takes no more at the moment.
func (b *batch) trySend(fd uintptr) bool {
	for b.gone < len(b.out) {
		n, err := many(unix.SYS_SENDMMSG, fd, b.leaving[b.gone:len(b.out)])
		if err == unix.EAGAIN {
			return false
		}
		if err != 0 {
			n = 1 // That one is lost.
		}
		b.gone += n
	}
	return true
}

// many is recvmmsg or sendmmsg, on a socket that does not block. The scheduler does not
// learn of the call, which costs more than the call of a few datagrams: it would wake a
// thread that watches, and give the processor to another. In return nothing else runs on
// that processor, and no collection of garbage begins, for as long as a batch takes.
func many(call, fd uintptr, heads []mmsghdr) (int, syscall.Errno) {
	for {
		n, _, err := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&heads[0])), uintptr(len(heads)), 0, 0, 0)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}

// address reads the system's form. The zone of a link is its number.
func address(a *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.Port))[:])
	if a.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(a)).Addr), port)
	}
	ip := netip.AddrFrom16(a.Addr)
	if a.Scope_id != 0 {
		ip = ip.WithZone(strconv.FormatUint(uint64(a.Scope_id), 10))
	}
	return netip.AddrPortFrom(ip, port)
}

// setAddress writes the system's form, and gives its size.
func setAddress(a *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	*a = unix.RawSockaddrInet6{}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a.Port))[:], to.Port())
	ip := to.Addr()
	if ip.Is4() {
		a.Family = unix.AF_INET
		(*unix.RawSockaddrInet4)(unsafe.Pointer(a)).Addr = ip.As4()
		return unix.SizeofSockaddrInet4
	}
	a.Family, a.Addr = unix.AF_INET6, ip.As16()
	if zone, err := strconv.ParseUint(ip.Zone(), 10, 32); err == nil {
		a.Scope_id = uint32(zone)
	}
	return unix.SizeofSockaddrInet6
}
