package relay

import (
	"fmt"
	"testing"
)

// The reserve is an eighth, of a small relay the needs of one device or half.
func TestReserve(t *testing.T) {
	for most, want := range map[int]int{1: 0, 2: 1, 10: 5, 24: 12, 48: 12, 96: 12, 104: 13, 5000: 625} {
		if got := newQuota(most).reserve; got != want {
			t.Errorf("of %d: got %d, want %d", most, got, want)
		}
	}
}

// When greedy accounts hold all that they get, those that hold little get more until
// the relay is full in truth, and what is given back is to be had again.
func TestReserveIsForThoseWithLittle(t *testing.T) {
	const most = 5000
	q := newQuota(most)
	user := func(account, device int) User { return User{"call", fmt.Sprint(account), fmt.Sprint(device)} }
	accounts := 0
	for ; q.judge(user(accounts, 0)) == admitted && q.total < most-q.reserve; accounts++ {
		for n := 0; q.judge(user(accounts, n/AllocationsPerUser)) == admitted; n++ {
			q.add(user(accounts, n/AllocationsPerUser))
		}
	}
	if q.total != most-q.reserve {
		t.Errorf("%d greedy accounts hold %d, want all of %d but %d", accounts, q.total, most, q.reserve)
	}
	for honest := range q.reserve / ReservePerAccount {
		u := user(accounts+honest, 0)
		for range ReservePerAccount {
			if v := q.judge(u); v != admitted {
				t.Fatalf("honest account %d: %v", honest, v)
			}
			q.add(u)
		}
		if v := q.judge(u); v != relayFull {
			t.Fatalf("honest account %d takes more than its part: %v", honest, v)
		}
	}
	for q.total < most {
		q.add(user(-q.total, 0))
	}
	if v := q.judge(user(-1, 0)); v != relayFull {
		t.Errorf("one more than there are: %v", v)
	}
	q.remove(user(0, 0))
	if v := q.judge(user(-1, 0)); v != admitted {
		t.Errorf("after one was given back: %v", v)
	}
}
