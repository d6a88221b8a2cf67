package sim_test

// bug is a text of the sources and what is put in its place.
type bug struct {
	name, file string
	right      string
	wrong      string
}

// bugs are mistakes that one could make, or that were made here once, each put
// in place of the code that is right. Every one breaks a promise; the simulator
// must notice.
var bugs = []bug{
	{
		"a hello does not wait until its node hears about the account", "internal/node/subscriptions.go",
		"	if s.cfg.Alone {\n\t\ts.do", "	if true {\n\t\ts.do",
	},
	{
		"the offer of another media generation is kept", "internal/callqueue/queues.go",
		"without&call.WithOffer != 0 && same && was.Offer != \"\"", "q.known && c.Media.Offer == \"\" && was.Offer != \"\"",
	},
	{
		"what nobody else needed is not sent to a node that needs it soon after", "internal/node/presence.go",
		"		p.publish(w.message)\n", "",
	},
	{
		"a node that has an account does not answer one that asks", "internal/node/login.go",
		"l.Asks && len(here) > 0", "l.Asks && len(here) > 99",
	},
	{
		"a copy without its descriptions is gone by", "internal/callqueue/queues.go",
		"q.known, q.running = false, running", "q.running = running",
	},
	{
		"the callee has a record of a call that it does not hear", "internal/store/volatile.go",
		"r.Callee == account && !r.Deaf", "r.Callee == account",
	},
	{
		"a blocked caller can tell that the callee is busy", "internal/store/batch.go",
		"if b.memory.blocks.has(c.Callee().Account, c.Caller().Account) {",
		"if b.memory.blocks.has(c.Callee().Account, c.Caller().Account) && b.holder(c.Callee().Account) == \"\" {",
	},
	{
		"a call that the callee does not hear makes it busy", "internal/store/memory.go",
		"for _, member := range k.call.Members() {\n\t\t\tm.claims", "for _, member := range k.call.Legs {\n\t\t\tm.claims",
	},
	{
		"the call of somebody blocked rings", "internal/callqueue/queue.go",
		"c.Deaf = c.Deaf || r.Deaf\n", "",
	},
	{
		"a callee tells whom it blocks that it calls", "internal/store/batch.go",
		"return c != nil && c.Deaf && c.Callee().Account == caller", "return c != nil && c.Deaf && c.Callee().Account == caller && c.Rev > 3",
	},
	{
		"blocks are not there after a start", "internal/store/memory.go",
		"journal.ReplayBlocks(ctx, m.blocks.put)", "journal.ReplayBlocks(ctx, func(Block) {})",
	},
	{
		"the clock of the store goes wherever the wall clock is set", "internal/store/clock.go",
		"c.at = c.at.Add(went)\n", "c.at = wall\n",
	},
	{
		"a call ends before it began, by the clock of another node", "internal/call/step.go",
		"if c.Outcome.EndedAt.Before(begun) {", "if c.Outcome.EndedAt.After(begun) && begun.IsZero() && false {",
	},
	{
		"the ring time-out is not cancelled by the acceptance", "internal/call/answer.go",
		"c.Until = s.now.Add(c.Timing.Connect)", "c.Until = c.CreatedAt.Add(c.Timing.Ring)",
	},
	{
		"the devices that lost the race are not told", "internal/call/answer.go",
		`s.tell(leg.Account, "", 0)`, `s.tell(leg.Account, winner.ID, 0)`,
	},
	{
		"the last answer wins instead of the first", "internal/call/answer.go",
		"if err == nil && !leg.Device.Is(d) {\n\t\treturn AnsweredElsewhere\n\t}",
		"if err == nil && !leg.Device.Is(d) {\n\t\tleg.Device = d\n\t\ts.changed = true\n\t}",
	},
	{
		"a merged invitation leaves no tombstone", "internal/callqueue/queue.go",
		"change.Merged = &grave\n", "_ = grave\n",
	},
	{
		"a late rejection ends a call that is connected", "internal/call/table.go",
		`on("ends rejected", (*step).reject),
		refused(AlreadyAccepted), refused(AlreadyAccepted),`,
		`on("ends rejected", (*step).reject),
		on("ends rejected", (*step).reject), on("ends rejected", (*step).reject),`,
	},
	{
		"candidates of the callee pass before its acceptance", "internal/call/view.go",
		"case c.State == Ringing && l == c.Callee():\n\t\treturn \"\", \"\", NotAccepted\n\tcase !l.Device.Is(from):",
		"case c.State != Ringing && !l.Device.Is(from):",
	},
	{
		"addresses that are to be kept until the acceptance pass before it", "internal/call/view.go",
		"c.Policy == RelayUntilAccept && c.State == Ringing", "c.Policy == RelayUntilAccept && c.State == Connecting",
	},
	{
		"the candidates of an acceptance that came too late pass", "internal/call/view.go",
		"	case !l.Device.Is(from):\n\t\treturn \"\", \"\", WrongDevice\n", "",
	},
	{
		"an ended call takes a hang-up", "internal/call/table.go",
		`on("ends completed", (*step).hangup), on("ends completed", (*step).hangup),
		ignored()),`,
		`on("ends completed", (*step).hangup), on("ends completed", (*step).hangup),
		on("ends completed", (*step).hangup)),`,
	},
	{
		"a device that vanished has no grace that ends", "internal/call/step.go",
		"earliest(c.graceEnd(&c.Legs[i]))", "_ = c.graceEnd(&c.Legs[i])",
	},
	{
		"a caller that vanished while it rang is given the time of a call", "internal/call/step.go",
		"return l.Gone.Add(c.Timing.CallerGrace)", "return l.Gone.Add(10 * c.Timing.Grace)",
	},
	{
		"a device that came back stays gone", "internal/call/presence.go",
		"leg.Device, leg.Gone, leg.Finder, leg.Leaving = d, time.Time{}, \"\", false", "leg.Device, leg.Leaving = d, false",
	},
	{
		"news of an old connection counts against the present one", "internal/call/presence.go",
		"case leg.Device != in.Device:\n\t\treturn nil\n\tcase crashed", "case !leg.Device.Is(in.Device):\n\t\treturn nil\n\tcase crashed",
	},
	{
		"nobody rings after the node that rang them died", "internal/callqueue/job.go",
		"q.host().Introduce(&c)", "_ = q.host().Introduce",
	},
	{
		"the claim is not freed where the call ended", "internal/store/memory.go",
		"delete(m.claims, account)", "_ = m.claims[account]",
	},
	{
		"the callee's claim is not looked at", "internal/store/batch.go",
		"if holder := b.holder(c.Legs[1+i].Account); holder != \"\" {", "if holder := b.holder(c.Legs[1+i].Account); holder == c.ID {",
	},
	{
		"the stored rev is not looked at", "internal/store/batch.go",
		"!was.Live() || was.Rev != change.From ||", "!was.Live() && was.Rev != change.From ||",
	},
	{
		"no record is filed with the end", "internal/store/volatile.go",
		"v.records[id] = r\n", "_ = r\n",
	},
	{
		"those who are asked are told before the commit", "internal/callqueue/queue.go",
		"q.commit(pending{change: change", "for _, e := range effects {\n\t\t\tq.host().Tell(&next, e, nil)\n\t\t}\n\t\tq.commit(pending{change: change",
	},
	{
		"a commit without a result counts as done", "internal/callqueue/queue.go",
		"q.known, q.announce, q.unknown, q.doubted = false, true, true, p\n\t\tq.host().Doubted(q.id, p.change.From)\n\t\tq.fails()", "q.done(p.change.Call, p.input, p.effects)",
	},
	{
		"a commit without a result is not made known once it is read back", "internal/callqueue/queue.go",
		"if q.announce {\n\t\tfor _, member", "if false {\n\t\tfor _, member",
	},
	{
		"a queue that waits for the store loses its alarm", "internal/callqueue/queue.go",
		"if q.paused {\n\t\treturn\n\t}\n\tat,", "at,",
	},
	{
		"the calls of devices whose node died are not told", "internal/node/leases.go",
		"ls.bury(&in.Calls[i])", "_ = i",
	},
	{
		"it rings before the welcome", "internal/session/session.go",
		"case greeting:\n\t\tif len(s.held)", "case greeting:\n\t\ts.line.Send(f)\n\t\treturn\n\t\tif len(s.held)",
	},
	{
		"a welcome holds the calls as they were before the device came back", "internal/node/greeting.go",
		"if g.calls[i].ID == c.ID && g.calls[i].Rev < c.Rev {", "if g.calls[i].ID == c.ID && g.calls[i].Rev > c.Rev {",
	},
	{
		"a silent connection is never given up", "internal/session/life.go",
		"s.close(\"silent\", protocol.CloseSilent)", "l.last = now",
	},
	{
		"who calls someone else does not hear that the call before is over", "internal/callqueue/invite.go",
		"if j.merges {\n\t\treturn j.invite.asker\n\t}\n\treturn nil", "return j.invite.asker",
	},
	{
		"late word of a login closes the newer connection", "internal/node/login.go",
		"lg.replace(l, l.Connected.Add(-clockMargin))", "lg.replace(l, lg.now)",
	},
	{
		"a kicked device stays in its call", "internal/node/login.go",
		"lg.end(d, protocol.Kicked)\n\tlg.kickLate(d.who)", "d.kicked = true\n\td.session.Close(protocol.Kicked)\n\tlg.devices.watch(d)",
	},
	{
		"an account that is logged out goes on with its call", "internal/node/account.go",
		"lg.kickAll(ls, c, in)", "_, _ = c, lg.kickAll",
	},
	{
		"what a device did before word of a newer login came goes on", "internal/node/login.go",
		"lg.kickLate(who)", "_ = lg.kickLate",
	},
	{
		"a device that another node lost is not looked for here", "internal/node/calls.go",
		"case d != nil && !l.Gone.IsZero():", "case d != nil && d.who == l.Device && !l.Gone.IsZero():",
	},
	{
		"a program that was started again goes on with media that are gone", "internal/node/device.go",
		"if h := d.session.Hello(); h.GetFresh() {", "if h := d.session.Hello(); h.GetFresh() && !h.Resume {",
	},
	{
		"a device does not hear of a call that was made after it was welcomed", "internal/callqueue/queue.go",
		"hears of it by the welcome.\n\t\tq.host().Introduce(&c)", "hears of it by the welcome.\n\t\t_ = q.host().Introduce",
	},
	{
		"a hang-up is not repeated after a reconnect", "internal/device/link.go",
		"if r.lasting {\n\t\t\td.send(r)", "if r.lasting && r.ticket != 0 {\n\t\t\td.send(r)",
	},
	{
		"a call that was given up here, and goes on at the server, is not left", "internal/device/calls.go",
		"in(c) && (d.past.has(c.CallId) || !d.resumes):", "in(c) && !d.past.has(c.CallId) && !d.resumes:",
	},
	{
		"an old snapshot takes the place of a newer one", "internal/device/machine.go",
		"if v.over || next.Rev <= was.Rev {", "if v.over || next.Rev == was.Rev {",
	},
	{
		"each node that finds a node dead grants the grace anew", "internal/node/leases.go",
		"&& !lives(inc) && !lives(finder)", "&& !lives(inc)",
	},
	{
		"an invitation that rings meanwhile is forgotten for news of another", "internal/device/shadow.go",
		"if len(*s) == shadowsMost {", "if len(*s) == 1 {",
	},
	{
		"a mute is not told to the other side", "internal/call/media.go",
		"leg.Tracks = in.Tracks\n\ts.changed = true\n\ts.tellPeer(leg, 0)", "leg.Tracks = in.Tracks\n\ts.changed = true",
	},
	{
		"another type is not told to the other side", "internal/call/switch.go",
		"s.changed = true\n\ts.tellPeer(leg, 0)\n\treturn nil\n}\n\n// lapse", "s.changed = true\n\treturn nil\n}\n\n// lapse",
	},
	{
		"what another node tells takes the place of what a commit came to", "internal/callqueue/queues.go",
		"q.busy || q.announce || q.known", "q.busy || q.known",
	},
	{
		"a call whose people are gone is kept in memory", "internal/callqueue/queue.go",
		"delete(q.all.each, q.id)\n\t\tq.host()", "q.host()",
	},
	{
		"what was missed is asked for from the end of a call that the welcome tells of", "internal/device/link.go",
		"missed := d.records.ask(w.LoginAt.AsTime())\n\td.greeted(w)",
		"d.greeted(w)\n\tmissed := d.records.ask(w.LoginAt.AsTime())",
	},
	{
		"a call that went on while the program was started again is not shown", "internal/device/calls.go",
		"	default:\n\t\td.begin(&view{call: c, seen: d.now})\n\t\td.do(Resumed{u})", "	default:",
	},
	{
		"the call that an invitation merged into is not shown", "internal/device/calls.go",
		"		d.merge(v, t, r.update)", "		d.abandon(v)\n\t\td.do(Answer{Ticket: t, Update: r.update})",
	},
	{
		"an invitation that was committed after its program restarted goes on", "internal/device/calls.go",
		"in(c) && (d.past.has(c.CallId) || !d.resumes):", "in(c) && d.past.has(c.CallId):",
	},
	{
		"who has given up an invitation is put into what it merged with", "internal/device/calls.go",
		"!v.asked && in(u.Call)", "false && in(u.Call)",
	},
	{
		"an invitation of which there is no word yet is cancelled, and not given up", "internal/device/calls.go",
		"d.link.phase != online || v.call.Rev == 0:", "d.link.phase != online:",
	},
	{
		"a node that begins after the last look at those that live is taken for dead", "internal/node/leases.go",
		"\tif !slices.ContainsFunc(in.Calls, func(c call.Call) bool { return len(ls.deaths(&c)) > 0 }) {\n", "\tfor i := range in.Calls {\n\t\tls.bury(&in.Calls[i])\n\t}\n\tif true {\n",
	},
	{
		"what rang when a login ended does not ring for the next one", "internal/device/link.go",
		"d.past.drop(v.call.CallId)", "_ = d.past",
	},
	{
		"a record is told with another reason", "internal/node/records.go",
		"pealv1.Reason(r.Reason)", "pealv1.Reason_REASON_COMPLETED",
	},
	{
		"who is free is busy", "internal/store/batch.go",
		"if holder := b.holder(c.Legs[1+i].Account); holder != \"\" {", "if holder := b.holder(c.Legs[1+i].Account); holder != \"\" || c.ID[len(c.ID)-1] == '0' {",
	},
	{
		"a commit is seen before the journal has it", "internal/store/memory.go",
		"err = m.journal.Append(b.entries)", "m.apply(b.entries)\n\t\t\terr = m.journal.Append(b.entries)",
	},
	{
		"a commit that is not stored is seen", "internal/store/memory.go",
		"			err = m.judge(err)\n			return Unknown", "			m.apply(b.entries)\n			err = m.judge(err)\n			return Unknown",
	},
	{
		"a commit is told as done that the journal has refused", "internal/store/memory.go",
		"		case err == nil:\n			m.apply", "		case err == nil, errors.Is(err, ErrNotDone):\n			m.apply",
	},
	{
		"commits go on after a flush that failed", "internal/store/memory.go",
		"cmp.Or(ctx.Err(), m.failed)", "cmp.Or(ctx.Err(), nil)",
	},
	{
		"the claims of live calls are not there after a start", "internal/store/memory.go",
		"		m.put(e)\n		return nil", "		if m.put(e); e.Call.Live() {\n			delete(m.claims, e.Call.Callee().Account)\n		}\n		return nil",
	},
	{
		"calls that ended before a start are not told of after it", "internal/store/memory.go",
		"		m.put(e)\n		return nil", "		if e.Call.Live() {\n			m.put(e)\n		}\n		return nil",
	},
	{
		"all devices of an account are given the candidates for one", "internal/node/audience.go",
		"h.delivery.signal(to, device, f))", "h.delivery.signal(to, \"\", f))",
	},
	{
		"a record is told as often as it comes", "internal/device/records.go",
		"if _, known := l.told[r.CallId]; known {", "if _, known := l.told[r.CallId]; known && l.behind {",
	},
	{
		"the hello of the second socket does not count as newer", "internal/device/second.go",
		"d.nextSocket(), d.attempt(token, kept)", "d.nextSocket(), attempt{token, kept, d.link.attemptAt.Add(-time.Millisecond)}",
	},
	{
		"a kept token is used after its end", "internal/device/token.go",
		"t.kept != \"\" && now.Before(t.until)", "t.kept != \"\"",
	},
	{
		"a backend that is away for a moment ends a login", "internal/device/token.go",
		"		if l.fresh {", "		if true {",
	},
	{
		"a record is told again after a reload", "internal/device/records.go",
		"		if !l.has(id) {", "		if !l.has(id) && !l.behind {",
	},
	{
		"a draft that was given up is sent", "internal/device/calls.go",
		"	case d.past.has(in.Invite.CallId):", "	case false:",
	},
	{
		"the server receives a draft that was given up", "internal/device/calls.go",
		"		d.do(Answer{Ticket: in.Ticket}) // It is over already.\n\tcase v.draft:",
		"		d.do(Answer{Ticket: in.Ticket}) // It is over already.\n\tcase v.draft && d.logsOut:",
	},
	{
		"what rang beside a draft that was abandoned does not ring", "internal/device/calls.go",
		"		d.abandon(v)\n\t\td.unshade()", "		d.abandon(v)",
	},
	{
		"the events are stored in a transaction after that of their change", "internal/store/memory.go",
		"err = m.journal.Append(b.entries)",
		"first, second := slices.Clone(b.entries), []Entry(nil)\n\t\t\tfor i := range first {\n\t\t\t\tif e := first[i]; e.Call.Live() && len(e.Events) > 0 {\n" +
			"\t\t\t\t\te.Created = false\n\t\t\t\t\tsecond, first[i].Events = append(second, e), nil\n\t\t\t\t}\n\t\t\t}\n" +
			"\t\t\tif err = m.journal.Append(first); err == nil && len(second) > 0 {\n\t\t\t\t_ = m.journal.Append(second)\n\t\t\t}",
	},
	{
		"deliveries go by a cursor: what is older than one that arrived does not wait", "internal/store/volatile_outbox.go",
		"			delete(v.out.queued, key)\n			c := counts[lane.Endpoint]\n			c.Queued--\n",
		"			c := counts[lane.Endpoint]\n			for k := range v.out.queued {\n				if k.lane.Endpoint == lane.Endpoint && k.seq <= key.seq {\n					delete(v.out.queued, k)\n					c.Queued--\n				}\n			}\n",
	},
	{
		"what follows of a call is due before what is retried", "internal/store/volatile_outbox.go",
		"!ok || k.seq < head {", "!ok || k.seq > head {",
	},
	{
		"what follows of a call does not wait for what is under way", "internal/store/claims.go",
		"if _, taken := claimed[d.Lane]; taken {", "if _, taken := claimed[d.Lane]; taken && limit < 0 {",
	},
	{
		"a busy call has the events of one that rings", "internal/store/batch.go",
		"events = call.Events(nil, nil, stored)", "events = change.Events",
	},
	{
		"an event has the call as another change of it left it", "internal/store/sending.go",
		"after := *c // It shares the legs: neither changes.", "after := *c\n\tafter.Rev++",
	},
	{
		"glare has no event of its answer", "internal/call/events.go",
		"was == Ringing && live && is != Ringing)", "was == Ringing && live && is != Ringing && in.kind() != kindMerge)",
	},
	{
		"claims of what was not settled last after a restart", "internal/store/sending.go",
		"t.fresh.counted(t.counts.Queued)\n\t}\n\treturn nil", "t.fresh.counted(0)\n\t}\n\treturn nil",
	},
}

