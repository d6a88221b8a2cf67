package device

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// shadowsMost is how many calls beside the active one a device remembers. An account is in one at a
// time; updates of others are late.
const shadowsMost = 8

// shadows are the newest updates of live calls other than the active one, in the order of their
// arrival. Alice dials Bob while Carol's call reaches Alice: if the server refuses the invitation
// to Bob, Carol's call must ring, and no further update of it may arrive.
type shadows []*pealv1.CallUpdate

// keep takes the newer news of a call, with the offer that came with others.
func (s *shadows) keep(u *pealv1.CallUpdate) {
	i := s.index(u.Call.CallId)
	if i < 0 {
		if len(*s) == shadowsMost {
			*s = slices.Delete(*s, 0, 1)
		}
		*s = append(*s, u)
		return
	}
	older, newer := (*s)[i], u
	if older.Call.Rev > newer.Call.Rev {
		older, newer = newer, older
	}
	if newer.Offer == "" && older.Offer != "" && older.Call.Generation == newer.Call.Generation {
		newer = proto.CloneOf(newer)
		newer.Offer, newer.IceServers = older.Offer, older.IceServers
	}
	(*s)[i] = newer
}

// drop forgets a call that is over.
func (s *shadows) drop(id string) {
	if i := s.index(id); i >= 0 {
		*s = slices.Delete(*s, i, i+1)
	}
}

// take empties it.
func (s *shadows) take() []*pealv1.CallUpdate {
	all := *s
	*s = nil
	return all
}

func (s *shadows) index(id string) int {
	return slices.IndexFunc(*s, func(u *pealv1.CallUpdate) bool { return u.Call.CallId == id })
}
