package selection

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
)

// How a night holds out.
const (
	ByPeople    = nightrecord.ByPeople    // of some people everything, which says whether people gain whom nobody learned from
	ByQuestions = nightrecord.ByQuestions // of what several people corrected, what some of them said of it: whether other phrasings gain
)

// split holds out what measures the gain: people, or where these are too few or leave too few corrections, or hardly anybody to learn from,
// parts of questions. A bad answer that is held out measures nothing. What an editor says is always learned.
func (s *Selection) split(items []Item, opt Options) {
	held := byPeople(items, opt)
	s.HeldOutBy = ByPeople
	if !measures(items, held, opt.Measured) || people(items, held) < minPeople {
		if parts := byQuestions(items, opt); measures(items, parts, max(1, opt.Measured)) {
			held, s.HeldOutBy = parts, ByQuestions
		}
	}
	for i, it := range items {
		it.Use = New
		if held[i] {
			if bad(it) {
				s.reject(it.ID, "a bad answer of a person who is held out: it neither teaches nor measures")
				continue
			}
			it.Use, it.Kind, it.Good = HeldOut, replaystore.SFT, false
		}
		s.Items = append(s.Items, it)
	}
}

// minPeople is how many people must be held out for a gain of theirs to be more than that of each alone.
const minPeople = 3

// people counts those who are held out; all without a name are one.
func people(items []Item, held []bool) int {
	set := map[string]bool{}
	for i, it := range items {
		if held[i] {
			set[it.Subject] = true
		}
	}
	return len(set)
}

// measures says whether so many corrections are held out as a gain needs to show, and no more is held out than learned.
func measures(items []Item, held []bool, needed int) bool {
	corrections, measured, learned := 0, 0, 0
	for i, it := range items {
		switch {
		case it.Editor:
		case held[i]:
			measured++
			if it.Rejected != "" {
				corrections++
			}
		default:
			learned++
		}
	}
	return corrections >= needed && measured <= learned
}

// byPeople chooses people, or single interactions of unknown people, by a keyed hash. Who was once learned from is never held out: their
// next examples are like what was learned.
func byPeople(items []Item, opt Options) []bool {
	held := make([]bool, len(items))
	for i, it := range items {
		if !it.Editor && (it.Subject == "" || !opt.Trained[it.Subject]) {
			held[i] = draw(opt.HeldOutKey, "held out", cmp.Or(it.Subject, it.Interaction)) < opt.HeldOut
		}
	}
	return held
}

// draw is a number from 0 to 1 that nobody can foresee who has not got the key, always the same for the same texts.
func draw(key []byte, texts ...string) float64 {
	mac := hmac.New(sha256.New, key)
	for i, text := range texts {
		if i > 0 {
			mac.Write([]byte{0})
		}
		mac.Write([]byte(text))
	}
	return float64(binary.BigEndian.Uint64(mac.Sum(nil))>>11) / (1 << 53)
}

// part is what one person says of one question.
type part struct {
	items  []int   // positions of the corrections
	twins  int     // of which others have given nearly the same
	order  float64 // by which parts are drawn
	forced string  // HeldOut or New where an earlier night has decided
}

// byQuestions chooses, of each question that several people corrected in the same way, what some of these said of it. One person's
// corrections of a question are all held out or all learned, also from night to night; at least half of the people of a question are
// learned from. Parts that nobody else has put in the same words go first: they measure whether other phrasings gain.
func byQuestions(items []Item, opt Options) []bool {
	held := make([]bool, len(items))
	total, count := 0, 0
	var questions [][]part
	for _, q := range parts(items, opt) {
		var free []part
		room := len(q) / 2 // people who may be held out
		for _, p := range q {
			total += len(p.items)
			switch p.forced {
			case HeldOut:
				room--
				for _, i := range p.items {
					held[i] = true
				}
				count += len(p.items)
			case "":
				free = append(free, p)
			}
		}
		slices.SortFunc(free, func(a, b part) int {
			return cmp.Or(cmp.Compare(a.twins, b.twins), cmp.Compare(a.order, b.order))
		})
		questions = append(questions, free[:max(0, min(len(free), room))])
	}
	for wanted := max(opt.Measured, int(math.Ceil(opt.HeldOut*float64(total)))); count < wanted; {
		before := count
		for q, free := range questions {
			if len(free) == 0 || count >= wanted {
				continue
			}
			for _, i := range free[0].items {
				held[i] = true
			}
			count += len(free[0].items)
			questions[q] = free[1:]
		}
		if count == before {
			break
		}
	}
	return held
}

// parts are the questions that corrections are about, those of the most people first, each as what its people say of it.
func parts(items []Item, opt Options) [][]part {
	all := append(append(slices.Clone(items), opt.Probed...), opt.Known...)
	question, near := questionsOf(all), resemble(all, cmp.Or(opt.Near, usualNear))
	people := map[int]map[string]*part{}
	for i, it := range all {
		if question[i] < 0 || it.Editor || person(it) == file {
			continue
		}
		of := people[question[i]]
		if of == nil {
			of = map[string]*part{}
			people[question[i]] = of
		}
		p := of[it.Subject]
		if p == nil {
			p = &part{}
			of[it.Subject] = p
		}
		switch {
		case i < len(items):
			if len(p.items) == 0 {
				p.order = draw(opt.HeldOutKey, "held out of a question", it.Subject, it.Interaction)
			}
			p.items = append(p.items, i)
			if _, others := near.cluster(all, near.text[i], 2); others > 1 {
				p.twins++
			}
		case i < len(items)+len(opt.Probed):
			p.forced = HeldOut
		case p.forced == "":
			p.forced = New
		}
	}
	var list [][]part
	for _, q := range slices.Sorted(maps.Keys(people)) {
		var now []part
		for _, who := range slices.Sorted(maps.Keys(people[q])) {
			if p := people[q][who]; len(p.items) > 0 {
				now = append(now, *p)
			}
		}
		list = append(list, now)
	}
	slices.SortStableFunc(list, func(a, b []part) int { return cmp.Compare(len(b), len(a)) })
	return list
}

// questionsOf numbers the questions that corrections are about: corrections that put the same in, about what reads like the same
// question. Whatever corrects nothing has −1.
func questionsOf(items []Item) []int {
	s := newStatements(items)
	numbers := make([]int, len(items))
	claims := make([]*claim, len(items))
	met := map[string][]*claim{}
	for i, it := range items {
		if it.Rejected == "" || bad(it) {
			continue
		}
		c := s.valued(&claim{correction: newCorrection(Plain(it)), index: i}, nil)
		claims[i] = c
		for _, v := range c.value {
			for _, other := range met[v] {
				if c.root() != other.root() && s.alike(c, other) {
					unite(c, other)
				}
			}
			met[v] = append(met[v], c)
			if len(met[v]) > bucketPast {
				met[v] = met[v][1:]
			}
		}
	}
	for i, c := range claims {
		numbers[i] = -1
		if c != nil {
			numbers[i] = c.root().index
		}
	}
	return numbers
}
