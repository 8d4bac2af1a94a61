package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/registry"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// reviewFile says that a person has looked at what a night selected.
const reviewFile = "review.json"

// review is a person's word for a night's evidence.
type review struct {
	By   string    `json:"by"`
	Time time.Time `json:"time"`
}

// Review has the next night of its track take up again what a night selected whose candidate was rejected or rolled back: it
// is suspect, and does not come back without a person's word. The gate judges it like all else. It returns the track and how
// many examples there are; people who were erased since are not among them.
func Review(reg *registry.Registry, night, by string, now time.Time) (track string, examples int, err error) {
	if _, err := reg.NightFiles(night); err != nil {
		return "", 0, err
	}
	h := Of(reg)
	var done Completion
	found, err := h.Read(night, CursorFile, &done)
	if err != nil {
		return "", 0, err
	}
	if !found {
		return "", 0, fmt.Errorf("review night %s: it has not used up its evidence, so the next night takes that anyway", night)
	}
	champion, err := reg.Champion(done.Track)
	if err != nil {
		return "", 0, err
	}
	learned, _, err := h.Ancestors(champion.Digest)
	if err != nil {
		return "", 0, err
	}
	if learned[done.Digest] {
		return "", 0, fmt.Errorf("review night %s: what serves track %s has learned from it", night, done.Track)
	}
	items, err := h.Evidence(night)
	if err != nil {
		return "", 0, err
	}
	return done.Track, len(items), h.Write(night, reviewFile, review{By: by, Time: now.UTC()})
}

// Evidence is what a night newly selected, to learn and to measure.
func (h History) Evidence(night string) ([]selection.Item, error) {
	data, err := h.registry.ReadNight(night, work.SelectionFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	items, err := selection.DecodeItems(data)
	if err != nil {
		return nil, fmt.Errorf("read selection of night %s: %w", night, err)
	}
	return append(selection.Using(items, selection.New), selection.Using(items, selection.HeldOut)...), nil
}

// reviewed says whether a person has vouched for a night since another night last took it up.
func (h History) reviewed(night string, taken time.Time) (bool, error) {
	data, err := h.registry.ReadNight(night, reviewFile)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	var r review
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return false, fmt.Errorf("read %s of night %s: %w", reviewFile, night, err)
	}
	return r.Time.After(taken), nil
}
