package update

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/update/history"
)

// Nights runs nights and looks at them. It must be called for one night of a track at a time; looking is free.
type Nights struct {
	cfg     Config
	deps    Deps
	history history.History
	plans   plans
}

// NewNights makes nights and runs none.
func NewNights(cfg Config, deps Deps) (*Nights, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := deps.complete(cfg.Settings); err != nil {
		return nil, err
	}
	if err := deps.Registry.Declare(slices.Concat(slices.Collect(maps.Keys(cfg.Tracks)), cfg.Initials())...); err != nil {
		return nil, fmt.Errorf("configure updater: %w", err)
	}
	return &Nights{cfg: cfg, deps: deps, history: history.Of(deps.Registry)}, nil
}

// Config is what was given, with what was left out filled in.
func (ns *Nights) Config() Config { return ns.cfg }

// Deps are those that were given, with what was left out filled in.
func (ns *Nights) Deps() Deps { return ns.deps }

// Run runs the night of a request, which has an id and a track, and returns its record. It is called under the leases of the track and
// of those whose memory it reads. A night that came from elsewhere than a caller and has a record is left alone. A candidate that the gate
// rejects and a night with nothing to do are no errors; a night that failed is.
func (ns *Nights) Run(ctx context.Context, req Request) (nightrecord.Night, error) {
	before, found, err := ns.history.Record(req.Night)
	if err != nil {
		return before, err
	}
	if found && (req.From != FromCaller || before.State != nightrecord.Failed) {
		return before, nil
	}
	err = ns.deps.Registry.CreateNight(req.Night)
	switch {
	case err == nil:
	case !errors.Is(err, registry.ErrExists):
		return nightrecord.Night{ID: req.Night, Track: req.Track}, err
	case req.From == FromSchedule: // a lease does not hold on every shared file system; that a directory is made once does
		ns.deps.Log.Info("another updater has this night", "night", req.Night, "track", req.Track)
		return nightrecord.Night{ID: req.Night, Track: req.Track}, nil
	}
	return ns.night(req).run(ctx)
}
