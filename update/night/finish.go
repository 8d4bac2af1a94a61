package night

import (
	"context"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
)

// Finish ends a night that a killed process left unfinished, by its record: as published when its activation was written, else as failed. It
// is called under the lease of the night's track.
func (ns *Nights) Finish(ctx context.Context, record nightrecord.Night) error {
	n := ns.night(Request{Night: record.ID, Track: record.Track, By: record.By, DryRun: record.DryRun})
	n.log.night = record
	activation, found, err := ns.activated(record.Track, record.ID)
	if err != nil {
		return err
	}
	if !found {
		ns.deps.Log.Warn("a night was interrupted", "night", record.ID, "track", record.Track, "state", record.State)
		return n.log.end(ctx, nightrecord.Failed, "interrupted: the updater was stopped while the night was "+string(record.State)+"; nothing was changed")
	}
	items, err := n.thaw()
	if err != nil {
		return err
	}
	return n.settle(ctx, items, activation)
}

// activated finds the activation that a night led to.
func (ns *Nights) activated(track, night string) (registry.Activation, bool, error) {
	list, err := ns.deps.Registry.Activations(track)
	for _, a := range list {
		if a.Night == night && !registry.Human(a.Actor) {
			return a, true, nil
		}
	}
	return registry.Activation{}, false, err
}
