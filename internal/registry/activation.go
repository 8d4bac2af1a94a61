package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Updater is the actor of what no person decided. Actors that begin with "updater/" are no persons either; all others are.
const Updater = "updater"

// Eraser is the actor of activations that take versions out of service which learned from somebody who was forgotten. It is no person: it
// holds nothing, and a hold goes first. A rollback does not lead back to what it replaced.
const Eraser = Updater + "/forget"

// Human reports whether an actor is a person.
func Human(actor string) bool { return actor != Updater && !strings.HasPrefix(actor, Updater+"/") }

// Latest as Activation.Previous means: whatever the track's state is. For people; an updater names what it decided on.
const Latest = -1

// Activation is the whole state of a track from one moment on. It is immutable: a canary step, a rollback, a hold and a
// release are one more activation each.
type Activation struct {
	Sequence        int       `json:"sequence"` // 1, 2, …; 0 is the state before the first: the base model
	Track           string    `json:"track"`
	Digest          string    `json:"digest"`                     // the champion, "" the base model
	Number          int       `json:"number"`                     // of the champion in its track, 0 the base model
	Candidate       string    `json:"candidate,omitempty"`        // digest of the version in canary, "" none
	CandidateNumber int       `json:"candidate_number,omitempty"` // of the candidate in its track
	Share           float64   `json:"share,omitempty"`            // of traffic for the candidate, in (0, 1) while there is one
	Previous        int       `json:"previous"`                   // the sequence that this one was decided on and follows
	Held            bool      `json:"held,omitempty"`             // only a person may write the next one
	Deleted         bool      `json:"deleted,omitempty"`          // the track has ended; only CreateTrack writes the next one
	Reason          string    `json:"reason,omitempty"`
	Actor           string    `json:"actor"`
	Night           string    `json:"night,omitempty"` // the night that led to it
	Time            time.Time `json:"time"`            // set where zero
}

// damaged reports whether this stands for a record that cannot be read: every one that can has an actor.
func (a Activation) damaged() bool { return a.Sequence > 0 && a.Actor == "" }

// Champion returns the version that serves the track.
func (a Activation) Champion() Ref {
	return Ref{Track: a.Track, Number: a.Number, Digest: a.Digest}
}

// Canary returns the version on trial; ok says whether there is one.
func (a Activation) Canary() (ref Ref, ok bool) {
	return Ref{Track: a.Track, Number: a.CandidateNumber, Digest: a.Candidate}, a.Candidate != ""
}

// Activate writes the next activation of the track and returns it as written.
//
// a.Previous names the sequence that the decision rests on (0 before the first one, Latest for any). Where the track has
// moved on, and where another activation takes the number first, the error wraps ErrConflict and nothing is written. An error
// of the disk leaves open whether the activation is in force: ask Champion. A number left 0 is filled in; the versions named must be whole and numbered in this track. While the track is held, only a person
// can activate (ErrHeld otherwise), and the hold stays.
func (r *Registry) Activate(ctx context.Context, track string, a Activation) (Activation, error) {
	written, err := r.change(ctx, track, a.Previous, a.Actor, func(current Activation) (Activation, error) {
		next := a
		next.Held = current.Held
		return next, nil
	})
	if err != nil {
		return Activation{}, within(err, "activate in track %s", track)
	}
	return written, nil
}

// Rollback ends a canary if there is one; otherwise it activates the version of the last activation that named a different
// one, which may be the base model. A rollback by a person holds the track.
func (r *Registry) Rollback(ctx context.Context, track, actor, reason string) (Activation, error) {
	written, err := r.change(ctx, track, Latest, actor, func(current Activation) (Activation, error) {
		target := current.Champion()
		if _, canary := current.Canary(); !canary {
			var err error
			if target, err = r.before(current); err != nil {
				return Activation{}, err
			}
		}
		return Activation{Digest: target.Digest, Number: target.Number, Held: current.Held || Human(actor), Reason: reason}, nil
	})
	if err != nil {
		return Activation{}, within(err, "roll back track %s", track)
	}
	return written, nil
}

// Hold freezes the track: the champion stays, a running canary ends, and until Release only people activate. Where the record
// of what serves is damaged (ErrCorrupt), neither can say what is to stay: a person activates a version or rolls back.
func (r *Registry) Hold(ctx context.Context, track, actor, reason string) (Activation, error) {
	return r.hold(ctx, track, actor, reason, true)
}

