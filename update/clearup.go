package update

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
)

// clearUpAll clears up every track that has an unfinished night. One that cannot be cleared up stops its own track and no other.
func (u *Updater) clearUpAll(ctx context.Context) error {
	nights, err := u.unfinished()
	if err != nil {
		return err
	}
	tracks := map[string]bool{}
	for _, n := range nights {
		tracks[n.Track] = true
	}
	for _, track := range slices.Sorted(maps.Keys(tracks)) {
		unlock, err := u.exclusive(ctx, track)
		if err == nil {
			err = u.clearUp(ctx, track)
			unlock()
		}
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			u.deps.Log.Error("an interrupted night cannot be cleared up; its track learns nothing until it is", "track", track, "error", err)
		}
	}
	return nil
}

// clearUpOthers clears up the tracks but some that have an unfinished night and that nobody runs a night of. It is called by who runs a night.
func (u *Updater) clearUpOthers(ctx context.Context, than []string) error {
	nights, err := u.unfinished()
	if err != nil {
		return err
	}
	for _, n := range nights {
		if slices.Contains(than, n.Track) {
			continue
		}
		release, err := u.deps.Registry.TryLease(n.Track)
		if errors.Is(err, registry.ErrLeased) {
			continue
		}
		if err == nil {
			err = errors.Join(u.clearUp(ctx, n.Track), release())
		}
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			u.deps.Log.Error("an interrupted night cannot be cleared up; its track learns nothing until it is", "track", n.Track, "error", err)
		}
	}
	return nil
}

// clearUp finishes or fails the nights of tracks that a killed updater left unfinished. It is called under their leases: none of them
// runs. One that cannot be cleared up stops the track, whose next night would use its evidence again.
func (u *Updater) clearUp(ctx context.Context, tracks ...string) error {
	nights, err := u.unfinished()
	if err != nil {
		return err
	}
	for _, n := range nights {
		if !slices.Contains(tracks, n.Track) {
			continue
		}
		if err := u.nights.Finish(ctx, n); err != nil {
			return fmt.Errorf("clear up night %s: %w", n.ID, err)
		}
	}
	return nil
}

// unfinished are the records of nights that were begun and have not ended.
func (u *Updater) unfinished() ([]nightrecord.Night, error) {
	ids, err := u.deps.Registry.ListNights()
	if err != nil {
		return nil, err
	}
	var list []nightrecord.Night
	for _, id := range ids {
		n, found, err := u.history.Record(id)
		if err != nil {
			u.deps.Log.Warn("the record of a night cannot be read", "night", id, "error", err)
			continue
		}
		if found && !n.State.Final() && n.State != nightrecord.Queued {
			list = append(list, n)
		}
	}
	return list, nil
}
