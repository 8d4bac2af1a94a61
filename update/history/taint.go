package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"nightshift/internal/registry"
)

// ErasedFile says how much of a night's selection was erased later.
const ErasedFile = "erased.json"

// Erasure counts what was erased from a selection. Nothing in it tells of whom.
type Erasure struct {
	Items    int `json:"items"`
	Measured int `json:"measured,omitempty"` // of them, were held out and taught nothing
}

// trained says whether the night was trained on something that was erased.
func (e Erasure) trained() bool { return e.Items > e.Measured }

// ReadErasure is what was erased from a night's selection, nothing where there is no file.
func ReadErasure(reg *registry.Registry, night string) (Erasure, error) {
	var e Erasure
	data, err := reg.ReadNight(night, ErasedFile)
	if errors.Is(err, registry.ErrNotFound) {
		return e, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		return e, fmt.Errorf("read %s of night %s: %w", ErasedFile, night, err)
	}
	return e, nil
}

// Taint tells which versions are tainted: trained on examples of somebody who was erased, made from a version that was, taken
// away or not, or begun with one. It rests on what the registry keeps of erasures, so that it is the same whenever it is asked.
type Taint struct {
	registry *registry.Registry
	known    map[string]bool // by digest
}

// NewTaint begins without knowledge.
func NewTaint(reg *registry.Registry) *Taint {
	return &Taint{registry: reg, known: map[string]bool{"": false}}
}

// Of says whether a version is tainted. The base model is not, nor is what the registry does not have.
func (t *Taint) Of(digest string) (bool, error) {
	if tainted, ok := t.known[digest]; ok {
		return tainted, nil
	}
	m, err := t.registry.Version(digest)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.known[digest] = false // nothing comes from itself
	if m.Night != "" {
		e, err := ReadErasure(t.registry, m.Night)
		if err != nil {
			return false, err
		}
		t.known[digest] = e.trained()
	}
	sources := []string{m.Parent, m.WarmStart}
	for _, s := range m.Merged {
		sources = append(sources, s.Digest)
	}
	for _, source := range sources {
		tainted, err := t.Of(source)
		if err != nil {
			return false, err
		}
		t.known[digest] = t.known[digest] || tainted
	}
	return t.known[digest], nil
}

// Versions lists the tainted versions of all tracks, also of those that were deleted.
func (t *Taint) Versions() ([]registry.Ref, error) {
	tracks, err := t.registry.EveryTrack()
	if err != nil {
		return nil, err
	}
	var list []registry.Ref
	for _, track := range tracks {
		refs, err := t.registry.Versions(track)
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			tainted, err := t.Of(ref.Digest)
			if err != nil {
				return nil, err
			}
			if tainted {
				list = append(list, ref)
			}
		}
	}
	return list, nil
}

// Clean is the version itself where it is not tainted, else the nearest of those that it comes from which is not and has a number in the
// track; the base model where there is none.
func (t *Taint) Clean(track, digest string) (registry.Ref, error) {
	refs, err := t.registry.Versions(track)
	if err != nil && !errors.Is(err, registry.ErrCorrupt) {
		return registry.Ref{}, err
	}
	seen := map[string]bool{"": true}
	for todo := []string{digest}; len(todo) > 0; todo = todo[1:] {
		if seen[todo[0]] {
			continue
		}
		seen[todo[0]] = true
		tainted, err := t.Of(todo[0])
		if err != nil {
			return registry.Ref{}, err
		}
		at := slices.IndexFunc(refs, func(ref registry.Ref) bool { return ref.Digest == todo[0] })
		switch {
		case !tainted && at >= 0:
			return refs[at], nil
		case !tainted && todo[0] == digest:
			return registry.Ref{Track: track, Digest: digest}, nil
		}
		m, err := t.registry.Version(todo[0])
		if errors.Is(err, registry.ErrNotFound) {
			continue // imported without what it came from
		}
		if err != nil {
			return registry.Ref{}, err
		}
		todo = append(todo, m.Origins()...)
	}
	return registry.Ref{Track: track}, nil
}
