package serve

import (
	"context"
	"fmt"

	"nightshift/internal/registry"
)

// catalog makes tracks and deletes them while the server runs.
type catalog struct {
	versions *versions
	router   *router
}

// Create implements api.Catalog.
func (c *catalog) Create(ctx context.Context, track, actor, reason string) error {
	if track == c.router.model && track != "" {
		return fmt.Errorf("create track %s: requests for that model are routed (router.model), so a track of that name could not be asked: %w", track, registry.ErrExists)
	}
	_, err := c.versions.change(ctx, track, actor, reason, func() (registry.Activation, error) {
		return c.versions.registry.CreateTrack(ctx, track, actor, reason)
	})
	return err
}

// Delete implements api.Catalog.
func (c *catalog) Delete(ctx context.Context, track, actor, reason string) (int, error) {
	done, err := c.versions.change(ctx, track, actor, reason, func() (registry.Activation, error) {
		return c.versions.registry.DeleteTrack(ctx, track, actor, reason)
	})
	return done.Activation, err
}
