package registry

import (
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
	if err := CheckTrack(track); err != nil {
		return Ref{}, fmt.Errorf("resolve version: %w", err)
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
			return Ref{}, fmt.Errorf("resolve %s%s: %w", track, selector, err)
		}
		return ref, nil
	}
	number, found := strings.CutPrefix(selector, "@")
	n, err := strconv.Atoi(number)
	if !found || err != nil || n <= 0 || strconv.Itoa(n) != number {
		return Ref{}, fmt.Errorf("resolve %s%s: want nothing, @ and a version number, @prev or @base: %w", track, selector, ErrName)
	}
	ref, err := r.numbered(track, n)
	if err != nil {
		return Ref{}, fmt.Errorf("resolve %s%s: %w", track, selector, err)
	}
	return ref, nil
}
