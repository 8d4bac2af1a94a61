package serve

import (
	"context"
	"fmt"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/serve/api"
	"nightshift/serve/api/wire"
)

// generator is the engine as the API sees it.
type generator struct{ engine *engine.Engine }

// Submit implements api.Generator.
func (g generator) Submit(ctx context.Context, r engine.Request) (<-chan engine.Piece, api.Answers, error) {
	s, err := g.engine.Submit(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	return s.Pieces, s, nil
}

// answering implements api.Versions: which version answers, and of which track where the request leaves that open.
type answering struct {
	*versions
	*router
}

// admin implements api.Admin of its parts.
type admin struct {
	*Server
	*tracks
	*changes
	*nights
}

// changes changes tracks while the server runs.
type changes struct {
	versions *versions
	router   *router
}

// Change implements api.Admin.
func (c *changes) Change(ctx context.Context, o api.Order) (wire.Activated, error) {
	v, r := c.versions, c.versions.registry
	switch o.Change {
	case api.Activate:
		return v.activate(ctx, o)
	case api.Rollback:
		return v.rollback(ctx, o)
	case api.Hold:
		return v.change(ctx, o, func() (registry.Activation, error) { return r.Hold(ctx, o.Track, o.Actor, o.Reason) })
	case api.Release:
		return v.change(ctx, o, func() (registry.Activation, error) { return r.Release(ctx, o.Track, o.Actor, o.Reason) })
	case api.Create:
		return c.create(ctx, o)
	case api.Delete:
		return v.change(ctx, o, func() (registry.Activation, error) { return r.DeleteTrack(ctx, o.Track, o.Actor, o.Reason) })
	}
	return wire.Activated{}, fmt.Errorf("change track %s: there is no change %d", o.Track, o.Change)
}

// create makes a track, unless its name is that of the requests that are routed.
func (c *changes) create(ctx context.Context, o api.Order) (wire.Activated, error) {
	if o.Track == c.router.model && o.Track != "" {
		return wire.Activated{}, fmt.Errorf("create track %s: requests for that model are routed (router.model), so a track of that name could not be asked: %w", o.Track, registry.ErrExists)
	}
	return c.versions.change(ctx, o, func() (registry.Activation, error) {
		return c.versions.registry.CreateTrack(ctx, o.Track, o.Actor, o.Reason)
	})
}
