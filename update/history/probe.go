package history

import (
	"errors"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Probes are the probes that the last night of a version's line had, with what that night itself held out; of a version that was
// merged, those of each that went into it. Those of files are read anew by each night.
func (h History) Probes(digest string) ([]selection.Item, error) {
	_, nights, err := h.Ancestors(digest)
	if err != nil {
		return nil, err
	}
	var list []selection.Item
	seen := map[string]bool{}
	for _, night := range nights {
		for _, name := range []string{work.ProbesFile, work.SelectionFile} {
			items, err := h.Items(night, name)
			if err != nil {
				return nil, err
			}
			for _, it := range items {
				switch {
				case seen[it.ID]:
					continue
				case it.Use == selection.Probe && it.Why != nightrecord.FileSet:
				case it.Use == selection.HeldOut && it.Knowable():
					it.Use, it.Why = selection.Probe, night
				default:
					continue
				}
				seen[it.ID] = true
				list = append(list, it)
			}
		}
	}
	return list, nil
}

// KeepScores writes a night's scores without some probes, if it has one of them.
func KeepScores(reg *registry.Registry, night string, s nightrecord.Scores, gone func(id string) bool) error {
	kept, changed := s.Without(gone)
	if !changed {
		return nil
	}
	data, err := kept.Encode()
	if err != nil {
		return err
	}
	return reg.WriteNightFile(night, nightrecord.ScoresFile, data)
}

// eraseProbes takes a person's examples out of a night's probes, and out of the scores, those of the night's own selection too.
func eraseProbes(reg *registry.Registry, night string, report replaystore.ForgetReport) error {
	gone := map[string]bool{}
	for _, name := range []string{work.SelectionFile, work.ProbesFile} {
		data, err := reg.ReadNight(night, name)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		items, err := selection.DecodeItems(data)
		if err != nil {
			return err
		}
		kept := slices.DeleteFunc(slices.Clone(items), func(it selection.Item) bool {
			if Erased(it, report) {
				gone[it.ID] = true
			}
			return Erased(it, report)
		})
		if name != work.ProbesFile || len(kept) == len(items) {
			continue
		}
		if data, err = selection.EncodeItems(kept); err != nil {
			return err
		}
		if err := reg.WriteNightFile(night, name, data); err != nil {
			return err
		}
	}
	data, err := reg.ReadNight(night, nightrecord.ScoresFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := nightrecord.DecodeScores(data)
	if err != nil {
		return err
	}
	return KeepScores(reg, night, s, func(id string) bool { return gone[id] })
}
