package selection

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// dedupe keeps the newest of the examples with the same prompt and completion of one person.
func (s *Selection) dedupe(items []Item) []Item {
	last := map[string]int{}
	key := func(it Item) string {
		return promptText(it.Prompt) + "\x00" + it.Completion + "\x00" + voice(it) + "\x00" + string(it.Kind) + strconv.FormatBool(it.Good)
	}
	for i, it := range items {
		last[key(it)] = i
	}
	var kept []Item
	repeats := make([]int, len(items))
	for i, it := range items {
		if j := last[key(it)]; j != i {
			repeats[j] += 1 + it.Repeats
			s.reject(it.ID, "the same example as "+items[j].ID)
			continue
		}
		it.Repeats += repeats[i]
		kept = append(kept, it)
	}
	return kept
}

// dedupeNear keeps the newest of one person's near-identical examples.
func (s *Selection) dedupeNear(items []Item, near float64) []Item {
	if near <= 0 {
		return items
	}
	r := resemble(items, near)
	newest := make([]map[string]int, len(r.items))
	for t, list := range r.items {
		newest[t] = map[string]int{}
		for _, i := range list {
			newest[t][voice(items[i])] = i
		}
	}
	var kept []Item
	repeats := make([]int, len(items))
	for i, it := range items {
		it.Repeats += repeats[i]
		by := i
		for _, t := range r.near[r.text[i]] {
			if j, ok := newest[t][voice(it)]; ok {
				by = max(by, j)
			}
		}
		if by != i {
			repeats[by] += 1 + it.Repeats
			s.reject(it.ID, "nearly the same example as "+items[by].ID+" of the same person, which is newer")
			continue
		}
		kept = append(kept, it)
	}
	return kept
}

// voice is whose word an item is: an editor's is another one than that of the person whose answer it corrects. Each of what was taught out
// of files is a word of its own: however alike they read, somebody wrote both down.
func voice(it Item) string {
	if it.Editor && it.Source != "" {
		return "\x00taught\x00" + it.Interaction
	}
	if it.Editor {
		return "\x00editor\x00" + cmp.Or(it.Author, it.Subject)
	}
	return it.Subject
}

// cap keeps the newest limit examples of each person; everybody who is not named is one person. What editors say is not counted.
func (s *Selection) cap(items []Item, limit int) []Item {
	if limit <= 0 {
		return items
	}
	count := map[string]int{}
	var kept []Item
	for _, it := range slices.Backward(items) {
		if it.Editor {
			kept = append(kept, it)
			continue
		}
		if count[it.Subject]++; count[it.Subject] > limit {
			s.reject(it.ID, fmt.Sprintf("one of more than %d examples of one person", limit))
			continue
		}
		kept = append(kept, it)
	}
	slices.Reverse(kept)
	return kept
}

// bound keeps the newest limit examples: what one night can learn within its deadline. What editors say goes first.
func (s *Selection) bound(items []Item, limit int) []Item {
	over := len(items) - limit
	if limit <= 0 || over <= 0 {
		return items
	}
	for _, editors := range []bool{false, true} {
		items = slices.DeleteFunc(items, func(it Item) bool {
			if over == 0 || it.Editor != editors {
				return false
			}
			over--
			s.reject(it.ID, fmt.Sprintf("older than the newest %d examples, which are all that one night learns", limit))
			return true
		})
	}
	return items
}

// Said counts what people said: the items, and what they said again in the same or nearly the same words, as far as that is no more.
func Said(items []Item) int {
	repeats := 0
	for _, it := range items {
		repeats += it.Repeats
	}
	return len(items) + min(repeats, len(items))
}

// People counts the distinct subjects of items, and the largest share that one of them has. All items without a subject count as one
// person: nobody becomes many by leaving the name out.
func People(items []Item) (people int, largest float64) {
	count := map[string]int{}
	total := 0
	for _, it := range items {
		total++
		count[it.Subject]++
		largest = max(largest, float64(count[it.Subject]))
	}
	if total > 0 {
		largest /= float64(total)
	}
	return len(count), largest
}
