package night

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// memorize has the track's memory drop what does not hold any more, and take up what was learned.
func (n *night) memorize(ctx context.Context, items []selection.Item) error {
	memory, err := n.nights.deps.Store.Rehearsal(ctx, n.req.Track)
	if err != nil {
		return fmt.Errorf("read rehearsal memory: %w", err)
	}
	teachers, err := n.teachers()
	if err != nil {
		return err
	}
	items = slices.Clone(items)
	for i, it := range items {
		if t, ok := teachers[it.ID]; ok && it.Use == selection.New {
			items[i].Teacher = &t
		}
	}
	admit, crowded := crowd(memory, admission(items, memory, n.frozen.Retire, n.req.Night, n.settings.Train), n.frozen.Retire, n.settings.Memory.PerSubject)
	if retire := slices.Concat(n.frozen.Retire, crowded); len(retire) > 0 {
		if err := n.nights.deps.Store.Retire(ctx, n.req.Track, retire...); err != nil {
			return fmt.Errorf("retire superseded examples, and a person's beyond the cap: %w", err)
		}
	}
	if len(admit) > 0 {
		if err := n.nights.deps.Store.Admit(ctx, n.req.Track, admit...); err != nil {
			return fmt.Errorf("admit examples to the rehearsal memory: %w", err)
		}
	}
	return nil
}

// teachers are what the candidate says of the new examples, by their ids, where that is to be stored with them.
func (n *night) teachers() (map[string]replaystore.TopLogProbs, error) {
	data, err := n.nights.deps.Registry.ReadNight(n.req.Night, work.TeachersFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := selection.DecodeLines[work.Taught]("teacher", data)
	if err != nil {
		return nil, err
	}
	byID := map[string]replaystore.TopLogProbs{}
	for _, t := range list {
		byID[t.ID] = t.Teacher
	}
	return byID, nil
}

// admission lists the newly trained examples for the rehearsal memory. The memory never takes an id again that was
// retired, nor other content under an id that it has: such examples get an id of this night. One that the memory has from
// the same feedback was admitted before the updater was killed.
// What was called bad is not remembered: it is rehearsed by nobody.
func admission(items []selection.Item, memory replaystore.Rehearsal, retire []string, night string, t Train) []replaystore.MemoryItem {
	taken := map[string]bool{}
	for _, id := range retire {
		taken[id] = true
	}
	known := map[string]string{}
	for _, m := range memory.Items() {
		known[m.ID] = m.Feedback
	}
	fresh := slices.DeleteFunc(selection.Using(items, selection.New), func(it selection.Item) bool { return it.Kind == replaystore.Unpaired && !it.Good })
	weights := t.admissionWeights(fresh)
	var list []replaystore.MemoryItem
	for i, it := range fresh {
		m := replaystore.MemoryItem{Example: it.Example, Weight: weights[i], Stratum: it.Why}
		switch {
		case m.Kind == replaystore.Unpaired: // a good answer
			m.Kind, m.Good = replaystore.SFT, false
		case m.Kind == replaystore.SFT && m.Rejected != "": // the memory's form of an example that is better than another
			m.Kind, m.Chosen, m.Completion = replaystore.Preference, m.Completion, ""
		}
		if feedback, in := known[m.ID]; taken[m.ID] || in && feedback != m.Feedback {
			m.ID = history.AdmittedID(m.ID, night)
		}
		list = append(list, m)
	}
	return list
}

// crowd caps the examples of one person in the memory at most, 0 for no cap: of what the memory holds beside what is retired and of what is
// to be admitted, it returns what to admit and what to retire besides. Which of a person's examples stay is drawn by a hash of their
// ids, the same again after a kill.
func crowd(memory replaystore.Rehearsal, admit []replaystore.MemoryItem, retired []string, limit int) (kept []replaystore.MemoryItem, retire []string) {
	gone := map[string]bool{}
	for _, id := range retired {
		gone[id] = true
	}
	var all []selection.Item
	held := map[string]bool{}
	for _, m := range memory.Items() {
		if !gone[m.ID] {
			held[m.ID] = true
			all = append(all, selection.Item{Example: m.Example})
		}
	}
	for _, m := range admit {
		if !held[m.ID] {
			all = append(all, selection.Item{Example: m.Example})
		}
	}
	stays := map[string]bool{}
	for _, it := range selection.CapSubjects(all, limit, selection.RandomSample) {
		stays[it.ID] = true
	}
	for _, it := range all {
		if held[it.ID] && !stays[it.ID] {
			retire = append(retire, it.ID)
		}
	}
	for _, m := range admit {
		if stays[m.ID] {
			kept = append(kept, m)
		}
	}
	return kept, retire
}
