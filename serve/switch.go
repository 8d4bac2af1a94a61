package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api"
	"nightshift/serve/api/wire"
)

// activate makes a version the champion. It is loaded and tested before anything is written, so the change itself takes
// as long as writing one small file.
func (v *versions) activate(ctx context.Context, o api.Order) (wire.Activated, error) {
	ref := registry.Ref{Track: o.Track}
	if o.Number != 0 {
		var err error
		if ref, err = v.registry.Resolve(o.Track, fmt.Sprintf("@%d", o.Number)); err != nil {
			return wire.Activated{}, err
		}
	}
	pin, err := v.hold(ref)
	if err != nil {
		return wire.Activated{}, err
	}
	defer pin.Release()
	a := registry.Activation{Digest: ref.Digest, Number: ref.Number, Previous: registry.Latest, Actor: o.Actor, Reason: o.Reason}
	if o.Expect != nil {
		a.Previous = *o.Expect
	}
	return v.change(ctx, o, func() (registry.Activation, error) { return v.registry.Activate(ctx, o.Track, a) })
}

// rollback makes the champion before this one the champion again.
func (v *versions) rollback(ctx context.Context, o api.Order) (wire.Activated, error) {
	if ref, err := v.registry.Resolve(o.Track, "@prev"); err == nil {
		if pin, err := v.hold(ref); err == nil { // most likely the target: in the bank before the change is written
			defer pin.Release()
		}
	}
	return v.change(ctx, o, func() (registry.Activation, error) { return v.registry.Rollback(ctx, o.Track, o.Actor, o.Reason) })
}

// change writes an activation, serves it, and tells the other processes. Once the activation is written the change is made:
// what this server cannot serve it reports as not serving, and it tries again.
func (v *versions) change(ctx context.Context, o api.Order, write func() (registry.Activation, error)) (wire.Activated, error) {
	before, unknown := v.registry.Champion(o.Track)
	begin := time.Now()
	a, err := write()
	if err != nil && unknown == nil {
		if now, ok := inForce(v.registry, before, o.Actor, o.Reason, err); ok {
			v.log.Warn("an activation is in force, though writing it ended with an error", "track", o.Track, "activation", now.Sequence, "error", err)
			a, err = now, nil
		}
	}
	if err != nil {
		return wire.Activated{}, err
	}
	if err := v.apply(a); err != nil {
		v.log.Error("an activation is written and this server cannot serve it; the track serves what it served", "track", o.Track, "activation", a.Sequence, "error", err)
	}
	took := time.Since(begin)
	if _, err := replaystore.Send(ctx, v.control, replaystore.ActivationHint{Track: a.Track, Number: a.Sequence}); err != nil {
		v.log.Warn("other servers were not told of an activation; they find it when they look", "track", a.Track, "error", err)
	}
	l, err := v.serving(a.Track) // none for a track whose first activation cannot be served
	done := wire.Activated{Activation: a.Sequence, Serving: err == nil && l.champion == a.Champion(), SwapMS: float64(took.Microseconds()) / 1e3, Hold: a.Held}
	if ref := a.Champion(); !ref.Base() {
		done.Version = &ref.Number
	}
	return done, nil
}

// inForce reports whether an activation counts, although the error of writing it says that it failed: a disk can fail after
// the record is there. before is the track's state then; refusals of the registry leave it as it was.
func inForce(r *registry.Registry, before registry.Activation, actor, reason string, err error) (registry.Activation, bool) {
	for _, refusal := range []error{registry.ErrConflict, registry.ErrHeld, registry.ErrNotFound, registry.ErrName, registry.ErrRequest, registry.ErrCorrupt, registry.ErrExists, registry.ErrDeclared} {
		if errors.Is(err, refusal) {
			return registry.Activation{}, false
		}
	}
	now, err := r.Champion(before.Track)
	return now, err == nil && now.Sequence > before.Sequence && now.Actor == actor && now.Reason == reason
}
