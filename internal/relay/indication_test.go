package relay

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
)

// peerAttribute is XOR-PEER-ADDRESS as the library writes it.
type peerAttribute netip.AddrPort

func (p peerAttribute) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

func dataOf(text string) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrData, Value: []byte(text)}
}

// message is what a client sends.
func message(t testing.TB, setters ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

var (
	sent = stun.NewType(stun.MethodSend, stun.ClassIndication)
	v4At = netip.MustParseAddrPort("8.8.8.8:4001")
	v6At = netip.MustParseAddrPort("[2001:4860:4860::8888]:4002")
)

// seeds are indications with what is expected of them: the library gets those that are
// not taken.
func seeds(t testing.TB) map[string]struct {
	p     []byte
	peer  netip.AddrPort
	data  string
	taken bool
} {
	mapped := message(t, sent, peerAttribute(v6At), dataOf("hi"))
	for i, b := range v4At.Addr().As16() {
		mapped[stunHeader+2*attributeHeader+i] = mapped[4+i] ^ b
	}
	raw := func(kind stun.AttrType, value string) stun.Setter {
		return stun.RawAttribute{Type: kind, Value: []byte(value)}
	}
	whole := message(t, sent, peerAttribute(v4At), dataOf("hi"))
	changed := func(at int, to byte) []byte {
		p := bytes.Clone(whole)
		p[at] = to
		return p
	}
	type seed = struct {
		p     []byte
		peer  netip.AddrPort
		data  string
		taken bool
	}
	return map[string]seed{
		"IPv4":                  {whole, v4At, "hi", true},
		"IPv6":                  {message(t, sent, peerAttribute(v6At), dataOf("hello")), v6At, "hello", true},
		"data first":            {message(t, sent, dataOf("hi"), peerAttribute(v4At)), v4At, "hi", true},
		"no bytes of data":      {message(t, sent, peerAttribute(v4At), dataOf("")), v4At, "", true},
		"with a fingerprint":    {message(t, sent, peerAttribute(v4At), dataOf("hi"), stun.Fingerprint), v4At, "hi", true},
		"with its software":     {message(t, sent, stun.NewSoftware("x"), peerAttribute(v4At), dataOf("hi")), v4At, "hi", true},
		"without data":          {p: message(t, sent, peerAttribute(v4At))},
		"without a peer":        {p: message(t, sent, dataOf("hi"))},
		"two peers":             {p: message(t, sent, peerAttribute(v4At), peerAttribute(v6At), dataOf("hi"))},
		"data twice":            {p: message(t, sent, peerAttribute(v4At), dataOf("hi"), dataOf("ho"))},
		"a mapped address":      {p: mapped},
		"a short address":       {p: message(t, sent, raw(stun.AttrXORPeerAddress, "\x00\x01\x00\x00\x00"), dataOf("hi"))},
		"no address":            {p: message(t, sent, raw(stun.AttrXORPeerAddress, "\x00\x01"), dataOf("hi"))},
		"another family":        {p: message(t, sent, raw(stun.AttrXORPeerAddress, "\x00\x03\x00\x00\x00\x00\x00\x00"), dataOf("hi"))},
		"the size of the other": {p: message(t, sent, raw(stun.AttrXORPeerAddress, "\x00\x02\x00\x00\x00\x00\x00\x00"), dataOf("hi"))},
		"not to be ignored":     {p: message(t, sent, peerAttribute(v4At), dataOf("hi"), raw(0x7ff0, ""))},
		"DONT-FRAGMENT":         {p: message(t, sent, peerAttribute(v4At), dataOf("hi"), raw(stun.AttrDontFragment, ""))},
		"signed":                {p: message(t, sent, peerAttribute(v4At), stun.NewShortTermIntegrity("x"), dataOf("hi"))},
		"a request":             {p: message(t, stun.NewType(stun.MethodSend, stun.ClassRequest), peerAttribute(v4At), dataOf("hi"))},
		"a Data indication":     {p: message(t, stun.NewType(stun.MethodData, stun.ClassIndication), peerAttribute(v4At), dataOf("hi"))},
		"another cookie":        {p: changed(4, 0)},
		"too long a size":       {p: changed(3, whole[3]+4)},
		"too short a size":      {p: changed(3, whole[3]-4)},
		"more after it":         {p: append(bytes.Clone(whole), 0)},
		"cut off":               {p: whole[:len(whole)-4]},
		"an attribute too long": {p: changed(len(whole)-5, 200)},
		"half a header":         {p: append(changed(3, whole[3]+2), 0, 0)},
		"short":                 {p: whole[:19]},
		"empty":                 {},
	}
}

func TestIndicated(t *testing.T) {
	for name, c := range seeds(t) {
		peer, data, taken := indicated(c.p)
		if peer != c.peer || string(data) != c.data || taken != c.taken {
			t.Errorf("%s: got %s, %q, %t; want %s, %q, %t", name, peer, data, taken, c.peer, c.data, c.taken)
		}
	}
}

// FuzzIndicated: what is taken, the library reads as the same.
func FuzzIndicated(f *testing.F) {
	for _, c := range seeds(f) {
		f.Add(c.p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		before := bytes.Clone(p)
		peer, data, taken := indicated(p)
		if !bytes.Equal(p, before) {
			t.Fatal("changed")
		}
		if !taken {
			return
		}
		m := &stun.Message{Raw: p}
		if err := m.Decode(); err != nil {
			t.Fatalf("the library refuses it: %v", err)
		}
		for _, a := range m.Attributes {
			if a.Type.Required() && !a.Type.Known() {
				t.Fatalf("the library drops it: %s is not known", a.Type)
			}
		}
		var to stun.XORMappedAddress
		if err := to.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
			t.Fatal(err)
		}
		value, err := m.Get(stun.AttrData)
		if err != nil || m.Type != sent || !bytes.Equal(value, data) ||
			!to.IP.Equal(peer.Addr().AsSlice()) || to.Port != int(peer.Port()) || (to.IP.To4() != nil) != peer.Addr().Is4() {
			t.Fatalf("got %s with %d bytes, the library %s with %d, %v", peer, len(data), to, len(value), err)
		}
	})
}

