// Package night is a night of a track: it selects what to learn from, writes that down, has a child process train and evaluate a candidate,
// judges it, and publishes it or says why not. It also says what the next night would find, repeats the work of an earlier one, ends
// one that was interrupted, and merges versions.
//
// Invariants. A night is a directory of frozen files: the same files give the same candidate. Nothing is activated without a verdict that
// passed; a night that is late, killed or broken changes nothing. Killing the process at any moment loses no evidence: what no finished
// night has used is used by the next one.
//
// It computes nothing itself: that is package work, in the child process. When a night is due, who else runs nights and how a canary goes on
// it does not know: that is package update, which imports this one.
package night

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

// Nights runs nights and looks at them. Its methods may be called from any goroutine; that no two nights of a track run at a time is
// up to the caller.
type Nights struct {
	cfg     Config
	deps    Deps
	history history.History
	plans   plans
}

// New makes nights and runs none.
func New(cfg Config, deps Deps) (*Nights, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := deps.complete(cfg.Settings); err != nil {
		return nil, err
	}
	if err := deps.Registry.Declare(slices.Concat(slices.Collect(maps.Keys(cfg.Tracks)), cfg.WarmStarts())...); err != nil {
		return nil, fmt.Errorf("configure updater: %w", err)
	}
	return &Nights{cfg: cfg, deps: deps, history: history.Of(deps.Registry)}, nil
}

// Config is what was given, with what was left out filled in.
func (ns *Nights) Config() Config { return ns.cfg }

// Deps are those that were given, with what was left out filled in.
func (ns *Nights) Deps() Deps { return ns.deps }

// Run runs the night of a request, which has an id and a track, and returns its record. It is called under the leases of the track and
// of those whose memory it reads. A night that others may run, too, and that has a record is left alone. A candidate that the gate
// rejects and a night with nothing to do are no errors; a night that failed is.
func (ns *Nights) Run(ctx context.Context, req Request) (nightrecord.Night, error) {
	before, found, err := ns.history.Record(req.Night)
	if err != nil {
		return before, err
	}
	if found && (req.Scheduled || req.announced || before.State != nightrecord.Failed) {
		return before, nil
	}
	err = ns.deps.Registry.CreateNight(req.Night)
	switch {
	case err == nil:
	case !errors.Is(err, registry.ErrExists):
		return nightrecord.Night{ID: req.Night, Track: req.Track}, err
	case req.Scheduled: // a lease does not hold on every shared file system; that a directory is made once does
		ns.deps.Log.Info("another updater has this night", "night", req.Night, "track", req.Track)
		return nightrecord.Night{ID: req.Night, Track: req.Track}, nil
	}
	return ns.night(req).run(ctx)
}
