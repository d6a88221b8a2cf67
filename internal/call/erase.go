package call

// Erase replaces an account in a call that has ended by another name, which says nothing of
// a person, and forgets how the account was shown and what the caller gave with the call.
func (c *Call) Erase(account, alias Account) {
	touched := false
	c.Legs = append([]Leg(nil), c.Legs...) // Others may read the legs as they were.
	for i := range c.Legs {
		l := &c.Legs[i]
		if l.Account != account {
			continue
		}
		touched = true
		l.Account, l.Card, l.Device, l.Ringers = alias, Card{}, Device{}, nil
	}
	if !touched {
		return
	}
	c.number() // By the alias: a number is a hash of a name, without salt.
	c.Attachment = ""
	if c.Outcome.Actor == account {
		c.Outcome.Actor, c.Outcome.Device = alias, ""
	}
	if c.Ask.By == account {
		c.Ask.By = alias
	}
}

// Erase replaces an account in a record likewise, and says whether the record had it.
func (r *Record) Erase(account, alias Account) bool {
	if r.Caller != account && r.Callee != account {
		return false
	}
	if r.Caller == account {
		r.Caller, r.CallerCard = alias, Card{}
	}
	if r.Callee == account {
		r.Callee, r.CalleeCard = alias, Card{}
	}
	return true
}