// scriptBugs are those of internal/device in the device in TypeScript.
var scriptBugs = []bug{
	{
		"a hang-up is not repeated after a reconnect (ts)", "web/sdk/src/device/link.ts",
		"if (r.lasting) d.send(r);", "if (r.lasting && r.ticket !== 0) d.send(r);",
	},
	{
		"a call that was given up here, and goes on at the server, is not left (ts)", "web/sdk/src/device/calls.ts",
		"isIn(c) && (d.past.has(id) || !d.resumes)", "isIn(c) && !d.past.has(id) && !d.resumes",
	},
	{
		"an old snapshot takes the place of a newer one (ts)", "web/sdk/src/device/machine.ts",
		"this.over || revOf(next) <= revOf(was)", "this.over || revOf(next) === revOf(was)",
	},
	{
		"an invitation that rings meanwhile is forgotten for news of another (ts)", "web/sdk/src/device/shadow.ts",
		"this.#all.length === shadowsMost", "this.#all.length === 1",
	},
	{
		"what was missed is asked for from the end of a call that the welcome tells of (ts)", "web/sdk/src/device/link.ts",
		"const missed = d.records.ask(parseTimestamp(w.loginAt)); // Before greeted files newer records.\n  d.greeted(w);",
		"d.greeted(w);\n  const missed = d.records.ask(parseTimestamp(w.loginAt));",
	},
	{
		"a call that went on while the program was started again is not shown (ts)", "web/sdk/src/device/calls.ts",
		"    begin(d, new View(c, d.now));\n    d.do({ kind: \"resumed\", update: u });\n", "",
	},
	{
		"the call that an invitation merged into is not shown (ts)", "web/sdk/src/device/calls.ts",
		"    merge(d, v, ticket, r.update);", "    abandon(d, v);\n    d.do({ kind: \"answer\", ticket, update: r.update });",
	},
	{
		"an invitation that was committed after its program restarted goes on (ts)", "web/sdk/src/device/calls.ts",
		"isIn(c) && (d.past.has(id) || !d.resumes)", "isIn(c) && d.past.has(id)",
	},
	{
		"who has given up an invitation is put into what it merged with (ts)", "web/sdk/src/device/calls.ts",
		"!v.asked && isIn(c)", "false && isIn(c)",
	},
	{
		"an invitation of which there is no word yet is cancelled, and not given up (ts)", "web/sdk/src/device/calls.ts",
		"d.link.phase !== \"online\" || revOf(v.call) === 0", "d.link.phase !== \"online\"",
	},
	{
		"what rang when a login ended does not ring for the next one (ts)", "web/sdk/src/device/link.ts",
		"d.past.drop(idOf(v.call));", "",
	},
	{
		"a record is told as often as it comes (ts)", "web/sdk/src/device/records.ts",
		"if (this.told.has(id)) return false;", "if (this.told.has(id) && this.behind) return false;",
	},
	{
		"the hello of the second socket does not count as newer (ts)", "web/sdk/src/device/second.ts",
		"s.attempt = d.link.begin(token, kept, d.now);", "s.attempt = { token, kept, at: d.link.attemptAt - 1 };",
	},
	{
		"a kept token is used after its end (ts)", "web/sdk/src/device/token.ts",
		"this.kept !== \"\" && now < this.until", "this.kept !== \"\"",
	},
	{
		"a backend that is away for a moment ends a login (ts)", "web/sdk/src/device/token.ts",
		"if (l.fresh) d.stop(", "if (d.now > 0) d.stop(",
	},
	{
		"a record is told again after a reload (ts)", "web/sdk/src/device/records.ts",
		"if (!this.told.has(id)) this.told.set(id", "if (!this.told.has(id) && !this.behind) this.told.set(id",
	},
	{
		"a draft that was given up is sent (ts)", "web/sdk/src/device/calls.ts",
		"if (d.past.has(id)) {", "if (id === \"\") {",
	},
	{
		"the server receives a draft that was given up (ts)", "web/sdk/src/device/calls.ts",
		"} else if (v.draft) {", "} else if (v.draft && d.logsOut) {",
	},
	{
		"what rang beside a draft that was abandoned does not ring (ts)", "web/sdk/src/device/calls.ts",
		"idOf(v.call) !== id) return;\n  abandon(d, v);\n  unshade(d);", "idOf(v.call) !== id) return;\n  abandon(d, v);",
	},
}
