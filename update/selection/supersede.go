package selection

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"nightshift/replaystore"
)

// similarity is the cosine of TF-IDF vectors from which two examples count as about the same question: on the demo shop's
// sentences 0.3 misses more of what changed and 0.2 retires more of what did not.
const similarity = 0.25

// Supersede retires older items that a newer correction contradicts. An item is retired when the correction is newer, the
// item's answer does not hold what the correction put in, and either
//   - both answer the same prompt, or
//   - the item's answer holds what the correction took out, and both are about the same question: the TF-IDF vectors of
//     question and answer, without the changed words, are similar (Salton & Buckley 1988 for the weighting).
//
// What a correction took out and put in are the words in which it differs from the answer; of those with digits alone
// where there are any, because numbers carry the fact, and the sentence around them is often rewritten as well.
//
// Facts change: without this, rehearsal would teach the old answer while the correction teaches the new one, and the
// gate would punish the change.
func Supersede(items, newer []Item) (kept []Item, retired []Reason) {
	return supersede(items, newer, func(string, string) bool { return false })
}

// supersede is Supersede but for pairs of items that agree, by their ids.
func supersede(items, newer []Item, agree func(a, b string) bool) (kept []Item, retired []Reason) {
	var corrections []correction
	for _, c := range newer {
		if c.Rejected == "" {
			continue
		}
		corrections = append(corrections, newCorrection(c))
	}
	if len(corrections) == 0 {
		return items, nil
	}
	bags := make([][]string, len(items))
	for i, it := range items {
		bags[i] = words(LastQuestion(it.Prompt) + " " + it.Completion)
	}
	rarity := idf(append(slices.Clone(bags), correctionBags(corrections)...))
	for i, it := range items {
		if bad(it) { // what was called bad agrees with what corrects it
			kept = append(kept, it)
			continue
		}
		if by := contradicted(it, bags[i], corrections, rarity, agree); by != "" {
			retired = append(retired, Reason{ID: it.ID, Why: by})
			continue
		}
		kept = append(kept, it)
	}
	return kept, retired
}

// overrule supersedes the items of one night among themselves. What an editor says holds against what others say, whichever is newer:
// whoever answers after the editor has seen neither the correction nor a version that learned it. versions names, by interaction, the
// version that gave the answer, where it is known.
func overrule(items []Item, versions map[string]string) (kept []Item, retired []Reason) {
	var editors, others, newer []Item
	var last time.Time
	for _, it := range items {
		if it.Time.After(last) {
			last = it.Time
		}
		if it.Editor {
			editors = append(editors, it)
		} else {
			others = append(others, it)
		}
	}
	for _, it := range editors {
		it.Time = last.Add(1)
		newer = append(newer, it)
	}
	// Those that put the same in about the same question say the same in other words, of which none is the old answer.
	question, byID := map[string]int{}, map[string]Item{}
	for i, q := range questionsOf(items) {
		question[items[i].ID], byID[items[i].ID] = q, items[i]
	}
	agree := func(a, b string) bool {
		return question[a] >= 0 && question[a] == question[b] || apart(byID[a], byID[b], versions) || together(byID[a], byID[b])
	}
	_, retired = supersede(editors, editors, agree)
	_, opposed := supersede(others, append(newer, others...), agree)
	retired = append(retired, opposed...)
	gone := map[string]bool{}
	for _, r := range retired {
		gone[r.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(items), func(it Item) bool { return gone[it.ID] }), retired
}

// together says whether two items were taught in one batch, which has each question once: they hold beside each other.
func together(a, b Item) bool {
	return a.Source != "" && b.Source != "" && a.Subject != "" && a.Subject == b.Subject && normal(a.Prompt) != normal(b.Prompt)
}

// apart says whether two corrections are of different questions, since one version answered both and its answer to the older did not
// hold what the newer took out: "a ski wax is $16" does not contradict "express is $16" where express was answered with $15.
func apart(older, newer Item, versions map[string]string) bool {
	one, known := versions[older.Interaction]
	other, too := versions[newer.Interaction]
	if !known || !too || one != other || older.Rejected == "" || newer.Rejected == "" || normal(older.Prompt) == normal(newer.Prompt) {
		return false
	}
	return !newCorrection(newer).takenOut(words(older.Rejected))
}

// correction is a correction with what it changed.
type correction struct {
	item           Item
	prompt         string
	bag            []string // words of question and original answer
	before         []string // words of the original answer
	removed, added []string
}

func newCorrection(it Item) correction {
	before, after := words(it.Rejected), words(it.Completion)
	return correction{item: it, prompt: normal(it.Prompt), bag: words(LastQuestion(it.Prompt) + " " + it.Rejected), before: before,
		removed: telling(missing(before, after)), added: telling(missing(after, before))}
}

// telling are the words that say something; where none does, all: then the small words are what was corrected.
func telling(list []string) []string {
	some := slices.DeleteFunc(slices.Clone(list), func(w string) bool { return stopWords[w] })
	if len(some) == 0 {
		return list
	}
	return some
}

// correctionBags are the corrections' words.
func correctionBags(list []correction) [][]string {
	bags := make([][]string, len(list))
	for i, c := range list {
		bags[i] = c.bag
	}
	return bags
}

// contradicted says which newer correction contradicts the item, "" if none does.
func contradicted(it Item, bag []string, list []correction, rarity map[string]float64, agree func(a, b string) bool) string {
	says := stated{answer: words(it.Completion), prompt: normal(it.Prompt)}
	for _, c := range list {
		if c.item.ID != it.ID && c.item.Time.After(it.Time) && c.contradicts(says, bag, rarity, similarity) && !agree(it.ID, c.item.ID) {
			if c.item.Editor && !it.Editor {
				return "an editor's correction of " + c.item.ID + " answers the same question differently"
			}
			return "the newer correction of " + c.item.ID + " answers the same question differently"
		}
	}
	return ""
}

// takenOut says whether an answer holds what the correction took out: all of the numbers, or else some of the words.
func (c correction) takenOut(answer []string) bool {
	if n := numbers(c.removed); len(n) > 0 {
		return holdsAll(answer, n)
	}
	return holdsSome(answer, c.removed)
}

// putIn says whether an answer holds what the correction put in: all of the numbers, or else all of the words.
func (c correction) putIn(answer []string) bool {
	if n := numbers(c.added); len(n) > 0 {
		return holdsAll(answer, n)
	}
	return holdsAll(answer, c.added)
}

// numbers are the words with digits.
func numbers(words []string) []string {
	var list []string
	for _, w := range words {
		if strings.IndexFunc(w, unicode.IsDigit) >= 0 {
			list = append(list, w)
		}
	}
	return list
}

// changedWords is the set of words that a correction took out or put in: of those with digits alone where there are any, as elsewhere.
func changedWords(c correction) map[string]bool {
	changed := append(slices.Clone(c.removed), c.added...)
	if n := numbers(changed); len(n) > 0 {
		changed = n
	}
	set := map[string]bool{}
	for _, w := range changed {
		set[w] = true
	}
	return set
}

// LastQuestion is the text of the last message that is not the assistant's.
func LastQuestion(messages []replaystore.Message) string {
	for _, m := range slices.Backward(messages) {
		if m.Role != "assistant" {
			return m.Content
		}
	}
	return ""
}

// normal is a prompt in a form in which case, punctuation and spacing do not matter.
func normal(messages []replaystore.Message) string {
	parts := make([]string, len(messages))
	for i, m := range messages {
		parts[i] = m.Role + " " + strings.Join(words(m.Content), " ")
	}
	return strings.Join(parts, "\n")
}

// words splits text into lower-case words; a trailing plural s is dropped from words of four letters and more.
func words(text string) []string {
	list := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '$' && r != '%' && r != '\''
	})
	for i, w := range list {
		if len(w) >= 4 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") {
			list[i] = w[:len(w)-1]
		}
	}
	return list
}

