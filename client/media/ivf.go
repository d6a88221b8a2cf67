package media

import (
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// IVF: a header of 32 octets, then frames, each with its length and time.

const (
	ivfMagic  = "DKIF"
	ivfHeader = 32
	ivfFrame  = 12
	// ivfRate is how many units of time make a second in what is written here.
	ivfRate = 1000
)

var errIVF = errors.New("media: this is no IVF file with VP8")

// ivfReader reads the frames of a file.
type ivfReader struct {
	in          io.ReadSeeker
	unit        time.Duration // Numerator of how long a unit of time is …
	rate        time.Duration // … and what it is divided by.
	offset      int64
	first, last int64 // Where the first frame and the latest key frame begin.
}

func newIVFReader(in io.ReadSeeker) (*ivfReader, error) {
	var h [ivfHeader]byte
	if _, err := io.ReadFull(in, h[:]); err != nil || string(h[:4]) != ivfMagic || string(h[8:12]) != "VP80" {
		return nil, errIVF
	}
	r := &ivfReader{
		in: in, offset: int64(binary.LittleEndian.Uint16(h[6:])),
		rate: time.Duration(binary.LittleEndian.Uint32(h[16:])), unit: time.Duration(binary.LittleEndian.Uint32(h[20:])),
	}
	if r.offset < ivfHeader || r.rate == 0 || r.unit == 0 {
		return nil, errIVF
	}
	r.first, r.last = r.offset, r.offset
	return r, r.seek(r.offset)
}

func (r *ivfReader) seek(to int64) error {
	_, err := r.in.Seek(to, io.SeekStart)
	r.offset = to
	return err
}

// next gives a frame, and io.EOF after the last one.
func (r *ivfReader) next() (Frame, error) {
	var h [ivfFrame]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return Frame{}, err
	}
	size := binary.LittleEndian.Uint32(h[:])
	if size > frameMost {
		return Frame{}, errIVF
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r.in, data); err != nil {
		return Frame{}, unexpected(err)
	}
	f := Frame{Data: data, Key: vp8Key(data)}
	f.Time = time.Duration(binary.LittleEndian.Uint64(h[4:])) * r.unit * time.Second / r.rate
	if f.Key {
		r.last = r.offset
	}
	r.offset += int64(ivfFrame + len(data))
	return f, nil
}

// back goes back to the latest key frame.
func (r *ivfReader) back() error { return r.seek(r.last) }

// ivfWriter writes frames into an IVF file, from the first key frame on.
type ivfWriter struct {
	out         io.WriteSeeker
	frames      uint32
	first, last time.Duration
}

func newIVFWriter(out io.WriteSeeker) *ivfWriter { return &ivfWriter{out: out} }

func (w *ivfWriter) write(f Frame) error {
	if w.frames == 0 {
		width, height, ok := vp8Size(f.Data)
		if !ok {
			return nil // Nothing could be made of it.
		}
		if _, err := w.out.Write(ivfHead(width, height)); err != nil {
			return err
		}
	}
	h := binary.LittleEndian.AppendUint32(nil, uint32(len(f.Data)))
	h = binary.LittleEndian.AppendUint64(h, uint64(f.Time*ivfRate/time.Second))
	if _, err := w.out.Write(append(h, f.Data...)); err != nil {
		return err
	}
	if w.frames == 0 {
		w.first = f.Time
	}
	w.frames, w.last = w.frames+1, f.Time
	return nil
}

// close writes how long it is, in the file's units of time as most programs
// read that field, and a header where there are no frames.
func (w *ivfWriter) close() error {
	if w.frames == 0 {
		_, err := w.out.Write(ivfHead(0, 0))
		return err
	}
	if _, err := w.out.Seek(24, io.SeekStart); err != nil {
		return err
	}
	end := w.last
	if w.frames > 1 { // The last frame stands for as long as the others.
		end += (w.last - w.first) / time.Duration(w.frames-1)
	}
	_, err := w.out.Write(binary.LittleEndian.AppendUint32(nil, uint32(end*ivfRate/time.Second)))
	return err
}

func ivfHead(width, height int) []byte {
	h := append([]byte(ivfMagic), 0, 0, ivfHeader, 0)
	h = append(h, "VP80"...)
	h = binary.LittleEndian.AppendUint16(h, uint16(width))
	h = binary.LittleEndian.AppendUint16(h, uint16(height))
	h = binary.LittleEndian.AppendUint32(h, ivfRate)
	h = binary.LittleEndian.AppendUint32(h, 1)
	return append(h, 0, 0, 0, 0, 0, 0, 0, 0) // The length, which close writes, and nothing.
}
