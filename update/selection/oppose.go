package selection

// majority is how many times as many people must say so as correct the same to something else: two thirds of them agree. Where people
// disagree at random about several questions, half of them agree about one by chance.
const majority = 2

// maxVoices is how many of a side's claims are held against others, evenly chosen: they are worded differently.
const maxVoices = 8

// oppose counts the people who have contradicted a side since its first claim: those in the first count items whose feedback is new,
// with those whom earlier nights counted, or those in all items, whichever are more. An item that has waited was new before. Rivals are
// people who correct the same to something else; of these, what they said before that claim counts too if it is in the first count items
// and their own side has spoken since: people disagree, and nothing has changed. A person's last word counts.
func (s statements) oppose(d *side, count int) {
	if d.counted {
		return
	}
	people, rivals, fresh, waited := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, it := range s.items {
		who, other := person(it), s.claim[i]
		isNew, early := i < count && it.Fed == 0, it.Time.Before(d.since)
		said, own := d.people[who]
		switch {
		case who == file || bad(it):
			continue
		case own && (other == nil || !it.Time.After(said)):
			continue
		case early && (i >= count || other == nil || other.side().until.Before(d.since)):
			continue
		case people[who] && (rivals[who] || other == nil) && (waited[who] || fresh[who] && isNew): // nothing more to learn of this person
			continue
		}
		opposed, rival := s.opposes(d, i)
		if !opposed || !rival && (own || early) {
			continue
		}
		people[who] = true
		rivals[who] = rivals[who] || rival
		fresh[who] = fresh[who] || isNew
		waited[who] = waited[who] || !isNew
		if own {
			d.left[who] = true
		}
	}
	d.counted, d.tonight, d.rivals = true, d.before, 0
	for who := range people {
		if fresh[who] && !waited[who] {
			d.tonight++
		}
		if rivals[who] {
			d.rivals++
		}
	}
	d.opponents = max(d.tonight, len(people))
}

// opposes says whether an item contradicts a side, and whether it is a rival: a correction of the same to something else.
func (s statements) opposes(d *side, i int) (opposed, rival bool) {
	n := min(maxVoices, len(d.claims))
	for v := range n {
		c := d.claims[v*len(d.claims)/n]
		switch {
		case s.claim[i] != nil && s.rival(c, s.claim[i]):
			return true, true
		case opposed: // what is left to find is a rival
		default:
			opposed = c.contradicts(s.said[i], s.bags[i], s.rarity, doubtful)
		}
		if opposed && s.claim[i] == nil {
			return true, false
		}
	}
	return opposed, false
}

// rival says whether two corrections take the same out of an answer to what may be the same question, and put different things in: where
// one answer holds all numbers that the other puts in, it only says more.
func (s statements) rival(a, b *claim) bool {
	return takeTheSame(a, b) && a.takenOut(b.before) &&
		!holdsSome(a.value, b.value) && !holdsAll(s.said[a.index].answer, numbers(b.added)) && !holdsAll(s.said[b.index].answer, numbers(a.added)) &&
		cosine(a.bag, b.bag, changedWords(a.correction), s.rarity) >= doubtful && !differentThings(a.side(), b.side())
}

// takeTheSame says whether two corrections take some of the same out: of the numbers, where both take some.
func takeTheSame(a, b *claim) bool {
	if m, n := numbers(a.removed), numbers(b.removed); len(m) > 0 && len(n) > 0 {
		return holdsSome(m, n)
	}
	return holdsSome(a.removed, b.removed)
}

// differentThings says whether two sides are about different things, as "a ski wax costs $15" and "a tent peg costs $15": all claims of each
// have a word, beside what they change, that none of the other has. The answer that is corrected is among their words, so that those who
// correct the same answer share some.
func differentThings(a, b *side) bool { return a.tells(b) && b.tells(a) }

// tells says whether all claims of a side have a word, beside what they change, that none of another has.
func (d *side) tells(other *side) bool {
	theirs := other.words()
	for w, n := range d.words() {
		if n == len(d.claims) && theirs[w] == 0 {
			return true
		}
	}
	return false
}

// words counts the side's claims by the words that they have beside what they change, stop words left out.
func (d *side) words() map[string]int {
	if d.about != nil {
		return d.about
	}
	d.about = map[string]int{}
	for _, c := range d.claims {
		changed, seen := changedWords(c.correction), map[string]bool{}
		for _, w := range c.bag {
			if !stopWords[w] && !changed[w] && !seen[w] {
				seen[w] = true
				d.about[w]++
			}
		}
	}
	return d.about
}
