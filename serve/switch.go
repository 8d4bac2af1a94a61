package serve

import (
	"context"
	"fmt"
	"time"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api"
)

// Activate implements api.Switch. The version is loaded and tested before anything is written, so the change itself takes
// as long as writing one small file.
func (v *versions) Activate(ctx context.Context, o api.ActivationOrder) (api.Activated, error) {
	ref := registry.Ref{Track: o.Track}
	if o.Number != 0 {
		var err error
		if ref, err = v.registry.Resolve(o.Track, fmt.Sprintf("@%d", o.Number)); err != nil {
			return api.Activated{}, err
		}
	}
	pin, err := v.hold(ref)
	if err != nil {
		return api.Activated{}, err
	}
	defer pin.Release()
	a := registry.Activation{Digest: ref.Digest, Number: ref.Number, Previous: registry.Latest, Actor: o.Actor, Reason: o.Reason}
	if o.Expect != nil {
		a.Previous = *o.Expect
	}
	return v.change(ctx, func() (registry.Activation, error) { return v.registry.Activate(ctx, o.Track, a) })
}

// Rollback implements api.Switch.
func (v *versions) Rollback(ctx context.Context, track, actor, reason string) (api.Activated, error) {
	if ref, err := v.registry.Resolve(track, "@prev"); err == nil {
		if pin, err := v.hold(ref); err == nil { // most likely the target: in the bank before the change is written
			defer pin.Release()
		}
	}
	return v.change(ctx, func() (registry.Activation, error) { return v.registry.Rollback(ctx, track, actor, reason) })
}

// Hold implements api.Switch.
func (v *versions) Hold(ctx context.Context, track, actor, reason string, hold bool) (api.Activated, error) {
	return v.change(ctx, func() (registry.Activation, error) {
		if hold {
			return v.registry.Hold(ctx, track, actor, reason)
		}
		return v.registry.Release(ctx, track, actor, reason)
	})
}

// change writes an activation, serves it, and tells the other processes.
func (v *versions) change(ctx context.Context, write func() (registry.Activation, error)) (api.Activated, error) {
	begin := time.Now()
	a, err := write()
	if err != nil {
		return api.Activated{}, err
	}
	if err := v.apply(a); err != nil {
		return api.Activated{}, fmt.Errorf("activation %d is written but this server cannot serve it: %w", a.Sequence, err)
	}
	took := time.Since(begin)
	if _, err := replaystore.Send(ctx, v.control, replaystore.ActivationHint{Track: a.Track, Number: a.Sequence}); err != nil {
		v.log.Warn("other servers were not told of an activation; they find it when they look", "track", a.Track, "error", err)
	}
	l, err := v.serving(a.Track)
	if err != nil {
		return api.Activated{}, err
	}
	done := api.Activated{Activation: a.Sequence, Serving: l.champion == a.Champion(), SwapMS: float64(took.Microseconds()) / 1e3, Hold: a.Held}
	if ref := a.Champion(); !ref.Base() {
		done.Version = &ref.Number
	}
	return done, nil
}
