package update

import (
	"context"
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
		if err != nil {
			return err
		}
		err = u.clearUp(ctx, track)
		unlock()
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			u.deps.Log.Error("an interrupted night cannot be cleared up; its track learns nothing until it is", "track", track, "error", err)
		}
	}
	return nil
}

// clearUp finishes or fails the nights of a track that a killed updater left unfinished. It is called under the track's lease: none of them
// runs. One that cannot be cleared up stops the track, whose next night would use its evidence again.
func (u *Updater) clearUp(ctx context.Context, track string) error {
	nights, err := u.unfinished()
	if err != nil {
		return err
	}
	for _, n := range nights {
		if n.Track != track {
			continue
		}
		if err := u.clearUpNight(ctx, n); err != nil {
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

// clearUpNight ends one unfinished night: as published when its activation was written, else as failed.
func (u *Updater) clearUpNight(ctx context.Context, record nightrecord.Night) error {
	n := u.night(Request{Night: record.ID, Track: record.Track, By: record.By, DryRun: record.DryRun})
	n.log.night = record
	activation, found, err := u.activated(record.Track, record.ID)
	if err != nil {
		return err
	}
	if !found {
		u.deps.Log.Warn("a night was interrupted", "night", record.ID, "track", record.Track, "state", record.State)
		return n.log.end(ctx, nightrecord.Failed, "interrupted: the updater was stopped while the night was "+string(record.State)+"; nothing was changed")
	}
	items, err := n.thaw()
	if err != nil {
		return err
	}
	return n.settle(ctx, items, activation)
}

// activated finds the activation that a night led to.
func (u *Updater) activated(track, night string) (registry.Activation, bool, error) {
	list, err := u.deps.Registry.Activations(track)
	for _, a := range list {
		if a.Night == night && !registry.Human(a.Actor) {
			return a, true, nil
		}
	}
	return registry.Activation{}, false, err
}
