package update

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// Files of what a night does not use.
const (
	quarantineFile = "quarantine.jsonl" // examples that wait; the next night looks at them again
	reasonsFile    = "reasons.json"     // why something is not used, also of a night that was skipped
)

// setAside writes down what the night does not use, and why.
func (n *night) setAside(c chosen) error {
	data, err := encodeItems(c.quarantined)
	if err != nil {
		return err
	}
	return errors.Join(n.u.deps.Registry.WriteNightFile(n.req.Night, quarantineFile, data), n.u.writeJSON(n.req.Night, reasonsFile, c.reasons))
}

// quarantined are the examples that a night has put aside.
func (u *Updater) quarantined(night string) ([]selection.Item, error) {
	if night == "" {
		return nil, nil
	}
	data, err := u.deps.Registry.ReadNight(night, quarantineFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	items, err := decodeItems(data)
	if err != nil {
		return nil, fmt.Errorf("read quarantine of night %s: %w", night, err)
	}
	return items, nil
}

// Reasons lists why a night does not use what it had: feedback that is rejected or waits for others, and older examples that
// newer evidence contradicts. A night that never came to select anything has none.
func Reasons(reg *registry.Registry, night string) ([]selection.Reason, error) {
	data, err := reg.ReadNight(night, reasonsFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []selection.Reason
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read %s of night %s: %w", reasonsFile, night, err)
	}
	return list, nil
}

// forgetAside takes a forgotten subject's examples out of what a night has put aside, and what was said of them.
func forgetAside(reg *registry.Registry, night string, report replaystore.ForgetReport) error {
	u := &Updater{deps: Deps{Registry: reg}}
	items, err := u.quarantined(night)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(it selection.Item) bool { return forgotten(it, report) })
	if len(kept) < len(items) {
		data, err := encodeItems(kept)
		if err != nil {
			return err
		}
		if err := reg.WriteNightFile(night, quarantineFile, data); err != nil {
			return err
		}
	}
	reasons, err := Reasons(reg, night)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(reasons), func(r selection.Reason) bool { return slices.Contains(report.IDs, r.ID) })
	if len(left) == len(reasons) {
		return nil
	}
	return u.writeJSON(night, reasonsFile, left)
}
