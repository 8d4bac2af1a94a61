package replaystore

import (
	"fmt"
	"maps"
	"slices"
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
	inRecent   map[string]bool // ids
	inSample   map[string]bool
	retired    map[string]bool
}

// NewMemory makes an empty memory.
func NewMemory(limits MemoryLimits) *Memory {
	return &Memory{
		limits:   limits.WithDefaults(),
		strata:   make(map[string][]Keyed),
		inRecent: make(map[string]bool),
		inSample: make(map[string]bool),
		retired:  make(map[string]bool),
	}
}

// Admit offers one validated item with its key. A retired id is ignored, and so, in the long-term sample, is an item of
// an older generation; a newer generation replaces the sample. The first weight of an id counts.
func (m *Memory) Admit(k Keyed) error {
	if m.retired[k.Item.ID] {
		return nil
	}
	if err := m.Check(k.Item); err != nil {
		return err
	}
	m.addRecent(k.Item)
	m.addSample(k)
	return nil
}

// Check refuses items that would make a stratum too many.
func (m *Memory) Check(items ...MemoryItem) error {
	generation, strata := m.generation, make(map[string]bool)
	for name := range m.strata {
		strata[name] = true
	}
	for _, item := range items {
		if m.retired[item.ID] || item.Generation < generation {
			continue
		}
		if item.Generation > generation {
			generation = item.Generation
			clear(strata)
		}
		if strata[item.Stratum] = true; len(strata) > m.limits.Strata {
			return TooManyStrata(item.ID, item.Stratum, m.limits.Strata)
		}
	}
	return nil
}

// Knows reports whether offering the item would change nothing because it is in the memory, or retired.
func (m *Memory) Knows(item MemoryItem) bool {
	return m.retired[item.ID] || m.inRecent[item.ID] && m.inSample[item.ID] && item.Generation <= m.generation
}

// TooManyStrata is the error for an item whose stratum would be one too many.
func TooManyStrata(id, stratum string, limit int) error {
	return invalid("memory item "+id, "would make stratum %s the one after the limit of %d", clip(stratum), limit)
}

func (m *Memory) addRecent(item MemoryItem) {
	if m.inRecent[item.ID] {
		return
	}
	at, _ := slices.BinarySearchFunc(m.recent, item, compareRecent)
	m.recent = slices.Insert(m.recent, at, item)
	m.inRecent[item.ID] = true
	if len(m.recent) > m.limits.Recent {
		delete(m.inRecent, m.recent[0].ID)
		m.recent = slices.Delete(m.recent, 0, 1)
	}
}

func (m *Memory) addSample(k Keyed) {
	if k.Item.Generation < m.generation {
		return
	}
	m.begin(k.Item.Generation)
	if m.inSample[k.Item.ID] {
		return
	}
	items := m.strata[k.Item.Stratum]
	at, _ := slices.BinarySearchFunc(items, k, compareKeyed)
	items = slices.Insert(items, at, k)
	m.inSample[k.Item.ID] = true
	if len(items) > m.limits.PerStratum {
		delete(m.inSample, items[0].Item.ID)
		items = slices.Delete(items, 0, 1)
	}
	m.strata[k.Item.Stratum] = items
}

// begin starts a newer generation of the sample.
func (m *Memory) begin(generation int64) {
	if generation > m.generation {
		m.generation = generation
		clear(m.strata)
		clear(m.inSample)
	}
}

// Merge takes in another memory, as if everything offered to it had been offered here.
func (m *Memory) Merge(o *Memory) error { return m.MergeState(o.State("")) }

// MergeState takes in a snapshot, or a part of one.
func (m *Memory) MergeState(s MemoryState) error {
	for _, id := range s.Retired {
		m.Retire(id)
	}
	for _, item := range s.Recent {
		if !m.retired[item.ID] {
			m.addRecent(item)
		}
	}
	m.begin(s.Generation)
	for _, st := range s.Strata {
		for _, k := range st.Items {
			if m.retired[k.Item.ID] {
				continue
			}
			if err := m.Check(k.Item); err != nil {
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
		if len(m.strata[name]) == 0 {
			delete(m.strata, name)
		}
	}
	for id := range gone {
		delete(m.inRecent, id)
		delete(m.inSample, id)
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

// Split cuts a snapshot into parts whose items take about maxBytes each; merging the parts is merging the whole.
func (s MemoryState) Split(maxBytes int) []MemoryState {
	empty := MemoryState{Rehearsal: Rehearsal{Track: s.Track, Generation: s.Generation}}
	parts := []MemoryState{empty}
	parts[0].Retired = s.Retired
	size := 0
	part := func(item MemoryItem) *MemoryState {
		n := item.size()
		if size > 0 && size+n > maxBytes {
			parts = append(parts, empty)
			size = 0
		}
		size += n
		return &parts[len(parts)-1]
	}
	for _, item := range s.Recent {
		p := part(item)
		p.Recent = append(p.Recent, item)
	}
	for _, st := range s.Strata {
		for _, k := range st.Items {
			p := part(k.Item)
			if n := len(p.Strata); n == 0 || p.Strata[n-1].Name != st.Name {
				p.Strata = append(p.Strata, Stratum{Name: st.Name})
			}
			last := &p.Strata[len(p.Strata)-1]
			last.Items = append(last.Items, k)
		}
	}
	return parts
}

// size is about how many bytes the item takes when encoded.
func (m *MemoryItem) size() int {
	n := 512 + len(m.Completion) + len(m.Chosen) + len(m.Rejected)
	for _, p := range m.Prompt {
		n += 40 + len(p.Content)
	}
	if m.Teacher != nil {
		n += 24 * len(m.Teacher.IDs)
	}
	return n
}
