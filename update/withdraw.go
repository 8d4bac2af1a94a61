package update

import (
	"context"
	"errors"
	"fmt"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/history"
)

// Withdraw makes the last clean version of a track's line its champion, where a tainted version serves and nobody holds the track. That is
// one activation: what else follows, the track's next night finds by it. A night that runs meanwhile is not waited for; it rests on what
// is not in force any more and will not be published.
func (u *Updater) Withdraw(ctx context.Context, track string) (history.Withdrawal, error) {
	for {
		w, next, err := u.history.Withdrawal(track, u.deps.Now())
		if err != nil || !w.Tainted || w.Held != "" {
			return w, err
		}
		a, err := u.deps.Registry.Activate(ctx, track, next)
		if ctx.Err() == nil && (errors.Is(err, registry.ErrConflict) || errors.Is(err, registry.ErrHeld)) {
			continue // the track has moved on
		}
		if err != nil {
			return w, fmt.Errorf("withdraw %s: %w", w.Champion, err)
		}
		w.Activation = a.Sequence
		u.deps.At("withdrawn")
		if _, err := replaystore.Send(ctx, u.deps.Store.Control(), replaystore.ActivationHint{Track: track, Number: a.Sequence}); err != nil {
			u.deps.Log.Warn("an activation cannot be announced; servers will see it when they look", "track", track, "error", err)
		}
		return w, nil
	}
}
