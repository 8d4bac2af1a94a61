package history

import (
	"errors"

	"nightshift/internal/registry"
)

// Ancestors is the set of a version and the versions whose learning it has, and the nights that came last: of a version that was
// merged, one for each of its parts.
func (h History) Ancestors(digest string) (set map[string]bool, nights []string, err error) {
	type branch struct {
		digest string
		open   bool // no night was on the way yet
	}
	set = map[string]bool{"": true}
	for todo := []branch{{digest, true}}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		if set[at.digest] {
			continue
		}
		set[at.digest] = true
		m, err := h.registry.Version(at.digest)
		if errors.Is(err, registry.ErrNotFound) && at.digest != digest {
			continue
		}
		if err != nil {
			return set, nights, err
		}
		if at.open && m.Night != "" {
			nights, at.open = append(nights, m.Night), false
		}
		for _, origin := range m.Origins() {
			todo = append(todo, branch{origin, at.open})
		}
	}
	return set, nights, nil
}
