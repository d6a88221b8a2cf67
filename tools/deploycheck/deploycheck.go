// Package deploycheck checks the chart of deploy/helm and the compose file of deploy/cluster:
// it renders the chart by Helm's own library, judges each object as the API server of Kubernetes
// does, and reads the compose file by the library of docker compose. It is a module of its own, of
// tests alone: nothing else gets these libraries.
package deploycheck
