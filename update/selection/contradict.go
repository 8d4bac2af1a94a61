package selection

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// contradict gives a reason to those of the first count items that correct what the model came with, what an editor says, or what several
// people have said, while too few people say the same: one more than elsewhere, more than say otherwise since the first of them did, and
// twice as many as correct the same to something else. A lie of one person, or of two who happen to tell the same, would else be
// learned, and would retire what rehearses and measures the truth; a fact that has changed is soon corrected by others. Where answers are
// mixed up, nobody can be believed, and held-out feedback would not show it: it is as mixed up as the rest.
func contradict(items []Item, count int, c Confirmation, waits []wait) {
	s := newStatements(items)
	claims := s.claims(count)
	s.join(claims)
	enough := c.Subjects + 1
	for _, claim := range claims {
		i := claim.index
		side := claim.side()
		if i >= count || items[i].Editor || side.editor || !s.known(claim, c.Subjects) {
			continue
		}
		s.oppose(side, count)
		w, supporters := &waits[i], len(side.people)-len(side.left)
		switch {
		case w.why != "":
		case supporters < enough:
			w.why, w.fed = fmt.Sprintf("it contradicts what is known; %s of %d so far", peopleText(supporters), enough), 1
		case supporters <= side.opponents:
			w.why, w.fed = fmt.Sprintf("it contradicts what is known; of the people who spoke since, %d say so and %d say otherwise", supporters, side.opponents), 1
		case supporters < majority*side.rivals:
			w.why, w.fed = fmt.Sprintf("it contradicts what is known; of the people who correct this, %d say so and %d something else", supporters, side.rivals), 1
		}
		if w.why != "" {
			w.opposed = side.tonight
		}
	}
}

// statements are items as the words that they say.
type statements struct {
	items  []Item
	said   []stated
	bags   [][]string // of question and answer; of a correction, the answer that it corrects
	rarity map[string]float64
	claim  map[int]*claim // by position, of those that correct something
}

// stated is what an item says.
type stated struct {
	answer []string
	prompt string
}

func newStatements(items []Item) statements {
	s := statements{items: items, said: make([]stated, len(items)), bags: make([][]string, len(items)), claim: map[int]*claim{}}
	for i, it := range items {
		text := answerOf(it)
		s.said[i] = stated{answer: words(text), prompt: normal(it.Prompt)}
		if it.Rejected != "" {
			text = it.Rejected
		}
		s.bags[i] = words(LastQuestion(it.Prompt) + " " + text)
	}
	s.rarity = idf(s.bags)
	return s
}

// claim is a correction with the examples, learned before or the model's own, that it is against.
type claim struct {
	correction
	index   int
	against []int
	value   []string // words that carry what it puts in
	units   []string // what its numbers count
	joined  *claim   // one that says the same, nil for none before it
	sides   *side    // of the first of those that say the same
}

// side are the claims that say the same about the same thing.
type side struct {
	claims    []*claim
	about     map[string]int       // claims by the words that they have beside what they change; nil until somebody asks
	people    map[string]time.Time // and when each said so last
	left      map[string]bool      // of them, those who have corrected the same to something else since
	editor    bool                 // one of them is an editor, whose word is enough
	since     time.Time            // of the first claim
	until     time.Time            // of the last
	counted   bool
	before    int // people who said otherwise in the nights that one of the claims has waited for
	tonight   int // and with those whose feedback is new
	opponents int // people who have said otherwise since, as far as is known
	rivals    int // of them, those who correct the same to something else
}

// claims lists the corrections with what they are against among the items after the first count.
func (s statements) claims(count int) []*claim {
	var list []*claim
	for i, it := range s.items {
		if it.Rejected == "" || bad(it) || person(it) == file {
			continue
		}
		c := &claim{correction: newCorrection(Plain(it)), index: i}
		form := map[string]bool{}
		for k := range s.items {
			if k == i || k < count && !s.items[k].Editor || bad(s.items[k]) || !c.contradicts(s.said[k], s.bags[k], s.rarity, doubtful) {
				continue
			}
			c.against = append(c.against, k)
			for _, w := range s.said[k].answer {
				form[w] = true
			}
		}
		s.claim[i] = s.valued(c, form)
		list = append(list, c)
	}
	return list
}

// valued fills in what a claim's correction says, against answers that use the words of form.
func (s statements) valued(c *claim, form map[string]bool) *claim {
	c.value = c.carries(form)
	c.units = units(words(c.item.Completion), numbers(c.added))
	return c
}

