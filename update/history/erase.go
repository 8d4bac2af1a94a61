package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Traces is what Erase found.
type Traces struct {
	Nights   []string       `json:"nights"`   // whose selections held examples of the subject; they do not any more
	Examples int            `json:"examples"` // taken out of selections
	Versions []registry.Ref `json:"versions"` // trained on examples of this or another erased subject, or made from a version that was
}

// Erase takes a subject's examples out of the frozen selections of all nights, and lists the versions that are tainted now. The
// store has erased the subject before: report says what it deleted. It may be repeated.
func Erase(reg *registry.Registry, report replaystore.ForgetReport) (Traces, error) {
	var t Traces
	nights, err := reg.ListNights()
	if err != nil {
		return t, err
	}
	for _, id := range nights {
		count, err := EraseFrom(reg, id, report)
		if err != nil {
			return t, fmt.Errorf("erase in night %s: %w", id, err)
		}
		if count > 0 {
			t.Nights = append(t.Nights, id)
			t.Examples += count
		}
	}
	t.Versions, err = NewTaint(reg).Versions()
	return t, err
}

// EraseFrom rewrites one selection, and what was put aside beside it. That something was erased is written down first: whoever is
// stopped in between finds it again.
func EraseFrom(reg *registry.Registry, night string, report replaystore.ForgetReport) (count int, err error) {
	if err := errors.Join(eraseAside(reg, night, report), eraseProbes(reg, night, report)); err != nil {
		return 0, err
	}
	data, err := reg.ReadNight(night, work.SelectionFile)
	if errors.Is(err, registry.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	items, err := selection.DecodeItems(data)
	if err != nil {
		return 0, err
	}
	e, err := ReadErasure(reg, night)
	if err != nil {
		return 0, err
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(it selection.Item) bool {
		gone := Erased(it, report)
		if gone && it.Use != selection.New && it.Use != selection.Rehearsal {
			e.Measured++
		}
		return gone
	})
	if count = len(items) - len(kept); count == 0 {
		return 0, nil
	}
	e.Items += count
	note, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	if data, err = selection.EncodeItems(kept); err != nil {
		return 0, err
	}
	if err := errors.Join(reg.WriteNightFile(night, ErasedFile, note), eraseTeachers(reg, night)); err != nil {
		return 0, err
	}
	return count, reg.WriteNightFile(night, work.SelectionFile, data)
}

// eraseTeachers removes what a night's candidate says of the new examples, whoever they are from: the memory has what it needs of it.
func eraseTeachers(reg *registry.Registry, night string) error {
	return reg.RemoveNightFiles(night, work.TeachersFile)
}

// Erased says whether an example came from an erased subject.
func Erased(it selection.Item, report replaystore.ForgetReport) bool {
	by := report.Erasure.Subject
	return by != "" && (it.Subject == by || it.Author == by) || it.Interaction != "" && slices.Contains(report.IDs, it.Interaction)
}
