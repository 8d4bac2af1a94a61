package update

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/registry"
	"nightshift/update/selection"
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
// many examples there are; people who were forgotten since are not among them.
func Review(reg *registry.Registry, night, by string, now time.Time) (track string, examples int, err error) {
	if _, err := reg.NightFiles(night); err != nil {
		return "", 0, err
	}
	u := &Updater{deps: Deps{Registry: reg}}
	var done completion
	found, err := u.readJSON(night, cursorFile, &done)
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
	learned, _, err := u.ancestors(champion.Digest)
	if err != nil {
		return "", 0, err
	}
	if learned[done.Digest] {
		return "", 0, fmt.Errorf("review night %s: what serves track %s has learned from it", night, done.Track)
	}
	items, err := u.evidence(night)
	if err != nil {
		return "", 0, err
	}
	return done.Track, len(items), u.writeJSON(night, reviewFile, review{By: by, Time: now.UTC()})
}

// evidence is what a night newly selected, to learn and to measure.
func (u *Updater) evidence(night string) ([]selection.Item, error) {
	data, err := u.deps.Registry.ReadNight(night, selectionFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	items, err := decodeItems(data)
	if err != nil {
		return nil, fmt.Errorf("read selection of night %s: %w", night, err)
	}
	return append(use(items, selection.New), use(items, selection.HeldOut)...), nil
}

// reviewed says whether a person has vouched for a night since another night last took it up.
func (u *Updater) reviewed(night string, taken time.Time) (bool, error) {
	data, err := u.deps.Registry.ReadNight(night, reviewFile)
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
