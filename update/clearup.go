package update

import (
	"context"
	"fmt"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
)

// clearUp finishes or fails the nights that a killed updater left unfinished. It is called under the lock: no night runs. A
// night that cannot be cleared up stops its own track, whose next night would use its evidence again, and no other.
func (u *Updater) clearUp(ctx context.Context, track string) error {
	nights, err := u.deps.Registry.ListNights()
	if err != nil {
		return err
	}
	for _, id := range nights {
		n, found, err := u.history.Record(id)
		if err != nil {
			u.deps.Log.Warn("the record of a night cannot be read", "night", id, "error", err)
			continue
		}
		if !found || n.State.Final() || n.State == nightrecord.Queued {
			continue
		}
		if err := u.clearUpNight(ctx, n); err != nil {
			if n.Track == track || ctx.Err() != nil {
				return fmt.Errorf("clear up night %s: %w", id, err)
			}
			u.deps.Log.Error("an interrupted night cannot be cleared up; its track learns nothing until it is", "night", id, "track", n.Track, "error", err)
		}
	}
	return nil
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
