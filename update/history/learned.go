package history

import (
	"errors"
	"fmt"

	"nightshift/internal/registry"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// AddLearned adds the people whose examples nights have learned.
func (h History) AddLearned(nights []string, people map[string]bool) error {
	for _, night := range nights {
		data, err := h.registry.ReadNight(night, work.SelectionFile)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		items, err := selection.DecodeItems(data)
		if err != nil {
			return fmt.Errorf("read selection of night %s: %w", night, err)
		}
		for _, it := range selection.Using(items, selection.New) {
			people[it.Subject] = true
		}
	}
	return nil
}
