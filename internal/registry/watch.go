package registry

import (
	"context"
	"fmt"
	"time"
)

// Change is an activation that came into force, or the reason why the latest one of a track cannot be used.
type Change struct {
	Track      string
	Activation Activation
	Err        error // the state before stays in force
}

// Watcher remembers what it has told. It serves one goroutine.
type Watcher struct {
	registry *Registry
	seen     map[string]int    // track → sequence last told
	failed   map[string]string // track → error last told
}

// Watcher returns a watcher that has told nothing yet: its first Poll returns the state of every track that has an activation.
func (r *Registry) Watcher() *Watcher {
	return &Watcher{registry: r, seen: map[string]int{}, failed: map[string]string{}}
}

// Poll returns what changed since the last Poll, in the order of track names: only the latest activation of a track, and each
// failure once. Its cost without news is a few system calls a track.
func (w *Watcher) Poll() ([]Change, error) {
	tracks, err := w.registry.Tracks()
	if err != nil {
		return nil, fmt.Errorf("poll registry: %w", err)
	}
	var changes []Change
	for _, track := range tracks {
		last, err := w.registry.last(w.registry.trackDir(track, "activations"))
		if err == nil && last == w.seen[track] && w.failed[track] == "" {
			continue
		}
		a, err := w.registry.Champion(track)
		if err != nil {
			if text := err.Error(); text != w.failed[track] {
				w.failed[track] = text
				changes = append(changes, Change{Track: track, Activation: a, Err: err})
			}
			continue
		}
		delete(w.failed, track)
		if a.Sequence != w.seen[track] {
			w.seen[track] = a.Sequence
			changes = append(changes, Change{Track: track, Activation: a})
		}
	}
	return changes, nil
}

// Watch polls at once, then every interval and at every hint (a nil channel gives none), and calls tell from its own goroutine
// with whatever is new, until ctx is done or tell returns an error. Polling is the truth; hints only make it faster. A poll that
// fails is told as a change without a track.
func (r *Registry) Watch(ctx context.Context, interval time.Duration, hints <-chan struct{}, tell func(Change) error) error {
	if interval <= 0 {
		return fmt.Errorf("watch registry: interval %v: want more than 0: %w", interval, ErrRequest)
	}
	w := r.Watcher()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		changes, err := w.Poll()
		if err != nil {
			changes = []Change{{Err: err}}
		}
		for _, c := range changes {
			if err := tell(c); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case _, open := <-hints:
			if !open {
				hints = nil
			}
		}
	}
}
