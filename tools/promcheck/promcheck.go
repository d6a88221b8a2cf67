// Package promcheck checks deploy/prometheus and deploy/grafana with Prometheus' own
// parsers. It is a module of its own, of tests alone: nothing else gets these parsers.
package promcheck
