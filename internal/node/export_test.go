package node

// Snapshot is for tests of what devices see.
var Snapshot = snapshot
