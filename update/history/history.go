// Package history is what earlier nights decided, read from the registry: how far a track's events are used up, what the champion's line has
// learned, what waits, what a person reviewed, what was erased, and which versions are tainted by it.
//
// It rests on the files of nights, versions and activations alone, so that the same registry gives the same answer to every process. It runs no
// night and decides nothing about one; what it writes are the marks of an erasure and of a review.
package history

import (
	"encoding/json"
	"errors"
	"fmt"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/update/selection"
)

// History reads what the nights of a registry left behind.
type History struct{ registry *registry.Registry }

// Of is the history of a registry.
func Of(reg *registry.Registry) History { return History{reg} }

// Read reads a night's file; one that is missing is not found.
func (h History) Read(night, name string, into any) (found bool, err error) {
	data, err := h.registry.ReadNight(night, name)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("read %s of night %s: %w", name, night, err)
	}
	return true, nil
}

// Write writes a night's file whole.
func (h History) Write(night, name string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("write %s of night %s: %w", name, night, err)
	}
	return h.registry.WriteNightFile(night, name, append(data, '\n'))
}

// Record reads a night's record.
func (h History) Record(night string) (nightrecord.Night, bool, error) {
	var n nightrecord.Night
	found, err := h.Read(night, nightrecord.File, &n)
	return n, found, err
}

// Items reads a file of items of a night, nil where there is none.
func (h History) Items(night, name string) ([]selection.Item, error) {
	data, err := h.registry.ReadNight(night, name)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return selection.DecodeItems(data)
}
