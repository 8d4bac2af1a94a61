package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
)

// Waits before a failed activation is tried again: it doubles from the first to the last.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// loadAll brings every track's champion into service. A champion that is not sound leaves the track with the newest
// earlier version that is; it is an error only when the registry cannot be read at all.
func (v *versions) loadAll(ctx context.Context) error {
	changes, err := v.watcher.Poll()
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		v.serve(c)
	}
	if err := v.matchTracks(); err != nil {
		return err
	}
	v.loaded.Store(true)
	return nil
}

// poll serves what is new in the registry.
func (v *versions) poll(ctx context.Context) {
	changes, err := v.watcher.Poll()
	if err != nil {
		v.log.Error("the registry cannot be read", "error", err)
		return
	}
	for _, c := range changes {
		v.serve(c)
	}
	v.retry(time.Now())
	if err := v.matchTracks(); err != nil && ctx.Err() == nil {
		v.log.Error("the registry cannot be read", "error", err)
	}
}

// catchUp serves a track's newest activation at once, unless that was tried and failed: then it is tried again in its time.
func (v *versions) catchUp(track string) {
	a, err := v.registry.Champion(track)
	if err != nil {
		return // the next poll tells
	}
	v.mu.Lock()
	r, tried := v.failing[track]
	v.mu.Unlock()
	if tried && r.activation.Sequence == a.Sequence {
		return
	}
	if err := v.apply(a); err != nil {
		v.log.Error("an activation cannot be served; the track serves what it served", "track", track, "activation", a.Sequence, "error", err)
	}
}

// matchTracks gives tracks without an activation the base model, and ends the lines of those that were deleted.
func (v *versions) matchTracks() error {
	v.mu.Lock() // before the tracks are read: one that is made meanwhile has its line after this
	defer v.mu.Unlock()
	names, err := v.registry.Tracks()
	if err != nil {
		return err
	}
	for _, track := range names {
		if _, ok := (*v.lines.Load())[track]; !ok {
			v.publish(track, line{activation: registry.Activation{Track: track}, champion: registry.Ref{Track: track}})
		}
	}
	for track := range *v.lines.Load() {
		if !slices.Contains(names, track) {
			v.drop(track)
		}
	}
	return nil
}

// serve acts on a change of the registry.
func (v *versions) serve(c registry.Change) {
	if c.Err != nil {
		v.log.Error("an activation cannot be read; the track serves what it served", "track", c.Track, "error", c.Err)
		if c.Track != "" {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.refuse(c.Track, c.Err)
		}
		return
	}
	if err := v.apply(c.Activation); err != nil {
		v.log.Error("an activation cannot be served; the track serves what it served", "track", c.Track, "activation", c.Activation.Sequence, "error", err)
	}
}

// apply makes an activation the track's line. On failure the line stays, the reason is shown, and it is tried again.
func (v *versions) apply(a registry.Activation) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	old, served := (*v.lines.Load())[a.Track]
	if served && old.activation.Sequence >= a.Sequence {
		return nil
	}
	if a.Deleted && !v.registry.Declared(a.Track) {
		v.drop(a.Track)
		return nil
	}
	begin := time.Now()
	l, err := v.prepare(a)
	v.metrics.swapped(a.Track, time.Since(begin), err)
	if err != nil {
		r := v.failing[a.Track]
		if r.activation.Sequence != a.Sequence {
			r = retry{activation: a, wait: firstRetry}
		} else {
			r.wait = min(2*r.wait, lastRetry)
		}
		r.at = time.Now().Add(r.wait)
		v.failing[a.Track] = r
		v.refuse(a.Track, err)
		return err
	}
	delete(v.failing, a.Track)
	v.publish(a.Track, l)
	v.log.Info("a version serves", "track", a.Track, "version", l.champion.String(), "activation", a.Sequence, "share", l.share)
	return nil
}

// prepare pins what an activation names.
func (v *versions) prepare(a registry.Activation) (line, error) {
	l := line{activation: a, champion: a.Champion()}
	pin, err := v.hold(l.champion)
	if err != nil {
		return line{}, err
	}
	l.pins = append(l.pins, pin)
	canary, ok := a.Canary()
	if !ok {
		return l, nil
	}
	if pin, err = v.hold(canary); err != nil {
		l.problem = "its canary is not served: " + err.Error()
		return l, nil //nolint:nilerr // the champion is not to blame
	}
	l.candidate, l.share = canary, a.Share
	l.pins = append(l.pins, pin)
	return l, nil
}

// refuse shows why the newest activation of a track is not served. A track that serves nothing yet gets the newest
// earlier version that is sound, in the end the base model. v.mu is held.
func (v *versions) refuse(track string, cause error) {
	l, ok := (*v.lines.Load())[track]
	if !ok {
		l = v.fallback(track)
	}
	l.problem = cause.Error()
	v.publish(track, l)
}

// fallback finds the newest activation whose champion can be served.
func (v *versions) fallback(track string) line {
	all, err := v.registry.Activations(track)
	if err != nil {
		v.log.Error("activations are damaged", "track", track, "error", err)
	}
	tried := map[string]bool{}
	for _, a := range slices.Backward(all) {
		if tried[a.Digest] {
			continue
		}
		tried[a.Digest] = true
		if pin, err := v.hold(a.Champion()); err == nil {
			v.log.Warn("a track serves an earlier version", "track", track, "version", a.Champion().String())
			return line{activation: a, champion: a.Champion(), pins: []*engine.Pin{pin}}
		}
	}
	return line{activation: registry.Activation{Track: track}, champion: registry.Ref{Track: track}}
}

// retry tries the failed activations again whose time has come.
func (v *versions) retry(now time.Time) {
	v.mu.Lock()
	var due []registry.Activation
	for _, r := range v.failing {
		if !r.at.After(now) {
			due = append(due, r.activation)
		}
	}
	v.mu.Unlock()
	for _, a := range due {
		if err := v.apply(a); err != nil && !errors.Is(err, context.Canceled) {
			v.log.Warn("an activation still cannot be served", "track", a.Track, "activation", a.Sequence, "error", err)
		}
	}
}

// serving returns the line of a track.
func (v *versions) serving(track string) (line, error) {
	l, ok := (*v.lines.Load())[track]
	if !ok {
		return line{}, fmt.Errorf("track %s: %w", track, registry.ErrNotFound)
	}
	return l, nil
}
