// Package deploycheck checks the chart of deploy/helm and the compose files of deploy: it renders
// the chart by Helm's own library, judges each object as the API server of Kubernetes does, and
// reads the compose files by the library of docker compose. It is a module of its own, of tests
// alone: nothing else gets these libraries.
package deploycheck

import (
	"context"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// Project reads a compose file as docker compose does, with these variables and no others.
func Project(ctx context.Context, file string, variables ...string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv(variables), cli.WithName("peal"))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// Variables are what the .env of deploy/cluster holds.
func Variables() []string {
	return []string{
		"PEAL_SECRET=0123456789abcdef0123456789abcdef0123", "PEAL_DATABASE_PASSWORD=0123456789abcdef",
		"PEAL_STANDBY_PASSWORD=1023456789abcdef", "PEAL_NATS_PASSWORD=n0123456789abcdef", "PEAL_TURN_ANNOUNCE=203.0.113.7",
	}
}
