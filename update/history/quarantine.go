package history

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
	QuarantineFile = "quarantine.jsonl" // examples that wait; the next night looks at them again
	ReasonsFile    = "reasons.json"     // why something is not used, also of a night that was skipped
)

// Quarantined are the examples that a night has put aside.
func (h History) Quarantined(night string) ([]selection.Item, error) {
	if night == "" {
		return nil, nil
	}
	data, err := h.registry.ReadNight(night, QuarantineFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	items, err := selection.DecodeItems(data)
	if err != nil {
		return nil, fmt.Errorf("read quarantine of night %s: %w", night, err)
	}
	return items, nil
}

// Reasons lists why a night does not use what it had: feedback that is rejected or waits for others, and older examples that
// newer evidence contradicts. A night that never came to select anything has none.
func Reasons(reg *registry.Registry, night string) ([]selection.Reason, error) {
	data, err := reg.ReadNight(night, ReasonsFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []selection.Reason
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read %s of night %s: %w", ReasonsFile, night, err)
	}
	return list, nil
}

// eraseAside takes an erased subject's examples out of what a night has put aside, and what was said of them.
func eraseAside(reg *registry.Registry, night string, report replaystore.ForgetReport) error {
	h := Of(reg)
	items, err := h.Quarantined(night)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(it selection.Item) bool { return Erased(it, report) })
	if len(kept) < len(items) {
		data, err := selection.EncodeItems(kept)
		if err != nil {
			return err
		}
		if err := reg.WriteNightFile(night, QuarantineFile, data); err != nil {
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
	return h.Write(night, ReasonsFile, left)
}
