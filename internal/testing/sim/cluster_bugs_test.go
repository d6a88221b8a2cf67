package sim_test

// clusterBugs are those of what nodes do beside each other, as bugs are.
var clusterBugs = []bug{
	{
		"deadlines that a dead node left are not looked for", "internal/node/late.go",
		"if ls.shares(id) || ls.now.Sub(first) >= lateForAll {", "if ls.shares(id) && ls.now.IsZero() {",
	},
	{
		"nodes count as dead after the store was away for all", "internal/node/leases.go",
		"case ls.missed || ranOut || silent > beatLate:", "case (ls.missed || ranOut || silent > beatLate) && ls.now.IsZero():",
	},
	{
		"a node that begins after the store was away finds the others dead", "internal/node/leases.go",
		"a node that begins cannot know.\n\t\tls.judges = ls.now.Add(leaseTTL)", "a node that begins cannot know.",
	},
	{
		"an outage that no sign of life fails in is none", "internal/node/leases.go",
		"case ls.missed || ranOut || silent > beatLate:", "case ls.missed || ranOut && silent < 0:",
	},
	{
		"a node judges whose own lease may have run out", "internal/node/leases.go",
		"case ls.missed || ranOut || silent > beatLate:", "case ls.missed || silent > beatLate || ranOut && silent < 0:",
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
		"Format: cs.cfg.writes()", "Format: cs.cfg.Format",
	},
}
