package selection

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Confirmation says when what one person says waits until others say it too. Who gives a night many examples of one thing alone
// would otherwise teach it to everybody, or plant a phrase that has the model say it.
type Confirmation struct {
	Subjects int           // people who must say nearly the same, use the same phrase, or contradict what is known; below 2 nothing waits
	Examples int           // near-identical examples that need it: 1 for every example, 0 for none
	Phrase   int           // examples with a word, or two or three words in a row, that nobody else uses: so many of them need it; 0 for none
	Within   time.Duration // older examples do not wait any longer; 0 for no bound
}

// off says whether nothing can wait.
func (c Confirmation) off() bool { return c.Subjects < 2 }

// file is the person whose examples are the model's own files.
const file = "\x00file"

// wait is why an item waits, "" where it does not, how many examples there are like it, and how many people have said otherwise.
type wait struct {
	why     string
	fed     int
	opposed int
}

// confirm looks for examples that few people stand behind. Items that were learned before confirm, and so do the model's own
// examples. All whom nobody names are one person. An item that has waited before counts for as many as it stood for then: the
// others were near duplicates, or too many.
func confirm(items, known []Item, c Confirmation, near float64) []wait {
	waits := make([]wait, len(items))
	if c.off() {
		return waits
	}
	all := append(slices.Clone(items), known...)
	if c.Examples > 0 {
		r := resemble(all, cmp.Or(near, usualNear))
		for i := range items {
			count, people := r.cluster(all, r.text[i], c.Subjects)
			switch {
			case count < c.Examples || people >= c.Subjects:
			case count == 1:
				waits[i] = wait{why: fmt.Sprintf("only one person says so, and %d must", c.Subjects), fed: 1}
			default:
				waits[i] = wait{why: fmt.Sprintf("one of %d near-identical examples that come from %s, and %d must say so", count, peopleText(people), c.Subjects), fed: count}
			}
		}
	}
	if c.Phrase > 0 {
		phrases(all, len(items), c, waits)
	}
	contradict(all, len(items), c, waits)
	return waits
}

// peopleText counts people in words.
func peopleText(n int) string {
	switch n {
	case 0:
		return "nobody"
	case 1:
		return "one person"
	default:
		return fmt.Sprintf("%d people", n)
	}
}

// cluster counts the examples that are near-identical to a text and their people; it stops at enough of these, and an editor is enough.
func (r resemblance) cluster(items []Item, text, enough int) (count, people int) {
	var seen []string
	for _, t := range r.near[text] {
		for _, i := range r.items[t] {
			if items[i].Editor {
				return max(count, 1), enough
			}
			count += max(1, items[i].Fed)
			if who := person(items[i]); !slices.Contains(seen, who) {
				if seen = append(seen, who); len(seen) >= enough {
					return count, len(seen)
				}
			}
		}
	}
	return count, len(seen)
}

// person is who stands behind an item.
func person(it Item) string {
	if it.Interaction == "" {
		return file
	}
	return voice(it)
}

// usage is who uses a phrase, and how often.
type usage struct {
	examples int
	people   []string // at most as many as are asked for
	editor   bool     // one of them is an editor, whose word is enough
}

// phrases gives a reason to those of the first count items that share a phrase with others, which too few people use. The
// phrase is not told: it is somebody's words.
func phrases(items []Item, count int, c Confirmation, waits []wait) {
	uses := map[uint64]*usage{}
	sets := make([][]uint64, len(items))
	for i, it := range items {
		sets[i] = phrasesOf(it)
		who := person(it)
		for _, p := range sets[i] {
			u := uses[p]
			if u == nil {
				u = &usage{}
				uses[p] = u
			}
			u.examples += max(1, it.Fed)
			u.editor = u.editor || it.Editor
			if len(u.people) < c.Subjects && !slices.Contains(u.people, who) {
				u.people = append(u.people, who)
			}
		}
	}
	for i := range count {
		largest := usage{}
		for _, p := range sets[i] {
			if u := uses[p]; u.examples >= c.Phrase && !u.editor && len(u.people) < c.Subjects && u.examples > largest.examples {
				largest = *u
			}
		}
		if largest.examples > 0 && waits[i].why == "" {
			waits[i] = wait{why: fmt.Sprintf("one of %d examples that share words which come from %s, and %d must use them", largest.examples, peopleText(len(largest.people)), c.Subjects), fed: largest.examples}
		}
	}
}

// phrasesOf is the set of an example's words, and of two and three of them in a row, in question and answer alike; those of
// stop words alone are left out.
func phrasesOf(it Item) []uint64 {
	var set []uint64
	for _, text := range []string{LastQuestion(it.Prompt), answerOf(it)} {
		list := words(text)
		for i := range list {
			for n := 1; n <= 3 && i+n <= len(list); n++ {
				if slices.ContainsFunc(list[i:i+n], func(w string) bool { return !stopWords[w] }) {
					set = append(set, hashOf(2, list[i:i+n]...))
				}
			}
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}
