package relay

import "time"

const (
	// AllocationsPerUser is how many relayed addresses a device may hold at a time in one call.
	// Browsers take one for each network interface and each transport, and hold the earlier ones
	// while ICE is restarted: on a phone with two networks that is 2 × 3 × 2. With fewer a restart
	// finds no relay when it is needed.
	AllocationsPerUser = 12
	// AllocationsPerAccount is how many an account may hold over all of its calls and
	// devices. A device id costs nothing, an account needs a token. An account is in one
	// call, where one device takes at most 12 in a restart; each of its ten devices takes
	// 6 while it rings, one for each transport on two networks.
	AllocationsPerAccount = 10*AllocationsPerUser/2 + AllocationsPerUser
	// ReservePerAccount is how many an account may hold and still take more from the
	// reserve: one for each transport on one network, so that a call connects.
	ReservePerAccount = 3
	// reservePart of all allocations is the reserve: an eighth of 5,000 serves 208
	// accounts when greedy ones hold the rest.
	reservePart = 8
	// fullWarnEvery bounds how often the log says that the relay is full.
	fullWarnEvery = time.Minute
)

// Refusals counts the relayed addresses that were not given, by the limit that was
// reached.
type Refusals struct {
	Device  uint64 // AllocationsPerUser.
	Account uint64 // AllocationsPerAccount.
	Full    uint64 // MaxAllocations, or all of it but the reserve.
	NoPort  uint64 // The range of ports.
}

// verdict says whether a user may have one more relayed address.
type verdict int

const (
	admitted verdict = iota
	overDevice
	overAccount
	relayFull
)

// quota counts the relayed addresses of each device and each account. The lock of
// its owner guards it.
type quota struct {
	most, reserve int
	total         int
	devices       map[User]int
	accounts      map[string]int
}

// newQuota keeps a part in reserve, of a small relay the needs of one device or half.
func newQuota(most int) quota {
	return quota{
		most: most, reserve: max(most/reservePart, min(AllocationsPerUser, most/2)),
		devices: make(map[User]int), accounts: make(map[string]int),
	}
}

// judge says whether a user may have one more. The library asks for an address of
// nobody when it looks for an even port, and releases it at once.
func (q *quota) judge(u User) verdict {
	nobody := u == User{}
	switch {
	case !nobody && q.devices[u] >= AllocationsPerUser:
		return overDevice
	case !nobody && q.accounts[u.Account] >= AllocationsPerAccount:
		return overAccount
	case q.total >= q.most:
		return relayFull
	case !nobody && q.total >= q.most-q.reserve && q.accounts[u.Account] >= ReservePerAccount:
		return relayFull
	}
	return admitted
}

func (q *quota) add(u User) {
	q.total++
	q.devices[u]++
	q.accounts[u.Account]++
}

func (q *quota) remove(u User) {
	q.total--
	if q.devices[u]--; q.devices[u] == 0 {
		delete(q.devices, u)
	}
	if q.accounts[u.Account]--; q.accounts[u.Account] == 0 {
		delete(q.accounts, u.Account)
	}
}