// carries are the words that carry what a correction puts in: its numbers, together, or else each of the words that the answers which
// it is against do not use anyway. Where a number goes and none comes that was not there, as in "8 to 8" for "8 to 9", it is all numbers
// that are left; of one that puts nothing in that was not there, what it takes out.
func (c correction) carries(form map[string]bool) []string {
	n := numbers(c.added)
	if left := numbers(words(c.item.Completion)); len(n) == 0 && len(numbers(c.removed)) > 0 && oftener(left, c.before) {
		n = left
	}
	if len(n) > 0 {
		return []string{strings.Join(slices.Sorted(slices.Values(n)), " ")}
	}
	if len(c.added) == 0 {
		return []string{"\x00" + strings.Join(slices.Sorted(slices.Values(c.removed)), " ")}
	}
	rest := slices.DeleteFunc(slices.Clone(c.added), func(w string) bool { return form[w] })
	if len(rest) == 0 {
		return c.added
	}
	return rest
}

// oftener says whether one of the words of a occurs oftener there than in b.
func oftener(a, b []string) bool {
	count := map[string]int{}
	for _, w := range b {
		count[w]++
	}
	return slices.ContainsFunc(a, func(w string) bool { count[w]--; return count[w] < 0 })
}

// join brings claims together that are against the same example, put the same in and are about the same question: without the last,
// people who correct one number to another would vouch for whoever says the same number of something else.
func (s statements) join(claims []*claim) {
	type bucket struct {
		against int
		value   string
	}
	met := map[bucket][]*claim{}
	tried := map[[2]*claim]bool{}
	for _, c := range claims {
		for _, k := range c.against {
			for _, v := range c.value {
				b := bucket{k, v}
				for _, other := range met[b] {
					if c.root() == other.root() || tried[[2]*claim{c, other}] {
						continue
					}
					tried[[2]*claim{c, other}] = true
					if s.alike(c, other) {
						unite(c, other)
					}
				}
				met[b] = append(met[b], c)
			}
		}
	}
	for _, c := range claims {
		root := c.root()
		if root.sides == nil {
			root.sides = &side{people: map[string]time.Time{}, left: map[string]bool{}, since: c.item.Time, until: c.item.Time}
		}
		d := root.sides
		d.claims = append(d.claims, c)
		if who := person(c.item); !c.item.Time.Before(d.people[who]) {
			d.people[who] = c.item.Time
		}
		d.editor = d.editor || c.item.Editor
		d.before = max(d.before, c.item.Opposed)
		if c.item.Time.Before(d.since) {
			d.since = c.item.Time
		}
		if c.item.Time.After(d.until) {
			d.until = c.item.Time
		}
	}
}

// alike says whether two claims can be about the same question: they share a word of weight beside what they change, and what their
// numbers count is not two things.
func (s statements) alike(a, b *claim) bool {
	if a.prompt == b.prompt {
		return true
	}
	without := changedWords(a.correction)
	maps.Copy(without, changedWords(b.correction))
	return cosine(a.bag, b.bag, without, s.rarity) >= foreign && !differ(a.units, b.units)
}

// differ says whether two lists have words and none of them in common.
func differ(a, b []string) bool { return len(a) > 0 && len(b) > 0 && !holdsSome(a, b) }

// units are the words that stand behind the numbers of an answer, stop words left out: what is counted.
func units(answer []string, numbers []string) (list []string) {
	for i, w := range answer[:max(0, len(answer)-1)] {
		if slices.Contains(numbers, w) && !stopWords[answer[i+1]] {
			list = append(list, answer[i+1])
		}
	}
	return list
}

// root is the claim that stands for all that say the same.
func (c *claim) root() *claim {
	for c.joined != nil {
		c = c.joined
	}
	return c
}

// unite joins two claims and all that say the same as one of them.
func unite(a, b *claim) {
	if a, b = a.root(), b.root(); a != b {
		a.joined = b
	}
}

// side is the claim's side.
func (c *claim) side() *side { return c.root().sides }

// known says whether a claim is against an example of the model's own, an editor's, or those of several people.
func (s statements) known(c *claim, several int) bool {
	var people []string
	for _, k := range c.against {
		if s.items[k].Editor {
			return true
		}
		if who := person(s.items[k]); !slices.Contains(people, who) {
			people = append(people, who)
		}
	}
	return slices.Contains(people, file) || len(people) >= several
}

// doubtful is the cosine from which a correction may be about the same question as another text: to wait for a second person costs
// less than to retire an example, so that less is enough than for that.
const doubtful = 0.15

// contradicts says whether an answer is one that the correction is against, whichever is newer, when texts with that cosine count as
// about the same question.
func (c correction) contradicts(t stated, bag []string, rarity map[string]float64, alike float64) bool {
	if t.prompt == c.prompt {
		return strings.Join(t.answer, " ") != strings.Join(words(c.item.Completion), " ") && !c.putIn(t.answer)
	}
	return c.takenOut(t.answer) && !c.putIn(t.answer) && cosine(bag, c.bag, changedWords(c), rarity) >= alike
}
