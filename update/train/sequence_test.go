package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// randomSequences makes n sequences of 1 to longest tokens; token ids tell sequence and position apart.
func randomSequences(r *rand.Rand, n, longest int) []Sequence {
	list := make([]Sequence, n)
	for i := range list {
		s := Sequence{ID: fmt.Sprint(i), Weight: float32(r.IntN(3))}
		for j := range 1 + r.IntN(longest) {
			s.Tokens = append(s.Tokens, int32(1000*(i+1)+j))
		}
		s.Prompt = r.IntN(len(s.Tokens) + 1)
		if r.IntN(2) == 0 {
			s.TeacherShare = 0.25
			for range max(0, len(s.Tokens)-s.Prompt) {
				s.Teacher = append(s.Teacher, Distribution{IDs: []int32{7, 8, 9}, Probs: []float32{0.5, 0.25, 0.25}})
			}
		}
		list[i] = s
	}
	return list
}

// TestPackInvariants checks on random lists what every batch must be: each completion token that fits predicted exactly
// once, from the token before it in the same sequence; segments apart; positions from 0; targets that sum to 1.
func TestPackInvariants(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible, not secret
		rows, columns := 1+r.IntN(4), 2+r.IntN(30)
		list := randomSequences(r, 1+r.IntN(25), 40)
		predicted := map[Origin]int{}
		tokens := 0
		for _, b := range Pack(list, rows, columns) {
			checkBatch(t, list, b, columns)
			tokens += b.Tokens
			for _, o := range b.Origin {
				predicted[o]++
			}
		}
		wantTokens, want := 0, 0
		for i, s := range list {
			cut := max(0, len(s.Tokens)-columns)
			wantTokens += len(s.Tokens) - cut
			for j := max(cut+1, s.Prompt, 1); j < len(s.Tokens); j++ {
				want++
				if predicted[Origin{i, j}] != 1 {
					t.Fatalf("seed %d: token %d of sequence %d is predicted %d times", seed, j, i, predicted[Origin{i, j}])
				}
			}
		}
		if len(predicted) != want || tokens != wantTokens {
			t.Fatalf("seed %d: %d predictions and %d tokens, want %d and %d", seed, len(predicted), tokens, want, wantTokens)
		}
	}
}

// checkBatch checks one batch on its own.
func checkBatch(t *testing.T, list []Sequence, b Batch, columns int) {
	t.Helper()
	if b.Columns > columns || len(b.InputIDs) != b.Rows*b.Columns || len(b.LossIndex) != b.Positions || len(b.Weights) != b.Positions || len(b.TargetIDs) != b.Positions*b.Targets {
		t.Fatalf("batch of %d×%d (at most %d columns) with %d positions has %d inputs", b.Rows, b.Columns, columns, b.Positions, len(b.InputIDs))
	}
	owner := map[int64]int64{} // segment of a row → sequence, by the tokens' thousands
	for i, segment := range b.SegmentIDs {
		row := int64(i / b.Columns)
		if segment == 0 {
			if b.InputIDs[i] != 0 || b.PositionIDs[i] != 0 {
				t.Fatalf("padding holds token %d at position %d", b.InputIDs[i], b.PositionIDs[i])
			}
			continue
		}
		sequence := b.InputIDs[i]/1000 - 1
		if before, seen := owner[segment]; seen && before != sequence*10000+row {
			t.Fatalf("segment %d holds two sequences, or lies in two rows", segment)
		}
		owner[segment] = sequence*10000 + row
		s := list[sequence]
		cut := int64(max(0, len(s.Tokens)-columns))
		if b.PositionIDs[i] != b.InputIDs[i]%1000-cut {
			t.Fatalf("token %d of sequence %d, whose first %d are cut, is at position %d", b.InputIDs[i]%1000, sequence, cut, b.PositionIDs[i])
		}
	}
	for p, at := range b.LossIndex {
		o := b.Origin[p]
		s := list[o.Sequence]
		if b.TargetIDs[p*b.Targets] != int64(s.Tokens[o.Token]) || b.InputIDs[at] != int64(s.Tokens[o.Token-1]) || b.SegmentIDs[at] == 0 {
			t.Fatalf("position %d predicts %d after %d, want token %d of sequence %d", p, b.TargetIDs[p*b.Targets], b.InputIDs[at], o.Token, o.Sequence)
		}
		var sum float64
		for _, q := range b.TargetProbs[p*b.Targets : (p+1)*b.Targets] {
			sum += float64(q)
		}
		if want := max(1, s.Weight); math.Abs(sum-1) > 1e-6 || b.Weights[p] != want {
			t.Fatalf("position %d: probabilities sum to %g, weight %g, want 1 and %g", p, sum, b.Weights[p], want)
		}
	}
}

