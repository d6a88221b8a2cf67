package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/peal-rtc/peal/client/admin"
	"github.com/peal-rtc/peal/internal/doctor"
)

// visit is what the doctor found at one address.
type visit struct {
	// Node names the node there; empty where no list of nodes was asked for.
	Node    string          `json:"node,omitempty"`
	Release string          `json:"release,omitempty"`
	Server  string          `json:"server"`
	OK      bool            `json:"ok"`
	Checks  []doctor.Result `json:"checks"`
}

// nodes are those of the service that live.
func (c *doctorCommand) nodes(ctx context.Context) ([]visit, error) {
	if c.Key == "" {
		return nil, misuse{errors.New("each needs a key of the server API with the scope admin: give it by PEAL_API_KEY; " +
			"peal key new --scope admin makes one")}
	}
	backend, err := admin.New(admin.Config{URL: c.Server, Key: c.Key, Tries: 1})
	if err != nil {
		return nil, misuse{err}
	}
	listed, err := backend.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its nodes: %w", c.Server, err)
	}
	var visits []visit
	for _, n := range listed {
		if n.Alive {
			visits = append(visits, visit{Node: n.Node, Release: n.Release, Server: n.Address})
		}
	}
	if len(visits) == 0 {
		return nil, fmt.Errorf("%s lists no node that lives: wait a moment", c.Server)
	}
	return visits, nil
}

// runEach checks the nodes one after the other. The account is logged in at one at a time.
func (c *doctorCommand) runEach(ctx context.Context, std streams, cfg doctor.Config) error {
	visits, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	well := true
	for i := range visits {
		v := &visits[i]
		if cfg.Server = v.Server; !c.JSON {
			if _, err := fmt.Fprintf(std.out, "node %d of %d: %s, %s\n", i+1, len(visits), v.Server, v.Release); err != nil {
				return err
			}
		}
		var printed error
		tell := func(r doctor.Result) {
			if _, err := io.WriteString(std.out, line(r)); err != nil {
				printed = errors.Join(printed, err)
			}
		}
		if c.JSON {
			tell = nil
		}
		if v.Checks, err = doctor.Run(ctx, cfg, tell); err != nil {
			return err
		}
		if printed != nil {
			return printed
		}
		v.OK = doctor.Worst(v.Checks) != doctor.Failed
		well = well && v.OK
	}
	if c.JSON {
		if err := printJSON(std.out, map[string]any{"server": c.Server, "ok": well, "nodes": visits}); err != nil {
			return err
		}
	}
	if !well {
		return errUnwell
	}
	return nil
}
