package registry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// SplitName splits a model name into track and selector: "support@17" into "support" and "@17", "support" into "support" and "".
func SplitName(name string) (track, selector string) {
	if i := strings.IndexByte(name, '@'); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// Resolve finds the version that a selector means in a track: "" the champion, "@17" by number, "@prev" the version of the
// last activation that named a different one than the champion and was not replaced by Eraser, "@base" the base model.
func (r *Registry) Resolve(track, selector string) (Ref, error) {
	if err := r.FindTrack(track); err != nil {
		return Ref{}, err
	}
	switch selector {
	case "@base":
		return Ref{Track: track}, nil
	case "", "@prev":
		a, err := r.Champion(track)
		if err != nil {
			return Ref{}, fmt.Errorf("resolve %s%s: %w", track, selector, err)
		}
		if selector == "" {
			return a.Champion(), nil
		}
		ref, err := r.before(a)
		if err != nil {
			return Ref{}, within(err, "resolve %s%s", track, selector)
		}
		return ref, nil
	}
	number, found := strings.CutPrefix(selector, "@")
	n, err := strconv.Atoi(number)
	if !found || err != nil || n <= 0 || strconv.Itoa(n) != number {
		return Ref{}, fmt.Errorf("resolve %s%s: want nothing, @ and a version number, @prev or @base: %w", track, selector, ErrName)
	}
	ref, err := r.numbered(track, n)
	if errors.Is(err, ErrNotFound) {
		return Ref{}, r.noVersion(track, n)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("resolve %s%s: %w", track, selector, err)
	}
	return ref, nil
}

// noVersion says which numbers there are in a track instead of one that is not.
func (r *Registry) noVersion(track string, number int) error {
	last, err := r.last(r.trackDir(track, "versions"))
	switch {
	case err != nil:
		return fmt.Errorf("resolve %s@%d: %w", track, number, err)
	case last == 0:
		return refused(ErrNotFound, "there is no version %s@%d: the track has none but %s@base", track, number, track)
	case last == 1:
		return refused(ErrNotFound, "there is no version %s@%d: the track has %s@1 and %s@base", track, number, track, track)
	}
	return refused(ErrNotFound, "there is no version %s@%d: the track has %s@1 to %s@%d, and %s@base", track, number, track, track, last, track)
}