// Release ends a hold. Only a person can.
func (r *Registry) Release(ctx context.Context, track, actor, reason string) (Activation, error) {
	return r.hold(ctx, track, actor, reason, false)
}

// errUnchanged ends a change that has nothing to write.
var errUnchanged = errors.New("unchanged")

func (r *Registry) hold(ctx context.Context, track, actor, reason string, held bool) (Activation, error) {
	verb := map[bool]string{true: "hold", false: "release"}[held]
	var found Activation
	written, err := r.change(ctx, track, Latest, actor, func(current Activation) (Activation, error) {
		if current.damaged() {
			return Activation{}, fmt.Errorf("activation %d is damaged, so nobody knows which version is to stay; activate one, or roll back: %w", current.Sequence, ErrCorrupt)
		}
		if current.Held == held {
			found = current
			return Activation{}, errUnchanged
		}
		return Activation{Digest: current.Digest, Number: current.Number, Held: held, Reason: reason}, nil
	})
	if errors.Is(err, errUnchanged) {
		return found, nil
	}
	if err != nil {
		return Activation{}, within(err, "%s track %s", verb, track)
	}
	return written, nil
}

// change writes what next makes of the current activation of a track that exists.
func (r *Registry) change(ctx context.Context, track string, previous int, actor string, next func(current Activation) (Activation, error)) (Activation, error) {
	return r.append(ctx, track, previous, actor, func(current Activation) (Activation, error) {
		if err := r.FindTrack(track); err != nil {
			return Activation{}, err
		}
		return next(current)
	})
}

// append writes what next makes of the current activation. With Latest it tries again until no other is faster.
func (r *Registry) append(ctx context.Context, track string, previous int, actor string, next func(current Activation) (Activation, error)) (Activation, error) {
	if err := CheckTrack(track); err != nil {
		return Activation{}, err
	}
	if actor == "" {
		return Activation{}, fmt.Errorf("actor: want the name of a person, or %q: %w", Updater, ErrRequest)
	}
	for {
		if err := ctx.Err(); err != nil {
			return Activation{}, err
		}
		current, err := r.Champion(track)
		if errors.Is(err, ErrCorrupt) && Human(actor) && previous == Latest {
			// A person repairs: the damaged record counts as held.
			current.Held, err = true, nil
		}
		if err != nil {
			return Activation{}, err
		}
		if previous != Latest && previous != current.Sequence {
			return Activation{}, fmt.Errorf("decided on activation %d, the track is at %d: %w", previous, current.Sequence, ErrConflict)
		}
		if current.Held && !Human(actor) {
			return Activation{}, fmt.Errorf("activation %d: %w", current.Sequence, ErrHeld)
		}
		a, err := next(current)
		if err != nil {
			return Activation{}, err
		}
		a.Track, a.Sequence, a.Previous, a.Actor = track, current.Sequence+1, current.Sequence, actor
		err = r.writeActivation(&a)
		switch {
		case err == nil:
			return a, nil
		case !errors.Is(err, fs.ErrExist):
			return Activation{}, err
		case previous != Latest:
			return Activation{}, fmt.Errorf("activation %d was written by another: %w", a.Sequence, ErrConflict)
		}
	}
}

// writeActivation completes an activation and writes it under its number; an error that wraps fs.ErrExist says that another has that.
func (r *Registry) writeActivation(a *Activation) error {
	if a.Time.IsZero() {
		a.Time = r.now().UTC()
	}
	if err := r.complete(a); err != nil {
		return err
	}
	data, err := encodeRecord(a)
	if err != nil {
		return err
	}
	dir, err := r.makeDirs("tracks", a.Track, "activations")
	if err != nil {
		return err
	}
	return r.files.WriteExclusive(recordPath(dir, a.Sequence), data, fileMode)
}

// complete checks an activation and fills in its numbers.
func (r *Registry) complete(a *Activation) error {
	if a.Candidate == "" && (a.Share != 0 || a.CandidateNumber != 0) {
		return fmt.Errorf("share %v without a candidate: %w", a.Share, ErrRequest)
	}
	if a.Candidate != "" && !(a.Share > 0 && a.Share < 1) {
		return fmt.Errorf("share %v for a candidate: want more than 0 and less than 1: %w", a.Share, ErrRequest)
	}
	if a.Candidate != "" && a.Candidate == a.Digest {
		return fmt.Errorf("candidate %s is the champion: %w", a.Candidate, ErrRequest)
	}
	var err error
	if a.Number, err = r.numberOf(a.Track, a.Digest, a.Number); err != nil {
		return err
	}
	a.CandidateNumber, err = r.numberOf(a.Track, a.Candidate, a.CandidateNumber)
	return err
}

