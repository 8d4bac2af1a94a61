package scheduler

import "slices"

// MaxPadding is by how many positions prompts that are computed together differ at most: the shorter ones are padded, and a run of
// its own costs about as much as so many positions.
const MaxPadding = 8

// isWhole says whether a sequence's prompt can be computed together with others: it ends within its first chunk, nothing of it is
// known, and only its last logits are wanted. Such prompts are put aside during an iteration, and those of like length computed in
// one run.
func (s *Scheduler) isWhole(q *Sequence) bool {
	return !q.Score && !q.PromptLogProbs && q.Prefilled == 0 && q.Prompt < s.cfg.Chunk
}

// group takes the next prompts of like length from those that were put aside, none when there are no more.
func (s *Scheduler) group() []*Sequence {
	list := s.together[s.grouped:]
	slices.SortStableFunc(list, func(a, b *Sequence) int { return a.Prompt - b.Prompt })
	n := 0
	for n < len(list) && alike(list[n], list[0]) {
		n++
	}
	s.grouped += n
	return list[:n]
}

// alike says whether the prompt of q can be computed together with that of o, which is no longer. One of a single token is not padded:
// what an adapter adds to a single row rounds differently from what it adds to one of several.
func alike(q, o *Sequence) bool {
	return q.Prompt == o.Prompt || o.Prompt > 1 && q.Prompt-o.Prompt <= MaxPadding
}
