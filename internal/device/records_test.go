package device

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Each record is told once, whenever it comes again.
func TestRecordsAreToldOnce(t *testing.T) {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	record := func(id string, after time.Duration) *pealv1.Record {
		return &pealv1.Record{CallId: id, EndedAt: timestamppb.New(epoch.Add(after))}
	}
	l := newRecordLog(time.Time{})
	l.ask(epoch)
	for i, tt := range []struct {
		id    string
		after time.Duration
		told  bool
	}{
		{"first", 0, true},
		{"first", 0, false},
		{"hours later", 5 * time.Hour, true},
		{"filed late", 5*time.Hour - 30*time.Second, true},
		{"told very late", 4 * time.Hour, true},
		{"first", 0, false},
		{"hours later", 5 * time.Hour, false},
	} {
		if got := l.take(record(tt.id, tt.after)); got != tt.told {
			t.Errorf("%d: %q: told %t", i, tt.id, got)
		}
		l.caughtUp()
	}
	if since := l.ask(epoch).GetSince().AsTime(); !since.Equal(epoch.Add(5*time.Hour - recordOverlap)) {
		t.Errorf("asks from %s on", since)
	}
}

// What is kept in mind is bounded.
func TestRecordsInMind(t *testing.T) {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newRecordLog(time.Time{})
	l.caughtUp()
	for i := range 3 * recordsMost {
		l.take(&pealv1.Record{CallId: fmt.Sprint(i), EndedAt: timestamppb.New(epoch.Add(time.Duration(i) * time.Minute))})
	}
	if len(l.told) != recordsMost || len(l.order) != recordsMost {
		t.Errorf("%d and %d are kept in mind", len(l.told), len(l.order))
	}
}

// A program that says from where on it knows nothing asks for nothing older.
func TestRecordsSince(t *testing.T) {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := newRecordLog(epoch)
	if since := l.ask(epoch.Add(time.Hour)).GetSince().AsTime(); !since.Equal(epoch) {
		t.Errorf("asks from %s on", since)
	}
}
