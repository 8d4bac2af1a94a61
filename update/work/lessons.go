package work

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// lessons are what a run learns from.
type lessons struct {
	fresh, rehearsed []train.Sequence              // are imitated, none of them called bad
	phrased          []train.Sequence              // what was taught, asked in other words; imitated with the new examples, and counted nowhere
	own              map[string]bool               // ids of what is rehearsed that the model came with
	near             map[string]selection.Nearness // of what is rehearsed to the new examples, by id
	preferences      []train.Preference
	rated            []train.Rated
	leftOut          int              // corrections that make no pair
	corrections      []selection.Item // on which it is measured what was learned
}

// lessons sorts the new and the rehearsed items by how they are learned. Of a correction the better answer is imitated, besides
// being preferred: a preference alone cannot teach what a small model would never say. A good answer is imitated, besides being
// rated. What anybody called bad in this selection is not imitated, whoever else calls it good.
func (w *worker) lessons(items []selection.Item) (lessons, error) {
	l := lessons{own: map[string]bool{}, corrections: correctionsOf(items)}
	if err := w.job.Train.checkObjective(); err != nil {
		return l, fmt.Errorf("train: %w", err)
	}
	var fresh, rehearsed []selection.Item
	asked := questionsOf(items)
	for _, it := range items {
		switch it.Use {
		case selection.New:
			fresh = append(fresh, it)
		case selection.Rehearsal:
			rehearsed = append(rehearsed, it)
		default:
			continue
		}
		if err := w.learnable(it); err != nil {
			return l, err
		}
		if err := w.weigh(it, &l); err != nil {
			return l, err
		}
		if w.calledBad(it) {
			continue
		}
		s, err := w.sequence(selection.Plain(it))
		if err != nil {
			return l, err
		}
		if it.Use == selection.New {
			l.fresh = append(l.fresh, s)
			if err := w.phrase(it, asked, &l); err != nil {
				return l, err
			}
		} else {
			w.stored(it, &s)
			l.own[it.ID] = it.Interaction == ""
			l.rehearsed = append(l.rehearsed, s)
		}
	}
	if len(l.fresh)+len(l.preferences)+len(l.rated) == 0 {
		return l, fmt.Errorf("train: the selection has no new examples")
	}
	l.near = map[string]selection.Nearness{}
	for i, near := range selection.Near(rehearsed, fresh) {
		l.near[rehearsed[i].ID] = near
	}
	return l, nil
}

// phrase adds the other words of a new example.
func (w *worker) phrase(it selection.Item, asked map[string]bool, l *lessons) error {
	for _, other := range w.phrased(it, asked) {
		s, err := w.sequence(other)
		if err != nil {
			return err
		}
		l.phrased = append(l.phrased, s)
	}
	return nil
}

// phrased is what was taught out of a file, asked in other words: a file has a question once, and people ask it as they please. What
// people said in their own words stays as they said it. What is asked elsewhere in the selection is left out, as it may be what measures.
func (w *worker) phrased(it selection.Item, asked map[string]bool) (list []selection.Item) {
	last := len(it.Prompt) - 1
	if it.Source == "" || it.Use != selection.New || last < 0 || it.Prompt[last].Role != "user" {
		return nil
	}
	for i, question := range phrasings(it.Prompt[last].Content, w.job.Train.Phrasings, w.job.Seed) {
		if asked[plainQuestion(question)] && plainQuestion(question) != plainQuestion(it.Prompt[last].Content) {
			continue
		}
		other := selection.Plain(it)
		other.ID = fmt.Sprintf("%s~%d", it.ID, i+1)
		other.Prompt = slices.Clone(it.Prompt)
		other.Prompt[last].Content = question
		list = append(list, other)
	}
	return list
}

// questionsOf are what the items of a selection ask.
func questionsOf(items []selection.Item) map[string]bool {
	asked := map[string]bool{}
	for _, it := range items {
		asked[plainQuestion(selection.LastQuestion(it.Prompt))] = true
	}
	return asked
}

// plainQuestion is a question without case and punctuation.
func plainQuestion(text string) string { return strings.Join(wordsOf(text), " ") }

// imitated are the new examples that are imitated, with what was made of them.
func (l lessons) imitated() []train.Sequence {
	if len(l.phrased) == 0 {
		return l.fresh
	}
	return slices.Concat(l.fresh, l.phrased)
}

// besideCopies is how many times as often what lies beside the new examples is rehearsed as the rest, at most.
const besideCopies = 4

// rehearsals are the rehearsed sequences as they are gone through: what lies beside the new examples comes up more often, until it
// fills half of what is rehearsed, and what may be an old answer does not. To look for what new examples would harm is the idea of maximally interfered retrieval (Aljundi et
// al. 2019, arXiv:1908.04742), which measures it by the loss after a step; here words tell, and cost no forward pass.
func (l lessons) rehearsals() []train.Sequence {
	var list, beside []train.Sequence
	for _, s := range l.rehearsed {
		switch l.near[s.ID] {
		case selection.Apart:
			list = append(list, s)
		case selection.Beside:
			beside = append(beside, s)
		}
	}
	apart := len(list)
	for copies := 0; copies < besideCopies && (copies == 0 || (copies+1)*len(beside) <= apart); copies++ {
		list = append(list, beside...)
	}
	if len(list) == 0 { // all may be old
		return l.rehearsed
	}
	return list
}

