package call

// Meet is what an invitation asks of the call that its caller has a part in
// already: nil where that is over, and the caller free; otherwise an input that
// takes the invitation in, or ends the call in its favour. A call that only
// rings at the account makes way. Meet refuses where another device of the
// account calls, or has answered.
func (c *Call) Meet(in Invite) (Input, error) {
	switch {
	case !c.Live(), c.Leg(in.Caller.Account) == nil:
		return nil, nil
	case c.crosses(in):
		return Merge{Device: in.Caller, Call: in.ID, Type: in.Type, Policy: in.Policy, Card: in.Card}, nil
	case c.Has(in.Caller), c.State == Ringing && c.Callee().Account == in.Caller.Account:
		return Supersede{Device: in.Caller}, nil
	}
	return nil, BusyElsewhere
}

// crosses says whether the invitation meets one in the other direction that
// still rings, or repeats itself after it was merged into that.
func (c *Call) crosses(in Invite) bool {
	return c.Caller().Account == in.Callee && c.Callee().Account == in.Caller.Account &&
		(c.State == Ringing || c.State == Connecting && c.Has(in.Caller))
}
