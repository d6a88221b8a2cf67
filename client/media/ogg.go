package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Ogg (RFC 3533) with Opus in it (RFC 7845).

const (
	oggHeader = 27
	oggMagic  = "OggS"
	// Flags of a page.
	oggContinued = 1
	oggFirst     = 2
	oggLast      = 4
	// oggPacketMost bounds a packet of a file; the longest Opus packet has 61,440
	// octets (RFC 7845 section 6).
	oggPacketMost = 1 << 20
)

var errOgg = errors.New("media: this is no Ogg file with Opus")

// oggReader reads the packets of the first Opus stream of a file.
type oggReader struct {
	in      *bufio.Reader
	serial  uint32
	begun   bool
	sizes   []byte // What is left of the page's table of segments.
	foreign bool   // The page is of another stream.
	time    time.Duration
}

func newOggReader(in io.Reader) (*oggReader, error) {
	r := &oggReader{in: bufio.NewReader(in)}
	head, err := r.packet()
	if err != nil || !bytes.HasPrefix(head, []byte("OpusHead")) {
		return nil, errOgg
	}
	if _, err := r.packet(); err != nil { // Tags.
		return nil, errOgg
	}
	return r, nil
}

// next gives a frame, and io.EOF after the last one.
func (r *oggReader) next() (Frame, error) {
	data, err := r.packet()
	if err != nil {
		return Frame{}, err
	}
	length, err := opusDuration(data)
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Data: data, Time: r.time}
	r.time += length
	return f, nil
}

// packet puts together the segments of one packet, which may go over pages.
func (r *oggReader) packet() ([]byte, error) {
	var packet []byte
	for {
		for len(r.sizes) == 0 {
			if err := r.page(); err != nil {
				if len(packet) > 0 && errors.Is(err, io.EOF) {
					return nil, io.ErrUnexpectedEOF
				}
				return nil, err
			}
		}
		size := int(r.sizes[0])
		r.sizes = r.sizes[1:]
		if r.foreign {
			if _, err := r.in.Discard(size); err != nil {
				return nil, unexpected(err)
			}
			continue
		}
		if len(packet)+size > oggPacketMost {
			return nil, errOgg
		}
		segment := make([]byte, size)
		if _, err := io.ReadFull(r.in, segment); err != nil {
			return nil, unexpected(err)
		}
		packet = append(packet, segment...)
		if size < 255 {
			return packet, nil
		}
	}
}

// page reads the head of a page.
func (r *oggReader) page() error {
	var h [oggHeader]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return err
	}
	if string(h[:4]) != oggMagic {
		return errOgg
	}
	serial := binary.LittleEndian.Uint32(h[14:])
	if !r.begun {
		r.begun, r.serial = true, serial
	}
	r.foreign = serial != r.serial
	r.sizes = make([]byte, h[26])
	_, err := io.ReadFull(r.in, r.sizes)
	return unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// oggWriter writes frames into an Ogg file. Where some are missing it puts
// silence, so that what follows is heard at its time.
type oggWriter struct {
	out      io.Writer
	sequence uint32
	samples  uint64 // At 48 kHz, up to the end of what is held.
	held     []byte // A packet that waits for the next one: the last page has a flag.
}

const oggSerial = 0x5065616c

func newOggWriter(out io.Writer) (*oggWriter, error) {
	w := &oggWriter{out: out}
	head := []byte("OpusHead")
	head = append(head, 1, 2)                                   // Version, channels.
	head = binary.LittleEndian.AppendUint16(head, 0)            // Pre-skip: the call was on before.
	head = binary.LittleEndian.AppendUint32(head, opusRate)     // Of the original.
	head = append(binary.LittleEndian.AppendUint16(head, 0), 0) // Gain, mapping.
	if err := w.page(head, oggFirst); err != nil {
		return nil, err
	}
	tags := append([]byte("OpusTags"), 4, 0, 0, 0)
	tags = append(tags, streamName...)
	return w, w.page(append(tags, 0, 0, 0, 0), 0)
}

func (w *oggWriter) write(f Frame) error {
	length, err := opusDuration(f.Data)
	if err != nil {
		return nil // What is no Opus cannot be played: a gap.
	}
	const tick = 20 * time.Millisecond
	for w.elapsed()+2*tick < f.Time {
		if err := w.put(Silence(), tick); err != nil {
			return err
		}
	}
	return w.put(f.Data, length)
}

func (w *oggWriter) elapsed() time.Duration {
	return time.Duration(w.samples) * time.Second / opusRate
}

// put writes the packet before, and holds this one.
func (w *oggWriter) put(packet []byte, length time.Duration) error {
	if w.held != nil {
		if err := w.page(w.held, 0); err != nil {
			return err
		}
	}
	w.held = packet
	w.samples += uint64(length) * opusRate / uint64(time.Second)
	return nil
}

func (w *oggWriter) close() error {
	if w.held == nil {
		w.held = Silence()
		w.samples += opusRate / 50
	}
	return w.page(w.held, oggLast)
}

// page writes one packet as a page of its own, which a crash leaves readable.
func (w *oggWriter) page(packet []byte, flags byte) error {
	segments := len(packet)/255 + 1
	if segments > 255 {
		return fmt.Errorf("media: a packet of %d octets is no Opus", len(packet))
	}
	p := make([]byte, oggHeader, oggHeader+segments+len(packet))
	copy(p, oggMagic)
	p[5] = flags
	if w.sequence > 1 {
		binary.LittleEndian.PutUint64(p[6:], w.samples)
	}
	binary.LittleEndian.PutUint32(p[14:], oggSerial)
	binary.LittleEndian.PutUint32(p[18:], w.sequence)
	p[26] = byte(segments)
	p = append(p, bytes.Repeat([]byte{255}, segments-1)...)
	p = append(append(p, byte(len(packet)%255)), packet...)
	binary.LittleEndian.PutUint32(p[22:], oggChecksum(p))
	w.sequence++
	_, err := w.out.Write(p)
	return err
}

// oggChecksum is a CRC with the polynomial 0x04c11db7, most significant bit
// first, which hash/crc32 does not do.
func oggChecksum(page []byte) uint32 {
	var sum uint32
	for _, b := range page {
		sum ^= uint32(b) << 24
		for range 8 {
			top := sum >> 31
			sum = sum<<1 ^ 0x04c11db7*top
		}
	}
	return sum
}