// learnable refuses an item that the objective has no loss for.
func (w *worker) learnable(it selection.Item) error {
	objective := w.job.Train.Objective
	pairs := objective != "" && objective != selection.SFT
	switch it.Kind {
	case replaystore.Preference:
		if pairs && it.Use == selection.New {
			return nil
		}
	case replaystore.Unpaired:
		if pairs && objective != selection.DPO && it.Use == selection.New {
			return nil
		}
	default:
		return nil
	}
	return fmt.Errorf("train: example %s, %s, is of kind %s, which objective %q does not learn", it.ID, it.Use, it.Kind, objective)
}

// weigh adds an item to the preferences or the rated answers, if it is one.
func (w *worker) weigh(it selection.Item, l *lessons) error {
	if it.Kind != replaystore.Preference && it.Kind != replaystore.Unpaired {
		return nil
	}
	prompt, err := promptTokens(w.model, it.Example)
	if err != nil {
		return fmt.Errorf("tokenize example %s: %w", it.ID, err)
	}
	if it.Kind == replaystore.Unpaired {
		completion, served := w.answered(it, it.Completion)
		l.rated = append(l.rated, train.Rated{Good: it.Good, Weight: it.Weight,
			Answer: train.Answer{Sequence: train.Sequence{ID: it.ID, Tokens: slices.Concat(prompt, completion), Prompt: len(prompt)}, Served: served}})
		return nil
	}
	chosen := w.model.Answer(nil, it.Chosen)
	rejected, served := w.answered(it, it.Rejected)
	if len(prompt) == 0 || slices.Equal(chosen, rejected) {
		l.leftOut++
		return nil
	}
	p, err := train.NewPreference(it.ID, prompt, chosen, rejected, w.job.Train.Preferences.ChangedOnly)
	if err != nil {
		return err
	}
	p.Weight, p.Rejected.Served = it.Weight, served
	l.preferences = append(l.preferences, p)
	return nil
}

// answered are the tokens of an answer that the server gave, and how it recorded them: as it said them where the record spells
// the text, or else encoded, with an end where the answer came to one.
func (w *worker) answered(it selection.Item, text string) ([]int32, *train.Served) {
	tokenizer, s := w.model.Tokenizer, it.Served
	if s == nil {
		return w.model.Answer(nil, text), nil
	}
	record := &train.Served{Prompt: s.Prompt, Answer: s.Answer, LogProbs: s.LogProbs, Version: s.Version, Weights: s.Weights, Template: s.Template}
	said := s.Answer
	if n := len(said); n > 0 && w.model.IsEnd(said[n-1]) {
		said = said[:n-1]
	}
	if spelled, err := tokenizer.Decode(nil, said...); err == nil && len(s.Answer) > 0 && string(spelled) == text {
		return s.Answer, record
	}
	completion := tokenizer.EncodeMore(nil, text)
	if s.Ended() {
		completion = w.model.WithEnd(completion)
	}
	return completion, record
}

// bad are the answers of a selection that somebody calls bad, each with its question.
func bad(items []selection.Item) map[string]bool {
	set := map[string]bool{}
	for _, it := range items {
		if it.Kind == replaystore.Unpaired && !it.Good {
			set[saying(it)] = true
		}
	}
	return set
}

// calledBad says whether what an item would have imitated is called bad by it or another item.
func (w *worker) calledBad(it selection.Item) bool { return w.bad[saying(selection.Plain(it))] }

// saying is an item's question and answer in one string.
func saying(it selection.Item) string { return fmt.Sprintf("%q %q", it.Prompt, it.Completion) }

// examples are the new examples that are imitated, or where none is, those that were rated.
func (l lessons) examples() []train.Sequence {
	list := slices.Clone(l.fresh)
	if len(list) == 0 {
		for _, r := range l.rated {
			list = append(list, r.Sequence)
		}
	}
	return list
}

// said counts the tokens of the preferences and ratings, those of a pair once.
func (l lessons) said(columns int) float64 {
	n := 0
	for _, p := range l.preferences {
		n += min(len(p.Chosen.Tokens), columns)
	}
	for _, r := range l.rated {
		n += min(len(r.Tokens), columns)
	}
	return float64(n)
}

// maxCopies is how often a step imitates the same new example at most: what is rehearsed fills the steps of a night with few of
// them. Steps that hold hardly anything else would teach the new answer to every question that is a little like it.
const maxCopies = 4

// steps is how many optimizer steps make the passes over the new examples, with so many rehearsed ones for each that is
// imitated; and with how many, where there are so few of them, or so many more preferences and ratings that these make the steps:
// what is rehearsed fills them then, so that nothing is imitated more often than it should be.
func (l lessons) steps(t Train, rehearsal float64) (steps int, ratio float64) {
	fresh := 0.0
	for _, s := range l.imitated() {
		fresh += float64(min(len(s.Tokens), t.Columns))
	}
	step := float64(t.Rows * t.Columns * t.Micro)
	if rehearsal > 0 && fresh > 0 {
		rehearsal = max(rehearsal, step/(maxCopies*fresh)-1)
	}
	tokens := fresh * (1 + rehearsal)
	ratio = rehearsal
	if said := l.said(t.Columns); said > tokens {
		tokens = said
		if rehearsal > 0 && fresh > 0 {
			ratio = said/fresh - 1
		}
	}
	return max(1, int(math.Ceil(t.Epochs*tokens/step))), ratio
}
