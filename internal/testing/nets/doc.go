// Package nets is for tests alone: networks as they are, on one Linux machine.
// Its clients live in network namespaces with private addresses, behind NATs
// and firewalls of ours, and reach each other and a server over an internet of
// ours. Real browsers and the real server run in it without knowing.
//
//	namespace: TUN ── Link ── NAT ──┐
//	namespace: TUN ── Link ── NAT ──┼── Internet (in this process)
//	namespace: TUN ── Link ─────────┘
//
// Each interface of a namespace is a TUN device. A Link reads its packets, has a
// NAT translate them and gives them to the Internet, which delivers them after a
// while to the Link whose public address they are for. Nothing of it is the
// kernel's: neither filters nor bridges nor forwarding. The namespaces have no
// names, and end with the process.
//
// The NAT is pure, in the terms of RFC 4787, and tested by itself. Namespaces and
// TUN devices need CAP_SYS_ADMIN and CAP_NET_ADMIN: root, or a user namespace.
package nets
