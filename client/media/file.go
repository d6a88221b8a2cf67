package media

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Clip is a file to be played: Ogg with Opus, or IVF with VP8. One goroutine at
// a time may use it.
type Clip struct {
	kind Kind
	file io.ReadSeekCloser
	ogg  *oggReader
	ivf  *ivfReader
}

// OpenClip opens a file; what it begins with tells what it holds.
func OpenClip(path string) (*Clip, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	c, err := NewClip(f)
	if err != nil {
		_ = f.Close() // It was only read.
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// NewClip is OpenClip for what is open, or in memory; Close closes it if it can
// be closed.
func NewClip(r io.ReadSeeker) (*Clip, error) {
	c := &Clip{}
	closer, ok := r.(io.ReadSeekCloser)
	if !ok {
		closer = struct {
			io.ReadSeeker
			io.Closer
		}{r, io.NopCloser(r)}
	}
	c.file = closer
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, errClip
	}
	switch string(magic[:]) {
	case oggMagic:
		c.kind = Audio
	case ivfMagic:
		c.kind = Video
	default:
		return nil, errClip
	}
	return c, c.rewind()
}

var errClip = errors.New("media: neither an Ogg file with Opus nor an IVF file with VP8")

// Kind is what the clip holds.
func (c *Clip) Kind() Kind { return c.kind }

// Close closes the file.
func (c *Clip) Close() error { return c.file.Close() }

// rewind goes to the beginning.
func (c *Clip) rewind() (err error) {
	if _, err = c.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if c.kind == Audio {
		c.ogg, err = newOggReader(c.file)
	} else {
		c.ivf, err = newIVFReader(c.file)
	}
	return err
}

func (c *Clip) next() (Frame, error) {
	if c.kind == Audio {
		return c.ogg.next()
	}
	return c.ivf.next()
}

// Recording writes frames of one kind into a file. Its methods may be called
// concurrently.
type Recording struct {
	mu     sync.Mutex
	file   io.WriteCloser
	writer interface {
		write(f Frame) error
		close() error
	}
	frames int
	err    error // Of the first write that failed.
	closed bool
}

// Record makes a file, or empties the one that is there: Ogg with Opus for
// sound, IVF with VP8 for a picture.
func Record(path string, kind Kind) (*Recording, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	r := &Recording{file: f}
	if kind == Video {
		r.writer = newIVFWriter(f)
		return r, nil
	}
	if r.writer, err = newOggWriter(f); err != nil {
		_ = f.Close() // The error before it tells more.
		return nil, err
	}
	return r, nil
}

// Write adds a frame. It fits for [Streams]; Close returns a failure. What
// was lost on the way is a silence, or a picture that stands still.
func (r *Recording) Write(f Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.closed {
		return
	}
	if r.err = r.writer.write(f); r.err == nil {
		r.frames++
	}
}

// Frames is how many frames were given to it.
func (r *Recording) Frames() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames
}

// Close finishes the file, and tells what failed.
func (r *Recording) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return r.err
	}
	r.closed = true
	if r.err == nil {
		r.err = r.writer.close()
	}
	if err := r.file.Close(); r.err == nil {
		r.err = err
	}
	return r.err
}
