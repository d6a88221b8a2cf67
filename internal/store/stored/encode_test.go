package stored_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/store/stored"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

func TestDeafness(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		want := storetest.Full()
		want.Deaf = deaf
		body, err := stored.Encode(&want)
		if err != nil {
			t.Fatal(err)
		}
		descriptions, err := stored.Describe(&want)
		if err != nil {
			t.Fatal(err)
		}
		want.Deaf = true
		got, err := stored.Decode(want.ID, append(body, stored.Deafness()...), descriptions)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}
