// Package update is the learning side: it decides when and where nights run, by schedules and on request, and clears up after a predecessor that
// was killed; it widens canaries or rolls them back, and takes out of service what learned from somebody who was erased.
//
// Invariants. One night runs at a time in a process, and one of a track on a registry. A night that was requested or has fallen due runs once,
// in whichever updater. What a killed one left unfinished is finished or failed before its track has another night.
// A candidate that is given to some of the people first is widened, made the champion or rolled back by a sequential test of what
// they say; what it rests on is in the registry and the store, so that any updater can go on with it.
//
// What a night is it leaves to package night. It computes nothing and serves nothing.
package update

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/night"
)

// Updater runs nights. Its methods may be called from any goroutine.
type Updater struct {
	nights  *night.Nights
	cfg     night.Config
	deps    night.Deps
	history history.History

	running sync.Mutex // held by the night that runs
	mu      sync.Mutex
	known   map[string]bool // nights that this updater asked for or took from the control stream
	queue   chan night.Request

	sleep func(ctx context.Context, until time.Time) error
}

// New makes an updater of nights and starts nothing.
func New(nights *night.Nights) *Updater {
	deps := nights.Deps()
	return &Updater{nights: nights, cfg: nights.Config(), deps: deps, history: history.Of(deps.Registry), known: map[string]bool{}, queue: make(chan night.Request, 1024), sleep: sleep}
}

// Run clears up after a predecessor that was killed, and then runs nights as they fall due or are asked for, until ctx is
// done. It returns nil then, and an error when the control stream cannot be read for good.
func (u *Updater) Run(ctx context.Context) error {
	if err := u.clearUpAll(ctx); err != nil {
		return quiet(ctx, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return u.listen(ctx) })
	group.Go(func() error { return u.work(ctx) })
	group.Go(func() error { return u.watchTrials(ctx) })
	for _, track := range u.scheduled() {
		group.Go(func() error { return u.follow(ctx, track) })
	}
	return quiet(ctx, group.Wait())
}

// quiet drops the error of a context that ended.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

// work runs the queued nights, one after the other.
func (u *Updater) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case req := <-u.queue:
			n, err := u.run(ctx, req)
			if err != nil && ctx.Err() == nil {
				u.deps.Log.Error("night failed", "night", n.ID, "track", n.Track, "error", err)
			}
		}
	}
}

// enqueue queues a night once.
func (u *Updater) enqueue(req night.Request) {
	if !u.claim(req.Night) {
		return
	}
	select {
	case u.queue <- req:
	default:
		u.deps.Log.Error("too many nights are queued; one was dropped", "night", req.Night, "track", req.Track)
	}
}

// claim says whether a night's id is new here.
func (u *Updater) claim(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known[id] {
		return false
	}
	u.known[id] = true
	return true
}

// RunNight runs one night, after those that run already, and returns its record. A candidate that the gate rejects and a
// night with nothing to do are no errors; a night that failed is, and so is, without a record, one of a track that does not exist.
func (u *Updater) RunNight(ctx context.Context, req night.Request) (nightrecord.Night, error) {
	if req.Track == "" {
		req.Track = registry.Default
	}
	if err := u.deps.Registry.FindTrack(req.Track); err != nil {
		return nightrecord.Night{ID: req.Night, Track: req.Track}, fmt.Errorf("run night: %w", err)
	}
	if req.Night == "" {
		req.Night = nightrecord.NewID(u.deps.Now())
	}
	u.claim(req.Night)
	return u.run(ctx, req)
}

// run runs a night under its track's lease.
func (u *Updater) run(ctx context.Context, req night.Request) (nightrecord.Night, error) {
	tracks, err := u.leases(req.Track)
	if err != nil {
		return nightrecord.Night{ID: req.Night, Track: req.Track}, err
	}
	unlock, err := u.exclusive(ctx, tracks...)
	if err != nil {
		return nightrecord.Night{ID: req.Night, Track: req.Track}, err
	}
	defer unlock()
	if err := errors.Join(u.clearUp(ctx, tracks...), u.clearUpOthers(ctx, tracks)); err != nil {
		return nightrecord.Night{ID: req.Night, Track: req.Track}, err
	}
	if !req.DryRun { // where nights are asked for one by one nobody else may look
		if err := u.trials().look(ctx, req.Track); err != nil {
			u.deps.Log.Warn("a trial cannot be judged now; it goes on as it is", "track", req.Track, "error", err)
		}
	}
	return u.nights.Run(ctx, req)
}

// leases are the tracks that a night of one must have for itself: the track, and those whose memory a warm start is made of.
func (u *Updater) leases(track string) ([]string, error) {
	tracks := []string{track}
	if u.cfg.Of(track).WarmStart.Track == track {
		all, err := u.deps.Registry.Tracks()
		if err != nil {
			return nil, err
		}
		tracks = append(tracks, slices.DeleteFunc(all, func(t string) bool { return u.cfg.Of(t).WarmStart.Track != track })...)
	}
	slices.Sort(tracks) // in one order, so that no two nights wait for each other
	return slices.Compact(tracks), nil
}

// exclusive waits until this process runs no night, and nobody else one of the tracks.
func (u *Updater) exclusive(ctx context.Context, tracks ...string) (unlock func(), err error) {
	u.running.Lock()
	var held []func() error
	unlock = func() {
		for _, release := range held {
			if err := release(); err != nil {
				u.deps.Log.Warn("the lease of a track cannot be released", "error", err)
			}
		}
		u.running.Unlock()
	}
	for _, track := range tracks {
		release, err := u.deps.Registry.Lease(ctx, track)
		if err != nil {
			unlock()
			return nil, err
		}
		held = append(held, release)
	}
	return unlock, nil
}

// listen takes requests from the control stream. Those that were made while no updater ran are still there.
func (u *Updater) listen(ctx context.Context) error {
	after, failures := "", 0
	for {
		signals, err := u.deps.Store.Control().Read(ctx, after, 256, 5*time.Second)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, replaystore.ErrClosed) {
				return err
			}
			failures++
			u.deps.Log.Warn("the control stream cannot be read", "error", err)
			if err := u.sleep(ctx, time.Now().Add(min(time.Minute, time.Duration(failures)*time.Second))); err != nil {
				return err
			}
			continue
		}
		failures = 0
		for _, s := range signals {
			after = s.ID
			if s.Kind == replaystore.KindNightRequest {
				u.hear(s)
			}
		}
	}
}

// hear queues one request.
func (u *Updater) hear(s replaystore.Signal) {
	var req night.Request
	r, err := replaystore.Decode[replaystore.NightRequest](s)
	if err == nil {
		req, err = night.Requested(r)
	}
	if err == nil {
		_, err = u.deps.Registry.NightDir(req.Night)
	}
	if err != nil {
		u.deps.Log.Warn("a request for a night is not understood", "signal", s.ID, "error", err)
		return
	}
	if _, found, err := u.history.Record(req.Night); found && err == nil {
		return
	}
	u.enqueue(req)
}
