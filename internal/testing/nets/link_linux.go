package nets

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const mtu = 1500

// downPoll is how soon to look again at an interface that cannot be read.
const downPoll = 50 * time.Millisecond

// Link is an interface of a namespace and its way into the internet, through a
// NAT or without one.
type Link struct {
	ns       *Namespace
	internet *Internet
	nat      *NAT
	tun      *os.File
	name     string
	metric   int
	ended    sync.WaitGroup
	cut      atomic.Bool

	mu    sync.Mutex // Guards addrs.
	addrs []netip.Addr
}

// LinkConfig is how a namespace is connected.
type LinkConfig struct {
	// Name is the interface's. Browsers do not count one like "tun0" as real.
	Name string
	// Addrs are its addresses: private ones behind a NAT, else public ones.
	Addrs []netip.Addr
	// NAT may be nil for none.
	NAT *NAT
	// Metric orders the default routes of a namespace that has several links:
	// the lowest is the way for who does not choose.
	Metric int
}

// Connect gives a namespace an interface. What is sent from its addresses goes
// by it, and by the lowest metric what does not say from where.
func Connect(i *Internet, ns *Namespace, c LinkConfig) (*Link, error) {
	l := &Link{ns: ns, internet: i, nat: c.NAT, name: c.Name, metric: c.Metric}
	if err := l.open(); err != nil {
		return nil, err
	}
	err := errors.Join(
		// Browsers would try the link-local address of IPv6.
		ns.IP("link", "set", c.Name, "addrgenmode", "none", "mtu", strconv.Itoa(mtu), "up"),
	)
	for _, addr := range c.Addrs {
		err = errors.Join(err, l.Add(addr))
	}
	if err != nil {
		return nil, errors.Join(err, l.tun.Close())
	}
	if c.NAT != nil {
		i.attach(c.NAT.Public(), l.deliver)
	}
	l.ended.Go(l.run)
	return l, nil
}

// table has the routes of what is sent from the addresses of this interface.
func (l *Link) table() int { return 100 + l.metric }

// open makes the TUN device. It is there for as long as its file is open.
func (l *Link) open() error {
	return l.ns.do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq(l.name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("make the interface %s: %w", l.name, err), unix.Close(fd))
		}
		l.tun = os.NewFile(uintptr(fd), l.name)
		return nil
	})
}

// Close takes the interface away.
func (l *Link) Close() error {
	l.mu.Lock()
	for _, addr := range l.addrs {
		l.detach(addr)
	}
	l.mu.Unlock()
	if l.nat != nil {
		l.internet.attach(l.nat.Public(), nil)
	}
	err := l.tun.Close()
	l.ended.Wait()
	return err
}

// Add gives the interface another address.
func (l *Link) Add(addr netip.Addr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addrs = append(l.addrs, addr)
	if l.nat == nil {
		l.internet.attach(addr, l.deliver)
	}
	return errors.Join(
		l.ns.IP("addr", "add", addr.String()+"/32", "dev", l.name),
		// They are gone when the last address was taken away.
		l.ns.IP("route", "replace", "default", "dev", l.name, "metric", strconv.Itoa(l.metric)),
		l.ns.IP("route", "replace", "default", "dev", l.name, "table", strconv.Itoa(l.table())),
		l.ns.IP("rule", "add", "from", addr.String(), "table", strconv.Itoa(l.table())),
	)
}

// Replace takes all addresses away and gives another, as when a device gets to
// another network by the same interface.
func (l *Link) Replace(addr netip.Addr) error {
	l.mu.Lock()
	var err error
	for _, old := range l.addrs {
		l.detach(old)
		err = errors.Join(err,
			l.ns.IP("addr", "del", old.String()+"/32", "dev", l.name),
			l.ns.IP("rule", "del", "from", old.String()))
	}
	l.addrs = nil
	l.mu.Unlock()
	return errors.Join(err, l.Add(addr))
}

func (l *Link) detach(addr netip.Addr) {
	if l.nat == nil {
		l.internet.attach(addr, nil)
	}
}

// Down takes the interface down, as when a cable is pulled.
func (l *Link) Down() error { return l.ns.IP("link", "set", l.name, "down") }

// Cut swallows everything, which the interface does not show.
func (l *Link) Cut(cut bool) { l.cut.Store(cut) }

// Renumber has the NAT start again behind another public address.
func (l *Link) Renumber(public netip.Addr) {
	l.internet.attach(l.nat.Public(), nil)
	l.nat.Renumber(public)
	l.internet.attach(public, l.deliver)
}

// run takes what comes out of the interface, until that is closed.
func (l *Link) run() {
	for {
		buffer := make([]byte, mtu)
		n, err := l.tun.Read(buffer)
		if err != nil {
			if errors.Is(err, os.ErrClosed) {
				return
			}
			<-time.After(downPoll) // The interface is down.
			continue
		}
		p, ok := Parse(buffer[:n])
		if !ok || !l.Has(p.Src().Addr()) || l.cut.Load() || l.nat != nil && !l.nat.Out(p, time.Now()) {
			continue
		}
		l.internet.send(p)
	}
}

// Has says whether an address is of this interface. What is sent from another
// one gets nowhere, as with most providers (BCP 38).
func (l *Link) Has(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.addrs, addr)
}

// deliver puts a packet into the interface. One that is down takes none, nor
// does one that is closed: it is lost, as it would be elsewhere.
func (l *Link) deliver(p Packet) {
	if l.cut.Load() || l.nat != nil && !l.nat.In(p, time.Now()) {
		return
	}
	_, _ = l.tun.Write(p.Bytes())
}
