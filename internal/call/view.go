package call

// Role is what a device is to a call.
type Role uint8

const (
	// Outsider: the account has no part in the call and receives nothing of it.
	Outsider Role = iota
	// CallerRole: the device that calls.
	CallerRole
	// CalleeRole: a device of the callee while it rings; after that the one that answered.
	CalleeRole
	// Observer: another device of either account.
	Observer
)

// Role is what a device is to the call.
func (c *Call) Role(d Device) Role {
	l := c.Leg(d.Account)
	switch {
	case l == nil || d.Account == "":
		return Outsider
	case l == c.Caller() && l.Device.Is(d):
		return CallerRole
	case l == c.Callee() && (l.Device.Is(d) || c.State == Ringing):
		return CalleeRole
	}
	return Observer
}

// RevFor is the rev that an account is shown. The caller's does not count what
// the callee's devices do while they ring: a callee that is offline, or not
// there at all, must look the same. It grows with every change that shows.
func (c *Call) RevFor(a Account) uint32 {
	if a == c.Caller().Account {
		return c.Rev - c.Hidden
	}
	return c.Rev
}

// Needs is what a device must be sent beside the snapshot when it has nothing
// but that: after its hello, or when messages to it may have been lost.
func (c *Call) Needs(d Device) Attachments {
	var with Attachments
	if !c.Live() {
		return with
	}
	switch c.Role(d) {
	case CallerRole:
		with = WithServers
		if c.Media.Answer != "" {
			with |= WithAnswer
		}
	case CalleeRole:
		with = WithServers
		if c.Media.Offer != "" && c.Media.Answer == "" {
			with |= WithOffer
		}
	case Outsider, Observer:
	}
	return with
}

// SignalTo is where a device's candidates go: to the one device at the other
// end, or, from the caller while it rings, to all of the callee's (an empty
// device). Nothing of a callee's goes anywhere before its acceptance, and nothing
// of a deaf call's goes anywhere (an empty account).
func (c *Call) SignalTo(from Device) (Account, DeviceID, error) {
	l := c.Leg(from.Account)
	switch {
	case l == nil:
		return "", "", Stranger
	case !c.Live():
		return "", "", CallEnded
	case c.State == Ringing && l == c.Callee():
		return "", "", NotAccepted
	case !l.Device.Is(from):
		return "", "", WrongDevice
	case c.Deaf:
		return "", "", nil
	}
	to := c.Peer(from.Account)
	return to.Account, to.Device.ID, nil
}

// RelayedOnly says that of all candidates only relayed ones may pass now.
func (c *Call) RelayedOnly() bool {
	return c.Policy == RelayOnly || c.Policy == RelayUntilAccept && c.State == Ringing
}

// RingEnd is when a device stops ringing, and whether its own time-out has
// stopped it already.
func (c *Call) RingEnd(d Device) (r Ringer) {
	r.Until = c.Until
	if l := c.Leg(d.Account); l != nil {
		if own := l.ringer(d); own != nil {
			r.Stopped = own.Stopped
			if !own.Until.IsZero() {
				r.Until = own.Until
			}
		}
	}
	return r
}
