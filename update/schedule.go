package update

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/schedule"
	"nightshift/update/night"
)

// scheduled lists the names of the schedules: "" is the common one, the others are tracks with settings of their own.
func (u *Updater) scheduled() []string {
	var names []string
	if u.cfg.Schedule != "" {
		names = append(names, "")
	}
	for _, track := range slices.Sorted(maps.Keys(u.cfg.Tracks)) {
		if u.cfg.Tracks[track].Schedule != "" {
			names = append(names, track)
		}
	}
	return names
}

// follow queues nights by one schedule.
func (u *Updater) follow(ctx context.Context, name string) error {
	settings := u.cfg.Settings
	if name != "" {
		settings = u.cfg.Of(name)
	}
	plan, err := planOf(settings)
	if err != nil {
		return err
	}
	for {
		due := plan.Next(u.deps.Now())
		if due.IsZero() { // a date that never comes, such as February 30
			u.deps.Log.Warn("the schedule never falls due", "schedule", settings.Schedule)
			<-ctx.Done()
			return ctx.Err()
		}
		u.deps.Log.Info("next night", "at", due, "track", name)
		if err := u.sleep(ctx, due); err != nil {
			return err
		}
		for _, track := range u.due(ctx, name) {
			u.enqueue(night.Request{Night: nightrecord.ScheduledID(due, track), Track: track, By: "schedule", Scheduled: true})
		}
	}
}

// planOf is the schedule of settings, nil for none.
func planOf(s night.Settings) (*schedule.Schedule, error) {
	if s.Schedule == "" {
		return nil, nil
	}
	zone, err := schedule.Zone(s.TimeZone)
	if err != nil {
		return nil, err
	}
	return schedule.Parse(s.Schedule, zone)
}

// due lists the tracks that a schedule is for; those of warm starts come last, since they are made of what the others remember. What was
// said on a track that was deleted waits until there is one of that name again.
func (u *Updater) due(ctx context.Context, name string) []string {
	if name != "" {
		return []string{name}
	}
	tracks, err := u.deps.Store.Tracks(ctx)
	if err != nil {
		u.deps.Log.Error("the tracks cannot be listed; only the default one has a night", "error", err)
		return []string{registry.Default}
	}
	warmStarts := u.cfg.WarmStarts()
	tracks = slices.DeleteFunc(tracks, func(track string) bool { return slices.Contains(warmStarts, track) })
	return slices.DeleteFunc(append(tracks, warmStarts...), func(track string) bool {
		_, own := u.cfg.Tracks[track]
		return own || errors.Is(u.deps.Registry.FindTrack(track), registry.ErrNotFound)
	})
}

// sleep waits until a time by the wall clock: it looks at least once a minute, since timers stand still while a machine
// is suspended.
func sleep(ctx context.Context, until time.Time) error {
	for {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(min(left, time.Minute))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
