package update

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// erasedFile says how much of a night's selection was erased later.
const erasedFile = "erased.json"

// erasure counts what was erased from a selection.
type erasure struct {
	Items int `json:"items"`
}

// Traces is what Forget found.
type Traces struct {
	Nights   []string       `json:"nights"`   // whose selections held examples of the subject; they do not any more
	Examples int            `json:"examples"` // taken out of selections
	Versions []registry.Ref `json:"versions"` // trained on such examples, or from a version that was
}

// Forget takes a subject's examples out of the frozen selections of all nights, and lists the versions that were trained
// on them. The store has forgotten the subject before: report says what it deleted.
func Forget(reg *registry.Registry, report replaystore.ForgetReport) (Traces, error) {
	var t Traces
	nights, err := reg.ListNights()
	if err != nil {
		return t, err
	}
	tainted := map[string]bool{} // nights that trained on such examples
	for _, id := range nights {
		count, trained, err := forgetNight(reg, id, report)
		if err != nil {
			return t, fmt.Errorf("forget in night %s: %w", id, err)
		}
		if count > 0 {
			t.Nights = append(t.Nights, id)
			t.Examples += count
		}
		tainted[id] = trained
	}
	t.Versions, err = learnedFrom(reg, tainted)
	return t, err
}

// learnedFrom lists the versions that were trained on nights, or come from a version that was, taken away or not.
func learnedFrom(reg *registry.Registry, nights map[string]bool) ([]registry.Ref, error) {
	tracks, err := reg.Tracks()
	if err != nil {
		return nil, err
	}
	var all []registry.Ref
	manifests := map[string]registry.Manifest{}
	for _, track := range tracks {
		refs, err := reg.Versions(track)
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if manifests[ref.Digest], err = reg.Version(ref.Digest); err != nil {
				return nil, err
			}
		}
		all = append(all, refs...)
	}
	learned := map[string]bool{}
	taught := func(m registry.Manifest) bool {
		return nights[m.Night] || learned[m.Parent] ||
			slices.ContainsFunc(m.Nights, func(id string) bool { return nights[id] }) ||
			slices.ContainsFunc(m.Merged, func(s registry.Share) bool { return learned[s.Digest] })
	}
	for before := -1; before < len(learned); { // a merge may have a track that comes before that of its parts
		before = len(learned)
		for digest, m := range manifests {
			if taught(m) {
				learned[digest] = true
			}
		}
	}
	return slices.DeleteFunc(all, func(ref registry.Ref) bool { return !learned[ref.Digest] }), nil
}

// forgetNight rewrites one selection, and what was put aside beside it.
func forgetNight(reg *registry.Registry, night string, report replaystore.ForgetReport) (count int, trained bool, err error) {
	if err := errors.Join(forgetAside(reg, night, report), forgetProbes(reg, night, report)); err != nil {
		return 0, false, err
	}
	data, err := reg.ReadNight(night, selectionFile)
	if errors.Is(err, registry.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	items, err := decodeItems(data)
	if err != nil {
		return 0, false, err
	}
	kept := slices.DeleteFunc(slices.Clone(items), func(it selection.Item) bool {
		gone := forgotten(it, report)
		trained = trained || gone && (it.Use == selection.New || it.Use == selection.Rehearsal)
		return gone
	})
	if count = len(items) - len(kept); count == 0 {
		return 0, false, nil
	}
	var before erasure
	if data, err := reg.ReadNight(night, erasedFile); err == nil {
		if err := json.Unmarshal(data, &before); err != nil {
			return 0, false, err
		}
	} else if !errors.Is(err, registry.ErrNotFound) {
		return 0, false, err
	}
	note, err := json.Marshal(erasure{Items: before.Items + count})
	if err != nil {
		return 0, false, err
	}
	if data, err = encodeItems(kept); err != nil {
		return 0, false, err
	}
	return count, trained, errors.Join(reg.WriteNightFile(night, erasedFile, note), reg.WriteNightFile(night, selectionFile, data))
}

// forgotten says whether an example came from a forgotten subject.
func forgotten(it selection.Item, report replaystore.ForgetReport) bool {
	return it.Subject != "" && it.Subject == report.Erasure.Subject || it.Interaction != "" && slices.Contains(report.IDs, it.Interaction)
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
