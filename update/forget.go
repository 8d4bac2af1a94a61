package update

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Traces is what Forget found.
type Traces struct {
	Nights   []string       `json:"nights"`   // whose selections held examples of the subject; they do not any more
	Examples int            `json:"examples"` // taken out of selections
	Versions []registry.Ref `json:"versions"` // trained on examples of this or another forgotten subject, or made from a version that was
}

// Forget takes a subject's examples out of the frozen selections of all nights, and lists the versions that are tainted now. The
// store has forgotten the subject before: report says what it deleted. It may be repeated.
func Forget(reg *registry.Registry, report replaystore.ForgetReport) (Traces, error) {
	var t Traces
	nights, err := reg.ListNights()
	if err != nil {
		return t, err
	}
	for _, id := range nights {
		count, err := forgetNight(reg, id, report)
		if err != nil {
			return t, fmt.Errorf("forget in night %s: %w", id, err)
		}
		if count > 0 {
			t.Nights = append(t.Nights, id)
			t.Examples += count
		}
	}
	t.Versions, err = newTaint(reg).versions()
	return t, err
}

// forgetNight rewrites one selection, and what was put aside beside it. That something was erased is written down first: whoever is
// stopped in between finds it again.
func forgetNight(reg *registry.Registry, night string, report replaystore.ForgetReport) (count int, err error) {
	if err := errors.Join(forgetAside(reg, night, report), forgetProbes(reg, night, report)); err != nil {
		return 0, err
	}
	data, err := reg.ReadNight(night, selectionFile)
	if errors.Is(err, registry.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	items, err := decodeItems(data)
	if err != nil {
		return 0, err
	}
	e, err := readErasure(reg, night)
	if err != nil {
		return 0, err
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(it selection.Item) bool {
		gone := forgotten(it, report)
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
	if data, err = encodeItems(kept); err != nil {
		return 0, err
	}
	if err := errors.Join(reg.WriteNightFile(night, erasedFile, note), forgetTeachers(reg, night)); err != nil {
		return 0, err
	}
	return count, reg.WriteNightFile(night, selectionFile, data)
}

// forgetTeachers removes what a night's candidate says of the new examples, whoever they are from: the memory has what it needs of it.
func forgetTeachers(reg *registry.Registry, night string) error {
	dir, err := reg.NightDir(night)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, work.TeachersFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the teachers of night %s: %w", night, err)
	}
	return nil
}

// forgotten says whether an example came from a forgotten subject.
func forgotten(it selection.Item, report replaystore.ForgetReport) bool {
	by := report.Erasure.Subject
	return by != "" && (it.Subject == by || it.Author == by) || it.Interaction != "" && slices.Contains(report.IDs, it.Interaction)
}

// readFile reads a JSON file.
func readFile(dir, name string, into any) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// writeFile writes a JSON file.
func writeFile(dir, name string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(dir, name), data, 0o644)
}
