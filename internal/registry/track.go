package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"nightshift/internal/nearest"
)

// CheckTrack reports whether track is a name that a track can have.
func CheckTrack(track string) error {
	if !trackName.MatchString(track) {
		return refused(ErrName, "%q is no name of a track: want 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit", track)
	}
	return nil
}

// Declare adds tracks that exist for this Registry whatever the directory says, as Default does: those that a configuration names.
func (r *Registry) Declare(tracks ...string) error {
	for _, track := range tracks {
		if err := CheckTrack(track); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, track := range tracks {
		r.declared[track] = true
	}
	return nil
}

// Declared reports whether a track exists whatever the directory says.
func (r *Registry) Declared(track string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.declared[track]
}

// EveryTrack returns the tracks that exist and those that were deleted, sorted: the versions of both are there.
func (r *Registry) EveryTrack() ([]string, error) {
	entries, err := r.list("tracks")
	if err != nil {
		return nil, fmt.Errorf("list tracks: %w", err)
	}
	r.mu.Lock()
	var tracks []string
	for track := range r.declared {
		tracks = append(tracks, track)
	}
	r.mu.Unlock()
	for _, e := range entries {
		if e.IsDir() && trackName.MatchString(e.Name()) {
			tracks = append(tracks, e.Name())
		}
	}
	slices.Sort(tracks)
	return slices.Compact(tracks), nil
}

// Tracks returns the tracks that exist, sorted: Default, those that were declared, and those that have a version or an activation and
// were not deleted.
func (r *Registry) Tracks() ([]string, error) {
	every, err := r.EveryTrack()
	if err != nil {
		return nil, err
	}
	var tracks []string
	for _, track := range every {
		exists, err := r.exists(track)
		if err != nil {
			return nil, fmt.Errorf("list tracks: %w", err)
		}
		if exists {
			tracks = append(tracks, track)
		}
	}
	return tracks, nil
}

// FindTrack returns an error that wraps ErrNotFound, and asks whether the nearest name was meant, where there is no such track.
func (r *Registry) FindTrack(track string) error {
	if err := CheckTrack(track); err != nil {
		return err
	}
	exists, err := r.exists(track)
	if err != nil {
		return fmt.Errorf("find track %s: %w", track, err)
	}
	if exists {
		return nil
	}
	others, err := r.Tracks()
	if err != nil {
		return err
	}
	return refusal{ErrNoTrack, "there is no track " + track + nearest.Question(track, others)}
}

// exists reports whether there is a track of that name. One whose newest activation cannot be read exists.
func (r *Registry) exists(track string) (bool, error) {
	if r.Declared(track) {
		return true, nil
	}
	activations, err := r.last(r.trackDir(track, "activations"))
	if err != nil || activations > 0 {
		return err == nil && !r.ends(track, activations), err
	}
	versions, err := r.last(r.trackDir(track, "versions"))
	return versions > 0, err
}

// ends reports whether an activation deletes its track. Activations are immutable, so what was read of the newest one is remembered.
func (r *Registry) ends(track string, sequence int) bool {
	r.mu.Lock()
	known, ok := r.newest[track]
	r.mu.Unlock()
	if ok && known.sequence == sequence {
		return known.deleted
	}
	a, err := r.activation(track, sequence)
	if err != nil {
		return false
	}
	r.mu.Lock()
	r.newest[track] = ending{sequence, a.Deleted}
	r.mu.Unlock()
	return a.Deleted
}

// ending is what is remembered of a track's newest activation.
type ending struct {
	sequence int
	deleted  bool
}

// CreateTrack makes a track whose champion is the base model. One that was deleted comes back with its versions, none of which serves. A
// track that exists is ErrExists.
func (r *Registry) CreateTrack(ctx context.Context, track, actor, reason string) (Activation, error) {
	written, err := r.append(ctx, track, Latest, actor, func(Activation) (Activation, error) {
		exists, err := r.exists(track)
		if err == nil && exists {
			err = cmp.Or(r.settle(track), refused(ErrExists, "there is a track %s already", track))
		}
		return Activation{Reason: reason}, err
	})
	if err != nil {
		return Activation{}, within(err, "create track %s", track)
	}
	return written, nil
}

// DeleteTrack ends a track: it is not listed, serves nothing, and no version can be put there, until it is created again. Its versions and
// activations stay as records. Default and tracks that were declared stay (ErrDeclared). Only a person can delete a track; a hold is no
// hindrance.
func (r *Registry) DeleteTrack(ctx context.Context, track, actor, reason string) (Activation, error) {
	written, err := r.append(ctx, track, Latest, actor, func(Activation) (Activation, error) {
		if err := r.FindTrack(track); err != nil {
			return Activation{}, cmp.Or(r.settle(track), err)
		}
		switch {
		case !Human(actor):
			return Activation{}, fmt.Errorf("actor %q is no person: %w", actor, ErrRequest)
		case track == Default:
			return Activation{}, refused(ErrDeclared, "track %s cannot be deleted: it is there always", track)
		case r.Declared(track):
			return Activation{}, refused(ErrDeclared, "track %s cannot be deleted: the configuration names it; take it out there first", track)
		}
		return Activation{Deleted: true, Reason: reason}, nil
	})
	if err != nil {
		return Activation{}, within(err, "delete track %s", track)
	}
	return written, nil
}

// settle makes durable what says that a track exists, or not: whoever wrote it may have died before that.
func (r *Registry) settle(track string) error {
	if err := r.files.Sync(r.trackDir(track, "activations")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
