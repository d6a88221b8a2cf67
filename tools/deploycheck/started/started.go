// Package started runs what deploy/cluster consists of as real processes: PostgreSQL with its
// standby, NATS, two nodes and the balancer, by the settings and the scripts of the compose file.
// It needs their programs, which `make setup` installs.
package started