// numberOf checks that a digest is whole and has the number in the track; number 0 looks it up.
func (r *Registry) numberOf(track, digest string, number int) (int, error) {
	if digest == "" {
		if number != 0 {
			return 0, fmt.Errorf("version %s@%d without a digest: %w", track, number, ErrRequest)
		}
		return 0, nil
	}
	if _, _, _, err := r.read(digest); err != nil {
		return 0, err
	}
	if number != 0 {
		ref, err := r.numbered(track, number)
		if err == nil && ref.Digest != digest {
			err = fmt.Errorf("version %s is %s, not %s: %w", ref, ref.Digest, digest, ErrRequest)
		}
		return number, err
	}
	refs, err := r.Versions(track)
	for i := len(refs) - 1; i >= 0; i-- {
		if refs[i].Digest == digest {
			return refs[i].Number, nil
		}
	}
	return 0, errors.Join(err, fmt.Errorf("version %s has no number in track %s, put it there first: %w", digest, track, ErrNotFound))
}

// before returns the version of the last activation that named a different one than a does, but for those that Eraser replaced.
func (r *Registry) before(a Activation) (Ref, error) {
	if a.Sequence == 0 {
		return Ref{}, refused(ErrNotFound, "track %s has no activation yet, so no version before", a.Track)
	}
	erased := false // what is older than an activation by Eraser counts from the last one that named the same version
	for n := a.Sequence; n > 0; n-- {
		older, err := r.activation(a.Track, n)
		if errors.Is(err, ErrCorrupt) {
			continue
		}
		if err != nil {
			return Ref{}, err
		}
		if older.Deleted { // what served before is of the track that was deleted
			return Ref{}, nothingBefore(a.Track)
		}
		same := older.Digest == a.Digest
		if !same && !erased {
			return older.Champion(), nil
		}
		if same {
			erased = older.Actor == Eraser
		}
	}
	if a.Digest == "" {
		return Ref{}, nothingBefore(a.Track)
	}
	return Ref{Track: a.Track}, nil // the state before the first activation
}

func nothingBefore(track string) error {
	return refused(ErrNotFound, "track %s has served nothing before the base model that it could go back to", track)
}

// Champion returns the activation in force. Before the first one it is the zero activation of the track: the base model. With
// an error, which wraps ErrCorrupt when the record is damaged, Track and Sequence are still set.
func (r *Registry) Champion(track string) (Activation, error) {
	if err := CheckTrack(track); err != nil {
		return Activation{}, err
	}
	last, err := r.last(r.trackDir(track, "activations"))
	if err != nil {
		return Activation{Track: track}, fmt.Errorf("read champion of %s: %w", track, err)
	}
	if last == 0 {
		return Activation{Track: track}, nil
	}
	a, err := r.activation(track, last)
	if err != nil {
		return Activation{Track: track, Sequence: last}, fmt.Errorf("read champion of %s: %w", track, err)
	}
	return a, nil
}

// Activations returns all activations of a track, oldest first. Damaged ones are left out and joined into the error; the
// others are returned all the same.
func (r *Registry) Activations(track string) ([]Activation, error) {
	if err := CheckTrack(track); err != nil {
		return nil, err
	}
	last, err := r.last(r.trackDir(track, "activations"))
	if err != nil {
		return nil, fmt.Errorf("list activations of %s: %w", track, err)
	}
	var all []Activation
	var damaged error
	for n := 1; n <= last; n++ {
		a, err := r.activation(track, n)
		if err != nil {
			damaged = errors.Join(damaged, fmt.Errorf("list activations of %s: %w", track, err))
			continue
		}
		all = append(all, a)
	}
	return all, damaged
}

func (r *Registry) activation(track string, sequence int) (Activation, error) {
	path := recordPath(r.trackDir(track, "activations"), sequence)
	var a Activation
	if err := readRecord(path, &a); err != nil {
		return Activation{}, err
	}
	if a.Track != track || a.Sequence != sequence || (a.Digest == "") != (a.Number == 0) {
		return Activation{}, fmt.Errorf("read %s: it is activation %d of track %s: %w", path, a.Sequence, a.Track, ErrCorrupt)
	}
	return a, nil
}
