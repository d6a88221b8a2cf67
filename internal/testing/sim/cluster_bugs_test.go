package sim_test

// clusterBugs are those of what nodes do beside each other, as bugs are.
var clusterBugs = []bug{
	{
		"deadlines that a dead node left are not looked for", "internal/node/late.go",
		"if ls.shares(id) || ls.now.Sub(first) >= lateForAll {", "if ls.shares(id) && ls.now.IsZero() {",
	},
	{
		"nodes count as dead after the store was away for all", "internal/node/leases.go",
		"case ls.missed || silent > beatLate:", "case (ls.missed || silent > beatLate) && ls.now.IsZero():",
	},
	{
		"a node that begins after the store was away finds the others dead", "internal/node/leases.go",
		"a node that begins cannot know.\n\t\tls.judges = ls.now.Add(leaseTTL)", "a node that begins cannot know.",
	},
	{
		"an outage that no sign of life fails in is none", "internal/node/leases.go",
		"case ls.missed || silent > beatLate:", "case ls.missed:",
	},
	{
		"the slow answer of a sign of life hides an outage", "internal/node/leases.go",
		"silent := ls.now.Sub(ls.sent)", "silent := ls.now.Sub(ls.answered)",
	},
	{
		"a node that was cut off writes calls in a format that others may not know", "internal/node/loop.go",
		"if l.now.Sub(l.sent) > leaseTTL && format > 1 {", "if l.now.IsZero() {",
	},
	{
		"a node that stops keeps its lease no longer", "internal/node/node.go",
		"	n.leases.keep(0)\n", "	if !n.stopping {\n\t\tn.leases.keep(0)\n\t}\n",
	},
	{
		"a node steps calls of a format that it does not know", "internal/callqueue/queue.go",
		"if q.foreign() && q.call.Live() {", "if q.foreign() && !q.call.Live() {",
	},
	{
		"new calls have a format that not all nodes know", "internal/node/command.go",
		"Format: cs.writes()", "Format: cs.cfg.Format",
	},
}