// stopWords say nothing about what a question is about.
var stopWords = map[string]bool{}

func init() { //nolint:gochecknoinits // a table
	for _, w := range strings.Fields(`a an the is are was be been do doe did can could would will shall should may might i you we they it he she me my your our their
		to of in on at for from with by about as and or but if then than that thi these those there here what which who when where how much many long
		have ha had get got not no yes please tell know just any some so up out hi hello hey thank`) {
		stopWords[w] = true
	}
}

// idf weighs words by how few of the texts have them: log(1 + n/df).
func idf(bags [][]string) map[string]float64 {
	df := map[string]float64{}
	for _, bag := range bags {
		seen := map[string]bool{}
		for _, w := range bag {
			if !seen[w] {
				seen[w] = true
				df[w]++
			}
		}
	}
	for w, n := range df {
		df[w] = math.Log(1 + float64(len(bags))/n)
	}
	return df
}

// cosine compares two bags of words by their TF-IDF vectors, leaving out stop words and the words in without.
func cosine(a, b []string, without map[string]bool, rarity map[string]float64) float64 {
	vector := func(bag []string) map[string]float64 {
		v := map[string]float64{}
		for _, w := range bag {
			if !stopWords[w] && !without[w] {
				v[w] = rarity[w]
			}
		}
		return v
	}
	va, vb := vector(a), vector(b)
	dot, na, nb := 0.0, 0.0, 0.0
	for _, w := range sortedKeys(va) {
		dot += va[w] * vb[w]
		na += va[w] * va[w]
	}
	for _, w := range sortedKeys(vb) {
		nb += vb[w] * vb[w]
	}
	if na == 0 || nb == 0 {
		return 0
	}
	return dot / math.Sqrt(na*nb)
}

// sortedKeys fixes the order of summation.
func sortedKeys(m map[string]float64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// missing returns the words of a that b does not have, in order, each once.
func missing(a, b []string) []string {
	var list []string
	for _, w := range a {
		if !slices.Contains(b, w) && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// holdsSome says whether text has one of the words.
func holdsSome(text, of []string) bool {
	return slices.ContainsFunc(of, func(w string) bool { return slices.Contains(text, w) })
}

// holdsAll says whether text has all of the words, and there are some.
func holdsAll(text, of []string) bool {
	if len(of) == 0 {
		return false
	}
	return !slices.ContainsFunc(of, func(w string) bool { return !slices.Contains(text, w) })
}
