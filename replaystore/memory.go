package replaystore

import (
	"fmt"
	"maps"
	"slices"
	"sort"
)

// MemoryLimits bound the rehearsal memory of a track. Zero fields take the defaults.
type MemoryLimits struct {
	Recent     int // newest items, 512
	PerStratum int // long-term items of a stratum, 512
	Strata     int // strata, 64; an item of one more is refused
}

// WithDefaults fills zero fields.
func (l MemoryLimits) WithDefaults() MemoryLimits {
	if l.Recent <= 0 {
		l.Recent = 512
	}
	if l.PerStratum <= 0 {
		l.PerStratum = 512
	}
	if l.Strata <= 0 {
		l.Strata = 64
	}
	return l
}

// Rehearsal is the rehearsal memory as a reader gets it: the newest items, and a long-term sample. An item may be in
// both; Items joins them.
type Rehearsal struct {
	Track      string       `json:"track"`
	Generation int64        `json:"generation"` // of the long-term sample
	Recent     []MemoryItem `json:"recent"`     // oldest first
	Strata     []Stratum    `json:"strata"`     // by name
}

// Stratum is the long-term sample of one stratum, smallest key first. Any suffix is again a sample, of that size.
type Stratum struct {
	Name  string  `json:"name"`
	Items []Keyed `json:"items"`
}

// Items returns every item once, sorted by id.
func (r Rehearsal) Items() []MemoryItem {
	all := make(map[string]MemoryItem)
	for _, item := range r.Recent {
		all[item.ID] = item
	}
	for _, s := range r.Strata {
		for _, k := range s.Items {
			all[k.Item.ID] = k.Item
		}
	}
	out := make([]MemoryItem, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[id])
	}
	return out
}

// Memory is the rehearsal memory of a track as a value that grows: a ring of the newest items by time, and for each
// stratum the items with the largest keys. Its state is a function of the set of items it was offered, not of their
// order, provided that an id always comes with one weight in a generation. Not safe for concurrent use.
type Memory struct {
	limits     MemoryLimits
	generation int64
	recent     []MemoryItem // by compareRecent
	strata     map[string][]Keyed
	retired    map[string]bool
}

// NewMemory makes an empty memory.
func NewMemory(limits MemoryLimits) *Memory {
	return &Memory{limits: limits.WithDefaults(), strata: make(map[string][]Keyed), retired: make(map[string]bool)}
}

// Admit offers one validated item with its key. A retired id is ignored, and so, in the long-term sample, is an item of
// an older generation; a newer generation replaces the sample. The first weight of an id counts.
func (m *Memory) Admit(k Keyed) error {
	if m.retired[k.Item.ID] {
		return nil
	}
	if err := m.room(k.Item); err != nil {
		return err
	}
	m.addRecent(k.Item)
	m.addSample(k)
	return nil
}

// room refuses a stratum too many.
func (m *Memory) room(item MemoryItem) error {
	_, known := m.strata[item.Stratum]
	if item.Generation == m.generation && !known && len(m.strata) >= m.limits.Strata {
		return TooManyStrata(item.ID, item.Stratum, m.limits.Strata)
	}
	return nil
}

// TooManyStrata is the error for an item whose stratum would be one too many.
func TooManyStrata(id, stratum string, limit int) error {
	return invalid("memory item "+id, "would make stratum %s the one after the limit of %d", clip(stratum), limit)
}

func (m *Memory) addRecent(item MemoryItem) {
	at, found := slices.BinarySearchFunc(m.recent, item, compareRecent)
	if found || slices.ContainsFunc(m.recent, func(r MemoryItem) bool { return r.ID == item.ID }) {
		return
	}
	m.recent = slices.Insert(m.recent, at, item)
	if over := len(m.recent) - m.limits.Recent; over > 0 {
		m.recent = slices.Delete(m.recent, 0, over)
	}
}

func (m *Memory) addSample(k Keyed) {
	if k.Item.Generation < m.generation {
		return
	}
	if k.Item.Generation > m.generation {
		m.generation = k.Item.Generation
		clear(m.strata)
	}
	items := m.strata[k.Item.Stratum]
	for _, in := range m.strata { // an id is in one stratum: its first
		if slices.ContainsFunc(in, func(o Keyed) bool { return o.Item.ID == k.Item.ID }) {
			return
		}
	}
	at := sort.Search(len(items), func(i int) bool { return compareKeyed(items[i], k) > 0 })
	items = slices.Insert(items, at, k)
	if over := len(items) - m.limits.PerStratum; over > 0 {
		items = slices.Delete(items, 0, over)
	}
	m.strata[k.Item.Stratum] = items
}

// Merge takes in another memory, as if everything offered to it had been offered here.
func (m *Memory) Merge(o *Memory) error {
	for id := range o.retired {
		m.Retire(id)
	}
	for _, item := range o.recent {
		if !m.retired[item.ID] {
			m.addRecent(item)
		}
	}
	if o.generation > m.generation {
		m.generation = o.generation
		clear(m.strata)
	}
	for _, name := range slices.Sorted(maps.Keys(o.strata)) {
		for _, k := range o.strata[name] {
			if m.retired[k.Item.ID] {
				continue
			}
			if err := m.room(k.Item); err != nil {
				return fmt.Errorf("merge rehearsal memory: %w", err)
			}
			m.addSample(k)
		}
	}
	return nil
}

// Retire takes an item out and never lets it in again. It reports whether it was in.
func (m *Memory) Retire(id string) bool {
	m.retired[id] = true
	return m.Remove(func(item *MemoryItem) bool { return item.ID == id }) > 0
}

// Remove takes out the items that match and returns how many there were.
func (m *Memory) Remove(match func(*MemoryItem) bool) int {
	gone := make(map[string]bool)
	m.recent = slices.DeleteFunc(m.recent, func(item MemoryItem) bool {
		hit := match(&item)
		if hit {
			gone[item.ID] = true
		}
		return hit
	})
	for name, items := range m.strata {
		m.strata[name] = slices.DeleteFunc(items, func(k Keyed) bool {
			hit := match(&k.Item)
			if hit {
				gone[k.Item.ID] = true
			}
			return hit
		})
	}
	return len(gone)
}

// Rehearsal copies the memory for a reader.
func (m *Memory) Rehearsal(track string) Rehearsal {
	r := Rehearsal{Track: track, Generation: m.generation, Recent: slices.Clone(m.recent)}
	for _, name := range slices.Sorted(maps.Keys(m.strata)) {
		if items := m.strata[name]; len(items) > 0 {
			r.Strata = append(r.Strata, Stratum{Name: name, Items: slices.Clone(items)})
		}
	}
	return r
}

// MemoryState is the whole of a Memory, for a snapshot.
type MemoryState struct {
	Rehearsal
	Retired []string `json:"retired,omitempty"` // sorted
}

// State copies the memory for a snapshot.
func (m *Memory) State(track string) MemoryState {
	return MemoryState{Rehearsal: m.Rehearsal(track), Retired: slices.Sorted(maps.Keys(m.retired))}
}

// MergeState takes in a snapshot.
func (m *Memory) MergeState(s MemoryState) error {
	o := NewMemory(m.limits)
	o.generation, o.recent = s.Generation, s.Recent
	for _, st := range s.Strata {
		o.strata[st.Name] = st.Items
	}
	for _, id := range s.Retired {
		o.retired[id] = true
	}
	return m.Merge(o)
}
