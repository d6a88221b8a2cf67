package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// frames reads a clip to its end.
func frames(t *testing.T, path string) []Frame {
	t.Helper()
	clip, err := OpenClip(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = clip.Close() }()
	var all []Frame
	for {
		f, err := clip.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
}

// What other people's programs wrote is read, and what is written of that is
// the same again.
func TestFiles(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   Kind
		frames int
		step   time.Duration
	}{
		{"tone.ogg", Audio, 201, 20 * time.Millisecond},
		{"pattern.ivf", Video, 60, time.Second / 15},
	} {
		in := frames(t, filepath.Join("testdata", test.name))
		if len(in) != test.frames {
			t.Fatalf("%s has %d frames, want %d", test.name, len(in), test.frames)
		}
		if last := in[len(in)-1].Time; (last - time.Duration(len(in)-1)*test.step).Abs() > time.Millisecond {
			t.Errorf("the last frame of %s is at %s", test.name, last)
		}
		path := filepath.Join(t.TempDir(), test.name)
		recording, err := Record(path, test.kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range in {
			recording.Write(f)
		}
		if err := recording.Close(); err != nil || recording.Frames() != len(in) {
			t.Fatalf("%d frames written: %v", recording.Frames(), err)
		}
		if err := recording.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
		out := frames(t, path)
		same := func(a, b Frame) bool {
			return bytes.Equal(a.Data, b.Data) && a.Key == b.Key && (a.Time-b.Time).Abs() <= time.Millisecond
		}
		if !slices.EqualFunc(in, out, same) {
			t.Errorf("of %d frames of %s %d came back, or others", len(in), test.name, len(out))
		}
	}
	if width, height, ok := vp8Size(frames(t, "testdata/pattern.ivf")[0].Data); !ok || width != 320 || height != 240 {
		t.Errorf("the pattern is %d × %d, %v", width, height, ok)
	}
}

// A pause is heard as one.
func TestOggGap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gap.ogg")
	recording, err := Record(path, Audio)
	if err != nil {
		t.Fatal(err)
	}
	packet := frames(t, "testdata/tone.ogg")[50].Data
	for _, at := range []time.Duration{0, 20 * time.Millisecond, time.Second, time.Second + 20*time.Millisecond} {
		recording.Write(Frame{Data: packet, Time: at})
	}
	if err := recording.Close(); err != nil {
		t.Fatal(err)
	}
	got := frames(t, path)
	sound := slices.IndexFunc(got[2:], func(f Frame) bool { return bytes.Equal(f.Data, packet) }) + 2
	if at := got[sound].Time; (at-time.Second).Abs() > 40*time.Millisecond || !bytes.Equal(got[sound-1].Data, Silence()) {
		t.Errorf("after a pause of a second it sounds at %s", at)
	}
}

func TestNotAClip(t *testing.T) {
	for _, text := range []string{"", "DKIF", "OggS", "RIFF0000WAVE", "DKIF\x00\x00\x20\x00VP90" + string(make([]byte, 20))} {
		if _, err := NewClip(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%q is read as a clip", text)
		}
	}
	if _, err := OpenClip(filepath.Join(t.TempDir(), "none.ogg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Whatever a file holds, reading it ends.
func FuzzClip(f *testing.F) {
	for _, name := range []string{"tone.ogg", "pattern.ivf"} {
		seed, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed[:2000])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		clip, err := NewClip(bytes.NewReader(data))
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			if n > len(data) {
				t.Fatal("more frames than octets")
			}
			if _, err := clip.next(); err != nil {
				return
			}
		}
	})
}

func TestOpusDuration(t *testing.T) {
	for _, test := range []struct {
		packet []byte
		want   time.Duration // Zero where it is none.
	}{
		{Silence(), 20 * time.Millisecond},
		{[]byte{0}, 10 * time.Millisecond},
		{[]byte{3 << 3}, 60 * time.Millisecond},
		{[]byte{16 << 3}, 2500 * time.Microsecond},
		{[]byte{31<<3 | 1}, 40 * time.Millisecond},
		{[]byte{31<<3 | 3, 6}, 120 * time.Millisecond},
		{[]byte{31<<3 | 3, 7}, 0},
		{[]byte{31<<3 | 3}, 0},
		{nil, 0},
	} {
		got, err := opusDuration(test.packet)
		if got != test.want || (err == nil) != (test.want > 0) {
			t.Errorf("% x lasts %s, %v, want %s", test.packet, got, err, test.want)
		}
	}
}

func TestOrder(t *testing.T) {
	for _, test := range []struct {
		name string
		in   []uint16
		want []int // Negative: after a loss.
	}{
		{"in order", []uint16{65534, 65535, 0, 1}, []int{65534, 65535, 0, 1}},
		{"swapped", []uint16{5, 7, 6, 8}, []int{5, 6, 7, 8}},
		{"twice", []uint16{5, 6, 6, 5, 7}, []int{5, 6, 7}},
		{"lost", []uint16{5, 7, 8, 9, 10, 11}, []int{5, -7, 8, 9, 10, 11}},
		{"lost twice", []uint16{5, 7, 9, 10, 11, 12, 13, 14}, []int{5, -7, -9, 10, 11, 12, 13, 14}},
	} {
		o := newOrder(100 * time.Millisecond)
		var got []int
		now := time.Unix(0, 0)
		for _, n := range test.in {
			now = now.Add(30 * time.Millisecond)
			p := &rtp.Packet{Header: rtp.Header{SequenceNumber: n}}
			o.put(p, now, func(p *rtp.Packet, whole bool) {
				if whole {
					got = append(got, int(p.SequenceNumber))
				} else {
					got = append(got, -int(p.SequenceNumber))
				}
			})
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v gives %v, want %v", test.name, test.in, got, test.want)
		}
	}
}

// A sender that starts again with lower numbers is heard soon.
func TestOrderAnew(t *testing.T) {
	o, got := newOrder(time.Second), 0
	for _, first := range []uint16{40_000, 10_000} {
		for n := range uint16(200) {
			o.put(&rtp.Packet{Header: rtp.Header{SequenceNumber: first + n}}, time.Unix(0, 0), func(*rtp.Packet, bool) { got++ })
		}
	}
	if want := 400 - lateMost; got != want {
		t.Errorf("%d packets, want %d", got, want)
	}
}

// Times go on over the wrap of timestamps and over a new beginning.
func TestTimeline(t *testing.T) {
	l := timeline{rate: Audio.rate()}
	for _, step := range []struct {
		timestamp   uint32
		clock, want time.Duration
	}{
		{1<<32 - 480, time.Second, time.Second},
		{480, time.Second + 25*time.Millisecond, time.Second + 20*time.Millisecond},
		{77_000_000, 3 * time.Second, 3 * time.Second},
		{77_000_960, 3 * time.Second, 3*time.Second + 20*time.Millisecond},
		{5, 3 * time.Second, 3*time.Second + 20*time.Millisecond},
	} {
		if got := l.at(step.timestamp, step.clock); got != step.want {
			t.Errorf("%d at %s is %s, want %s", step.timestamp, step.clock, got, step.want)
		}
	}
}