// FuzzIndicate: the library reads what is written, whatever was there before.
func FuzzIndicate(f *testing.F) {
	f.Add([]byte("hi"), []byte{8, 8, 8, 8}, uint16(4001))
	f.Add([]byte{}, []byte(v6At.Addr().AsSlice()), uint16(0))
	f.Add(make([]byte, datagramMost-1), []byte{0, 0, 0, 0}, uint16(65535))
	f.Add(make([]byte, datagramMost), []byte(v6At.Addr().AsSlice()), uint16(1))
	f.Fuzz(func(t *testing.T, data, ip []byte, port uint16) {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok || len(data) > datagramMost {
			return
		}
		b, from := newBatch(), netip.AddrPortFrom(addr, port)
		for i := range b.room(0) {
			b.space[i] = 0xff
		}
		copy(b.room(0)[headroom:], data)
		b.received(0, len(data), from)
		b.next()
		m := &stun.Message{Raw: b.indicated()}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		var to stun.XORMappedAddress
		if err := to.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
			t.Fatal(err)
		}
		value, err := m.Get(stun.AttrData)
		want := net.IP(addr.Unmap().AsSlice())
		if err != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) || len(m.Raw)%4 != 0 ||
			int(m.Length) != len(m.Raw)-stunHeader || !bytes.Equal(value, data) || !to.IP.Equal(want) || to.Port != int(port) {
			t.Fatalf("got %d bytes from %s, %v; want %d from %s", len(value), to, err, len(data), from)
		}
		if end := m.Raw[len(m.Raw)-(padded(len(data))-len(data)):]; !bytes.Equal(end, make([]byte, len(end))) {
			t.Fatalf("padding of %x", end)
		}
		b.release()
	})
}

// Each indication has a transaction of its own.
func TestTransactions(t *testing.T) {
	b := newBatch()
	defer b.release()
	seen := make(map[[transactionSize]byte]bool)
	b.received(0, 4, v4At)
	for range 5 * batchMost {
		b.taken = 0
		b.next()
		seen[[transactionSize]byte(b.indicated()[8:stunHeader])] = true
	}
	if len(seen) != 5*batchMost {
		t.Errorf("%d transactions", len(seen))
	}
}

// What is joined is everything in its order, in pieces that end with a message.
func TestJoined(t *testing.T) {
	b := newBatch()
	defer b.release()
	var want []byte
	for n := range batchMost {
		p := numbered(n, sizes(n))
		copy(b.room(n)[headroom:], p)
		b.received(n, len(p), v4At)
		b.next()
		if n%3 == 0 {
			b.collect(b.indicated(), v4At)
		} else {
			b.collect(pad(b.framed(0x4000)), v4At)
		}
		want = append(want, b.out[n].data...)
	}
	var got []byte
	for done := 0; done < len(b.out); {
		p, next := b.joined(done, 4000)
		if len(p) > 4000 || next <= done {
			t.Fatalf("%d bytes of messages %d to %d", len(p), done, next)
		}
		got, done = append(got, p...), next
		for rest := p; len(rest) > 0; {
			size := padded(int(binary.BigEndian.Uint16(rest[2:]))) + channelHeader
			if rest[0]>>6 == 0 {
				size = int(binary.BigEndian.Uint16(rest[2:])) + stunHeader
			}
			if size > len(rest) {
				t.Fatalf("cut off: %d of %d bytes", len(rest), size)
			}
			rest = rest[size:]
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}
