package train

import (
	"cmp"
	"slices"
)

// Sequence is one tokenized example.
type Sequence struct {
	// ID names the example it was made from.
	ID string
	// Tokens are prompt and completion; the first Prompt of them carry no loss.
	Tokens []int32
	Prompt int
	// Weight multiplies the loss of every completion token; 0 means 1.
	Weight float32
	// Teacher, when not nil, holds for each completion token the champion's distribution, mixed into the target with
	// share TeacherShare: the loss has the gradient of (1−share)·cross-entropy + share·KL(teacher ‖ model), where the divergence is that
	// of the teacher's tokens and the tail.
	Teacher      []Distribution
	TeacherShare float32
}

// Distribution is a sparse distribution over the vocabulary: of some tokens, none of them twice, and of all others together, the tail.
// Probs and Tail sum to 1. Where Tail is above 0 there are others.
type Distribution struct {
	IDs   []int32
	Probs []float32
	Tail  float32
}

// Losses is the number of tokens that carry loss.
func (s Sequence) Losses() int { return len(s.Tokens) - max(1, s.Prompt) }

// Batch is one run of a whole-sequence graph: the packed inputs that graphs.Model.Train documents.
type Batch struct {
	Rows, Columns, Positions, Targets int
	InputIDs, PositionIDs, SegmentIDs []int64
	LossIndex, TargetIDs              []int64
	TargetProbs, TargetHeads          []float32
	TailProbs, Weights                []float32
	// Origin says for each position which sequence of the packed list and which of its tokens it predicts.
	Origin []Origin
	// Tokens counts the input tokens that are not padding.
	Tokens int
}

// Origin ties a loss position to its sequence and predicted token.
type Origin struct{ Sequence, Token int }

// place is where one sequence lies in a batch.
type place struct{ row, column, segment int }

// Pack lays sequences out in batches of at most rows×columns tokens, several to a row where they fit (first fit, longest first
// within the given order's batch). Sequences longer than columns lose their oldest prompt tokens. The order of
// sequences decides which batch they fall into, so that the same list gives the same batches.
func Pack(list []Sequence, rows, columns int) []Batch {
	var batches []Batch
	for start := 0; start < len(list); {
		free := make([]int, rows)
		for i := range free {
			free[i] = columns
		}
		end := start
		for end < len(list) {
			need := min(len(list[end].Tokens), columns)
			row := slices.IndexFunc(free, func(f int) bool { return f >= need })
			if row < 0 {
				break
			}
			free[row] -= need
			end++
		}
		batches = append(batches, lay(list[start:end], start, rows, columns))
		start = end
	}
	return batches
}

// lay places sequences in one batch; base is the first one's index in the whole list.
func lay(list []Sequence, base, rows, columns int) Batch {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(list[b].Tokens), len(list[a].Tokens)) })
	used := make([]int, rows)
	places := make([]place, len(list))
	for n, i := range order {
		need := min(len(list[i].Tokens), columns)
		row := slices.IndexFunc(used, func(u int) bool { return columns-u >= need })
		if row < 0 { // longest first can need more rows than first fit did: open one more
			used = append(used, 0)
			row = len(used) - 1
		}
		places[i] = place{row, used[row], n + 1}
		used[row] += need
	}
	for len(used) > 1 && used[len(used)-1] == 0 {
		used = used[:len(used)-1]
	}
	return fill(list, base, places, len(used), slices.Max(used))
}

// fill writes the arrays of a batch.
func fill(list []Sequence, base int, places []place, rows, columns int) Batch {
	b := Batch{Rows: rows, Columns: columns, Targets: 1}
	b.InputIDs, b.PositionIDs, b.SegmentIDs = make([]int64, rows*columns), make([]int64, rows*columns), make([]int64, rows*columns)
	for _, s := range list {
		for _, t := range s.Teacher {
			b.Targets = max(b.Targets, len(t.IDs)+1)
		}
	}
	for i, s := range list {
		cut := max(0, len(s.Tokens)-columns)
		tokens := s.Tokens[cut:]
		at := places[i].row*columns + places[i].column
		for j, t := range tokens {
			b.InputIDs[at+j], b.PositionIDs[at+j], b.SegmentIDs[at+j] = int64(t), int64(j), int64(places[i].segment)
		}
		b.Tokens += len(tokens)
		weight := s.Weight
		if weight == 0 {
			weight = 1
		}
		for j := max(1, s.Prompt-cut); j < len(tokens); j++ {
			b.LossIndex = append(b.LossIndex, int64(at+j-1))
			b.Weights = append(b.Weights, weight)
			b.Origin = append(b.Origin, Origin{base + i, cut + j})
			b.target(s, tokens[j], cut+j-s.Prompt)
		}
	}
	b.Positions = len(b.LossIndex)
	return b
}

// target appends the target distribution of one position: the token itself, mixed with the teacher's where there is one. The teacher's
// tokens are the head of a distribution that has a tail.
func (b *Batch) target(s Sequence, token int32, completion int) {
	ids, probs, heads, tail := make([]int64, b.Targets), make([]float32, b.Targets), make([]float32, b.Targets), float32(0)
	ids[0], probs[0] = int64(token), 1
	if completion >= 0 && completion < len(s.Teacher) {
		teacher := s.Teacher[completion]
		probs[0], tail = 1-s.TeacherShare, s.TeacherShare*teacher.Tail
		for k, id := range teacher.IDs {
			ids[k+1], probs[k+1] = int64(id), s.TeacherShare*teacher.Probs[k]
			if teacher.Tail > 0 {
				heads[k+1] = 1
			}
		}
	}
	b.TargetIDs, b.TargetProbs = append(b.TargetIDs, ids...), append(b.TargetProbs, probs...)
	b.TargetHeads, b.TailProbs = append(b.TargetHeads, heads...), append(b.TailProbs, tail)
}