func TestLongSequencesKeepTheirEnd(t *testing.T) {
	long := Sequence{Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8}, Prompt: 6}
	b := Pack([]Sequence{long}, 1, 5)
	if len(b) != 1 || !reflect.DeepEqual(b[0].InputIDs, []int64{4, 5, 6, 7, 8}) || !reflect.DeepEqual(b[0].LossIndex, []int64{2, 3}) || !reflect.DeepEqual(b[0].TargetIDs, []int64{7, 8}) {
		t.Errorf("batches %+v", b)
	}
	if long.Losses() != 2 || (Sequence{Tokens: []int32{1, 2}}).Losses() != 1 {
		t.Error("the number of losses is wrong")
	}
}

func TestTeacherIsMixedIn(t *testing.T) {
	s := Sequence{Tokens: []int32{1, 2, 3}, Prompt: 1, TeacherShare: 0.5, Teacher: []Distribution{{IDs: []int32{5, 6}, Probs: []float32{0.75, 0.25}}}}
	b := Pack([]Sequence{s}, 1, 4)[0]
	if b.Targets != 3 || !reflect.DeepEqual(b.TargetIDs, []int64{2, 5, 6, 3, 0, 0}) || !reflect.DeepEqual(b.TargetProbs, []float32{0.5, 0.375, 0.125, 1, 0, 0}) {
		t.Errorf("targets %v with %v", b.TargetIDs, b.TargetProbs)
	}
	if !reflect.DeepEqual(b.TargetHeads, make([]float32, 6)) || !reflect.DeepEqual(b.TailProbs, []float32{0, 0}) {
		t.Errorf("without a tail there are heads %v and tails %v", b.TargetHeads, b.TailProbs)
	}
	s.Teacher = []Distribution{{IDs: []int32{5, 2}, Probs: []float32{0.5, 0.25}, Tail: 0.25}}
	b = Pack([]Sequence{s}, 1, 4)[0]
	if !reflect.DeepEqual(b.TargetIDs, []int64{2, 5, 2, 3, 0, 0}) || !reflect.DeepEqual(b.TargetProbs, []float32{0.5, 0.25, 0.125, 1, 0, 0}) ||
		!reflect.DeepEqual(b.TargetHeads, []float32{0, 1, 1, 0, 0, 0}) || !reflect.DeepEqual(b.TailProbs, []float32{0.125, 0}) {
		t.Errorf("targets %v with %v, heads %v, tails %v", b.TargetIDs, b.TargetProbs, b.TargetHeads, b.TailProbs)
	}
}

// counts takes batches from a source and counts how often each sequence came.
func counts(next Source, batches, rows, columns int) map[string]int {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible, not secret
	count := map[string]int{}
	for range batches {
		list := next(r, rows, columns)
		if len(Pack(list, rows, columns)) != 1 {
			count["does not fit"]++
		}
		for _, s := range list {
			count[s.ID]++
		}
	}
	return count
}

func named(prefix string, n, tokens int) []Sequence {
	var list []Sequence
	for i := range n {
		list = append(list, Sequence{ID: fmt.Sprintf("%s%d", prefix, i), Tokens: make([]int32, tokens), Prompt: 1})
	}
	return list
}

func TestShuffledGoesThroughEpochs(t *testing.T) {
	count := counts(Shuffled(named("a", 10, 5)), 25, 2, 10) // four in a batch: ten epochs
	if len(count) != 10 {
		t.Errorf("counts %v", count)
	}
	for id, n := range count {
		if n != 10 {
			t.Errorf("%s came %d times, want 10", id, n)
		}
	}
}

func TestMixedKeepsTheRatio(t *testing.T) {
	for _, ratio := range []float64{0, 0.5, 1, 3} {
		count := counts(Mixed(named("new", 7, 5), named("old", 30, 5), ratio), 210, 2, 10)
		fresh, old := 0, 0
		perFresh := map[int]bool{}
		for id, n := range count {
			if id[0] == 'n' {
				fresh += n
				perFresh[n] = true
			} else {
				old += n
			}
		}
		if fresh+old != 840 || math.Abs(float64(old)-ratio*float64(fresh)) > 2*(1+ratio) {
			t.Errorf("ratio %g: %d new and %d rehearsed", ratio, fresh, old)
		}
		if len(perFresh) > 2 {
			t.Errorf("ratio %g: new examples come unevenly often: %v", ratio, count)
		}
	}
}
