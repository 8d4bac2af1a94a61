package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// reference computes whole sequences at once by the score graph: plain attention, no cache, no bank, adapters as
// separate factors of their own rank.
type reference struct {
	cfg     arch.Shape
	session *ort.Session
	factors map[string]*ort.Tensor
}

func newReference(t testing.TB, m *Model, a *adapter.Adapter) *reference {
	t.Helper()
	r := &reference{cfg: m.Config, factors: map[string]*ort.Tensor{}}
	var trainable graphs.Trainable
	if a != nil {
		trainable.Rank, trainable.Scale = a.Config.Rank, a.Config.Scale()
		for _, target := range a.Targets() {
			trainable.Targets = append(trainable.Targets, target)
			in, out := a.Dims(target)
			f := a.Factors[target]
			r.factors[graphs.LoraA(target)] = floats(t, f.A, in, trainable.Rank)
			r.factors[graphs.LoraB(target)] = floats(t, f.B, trainable.Rank, out)
		}
	}
	g, err := families.Of(m.Config).Score(m.Checkpoint.Initializer, trainable, 2)
	if err != nil {
		t.Fatal(err)
	}
	data, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if r.session, err = ort.NewSession(data, ort.SessionConfig{Threads: 1, ExternalDir: m.Checkpoint.Dir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.session.Close)
	return r
}

func floats(t testing.TB, data []float32, dims ...int) *ort.Tensor { return tensorOf(t, data, dims...) }

func tensorOf[T ort.Element](t testing.TB, data []T, dims ...int) *ort.Tensor {
	t.Helper()
	shape := make([]int64, len(dims))
	for i, d := range dims {
		shape[i] = int64(d)
	}
	v, err := ort.NewTensor(shape, data)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// position is what the reference says of one token of a text, given those before it.
type position struct {
	logProb float64
	best    int32
	margin  float64 // between the best token and the second
}

// positions scores tokens[1:].
func (r *reference) positions(t testing.TB, tokens []int32) []position {
	t.Helper()
	n := len(tokens)
	ids, places, segments := make([]int64, n), make([]int64, n), make([]int64, n)
	index, targets, probs := make([]int64, n-1), make([]int64, n-1), make([]float32, n-1)
	for i, id := range tokens {
		ids[i], places[i], segments[i] = int64(id), int64(i), 1
		if i > 0 {
			index[i-1], targets[i-1], probs[i-1] = int64(i-1), int64(id), 1
		}
	}
	in := map[string]*ort.Tensor{
		"input_ids": tensorOf(t, ids, 1, n), "position_ids": tensorOf(t, places, 1, n), "segment_ids": tensorOf(t, segments, 1, n),
		"loss_index": tensorOf(t, index, n-1), "target_ids": tensorOf(t, targets, n-1, 1), "target_probs": tensorOf(t, probs, n-1, 1),
	}
	for name, v := range r.factors {
		in[name] = v
	}
	out := map[string]*ort.Tensor{"logprobs": nil, "top_ids": nil, "top_logprobs": nil}
	if err := r.session.Run(in, out); err != nil {
		t.Fatal(err)
	}
	logProbs, best, top := ort.Data[float32](out["logprobs"]), ort.Data[int64](out["top_ids"]), ort.Data[float32](out["top_logprobs"])
	list := make([]position, n-1)
	for i := range list {
		list[i] = position{float64(logProbs[i]), int32(best[2*i]), float64(top[2*i] - top[2*i+1])}
	}
	return list
}

// near is how far the reference's log-probabilities may be from the engine's: both are float32 sums in other orders.
const near = 5e-4

// TestGreedyAnswersAreTheReferences lets every version answer greedily and recomputes each answer as one sequence: every
// token must be the reference's best one, with its log-probability. By induction that is the reference's own greedy answer.
func TestGreedyAnswersAreTheReferences(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{Slots: 4, Chunk: 16, BankRows: 40})
	rng := rand.New(rand.NewPCG(5, 6))
	compared := 0
	for _, rank := range []int{0, 1, 5, 8, 12, 64} {
		t.Run(fmt.Sprintf("rank %d", rank), func(t *testing.T) {
			var a *adapter.Adapter
			digest := ""
			if rank > 0 {
				modules := m.Config.Modules()
				if rank == 5 {
					modules = []string{"mlp.c_fc", "mlp.c_proj"} // the attention's factors are missing and count as zero
				}
				a, digest = randomAdapter(t, m.Config, rank, uint64(rank), modules...), fmt.Sprint("rank ", rank)
				if err := e.Bank().Install(digest, a); err != nil {
					t.Fatal(err)
				}
			}
			ref := newReference(t, m, a)
			for _, n := range []int{1, 7, 16, 17, 50, 120, 290} {
				prompt := randomTokens(rng, n, m.Config.Vocab)
				got := ask(t, e, Request{Prompt: prompt, Pin: pinned(t, e, digest), MaxTokens: 20, IgnoreEOS: true})
				if want := min(20, m.Config.Context-n); len(got.tokens) != want || got.result.Finish != FinishLength {
					t.Fatalf("prompt of %d: %d tokens, %s; want %d, %s", n, len(got.tokens), got.result.Finish, want, FinishLength)
				}
				for i, p := range ref.positions(t, append(prompt, got.tokens...))[n-1:] {
					if p.best != got.tokens[i] && p.margin > near {
						t.Fatalf("prompt of %d, token %d: %d, the reference's is %d (by %g)", n, i, got.tokens[i], p.best, p.margin)
					}
					if math.Abs(p.logProb-float64(got.logProbs[i])) > near {
						t.Fatalf("prompt of %d, token %d: log-probability %v, the reference's is %v", n, i, got.logProbs[i], p.logProb)
					}
					compared++
				}
			}
		})
	}
	if compared < 500 {
		t.Errorf("only %d tokens were compared", compared)
	}
}

// TestScoreIsTheReferences compares scores across chunk borders, and generation's own log-probabilities with scores.
func TestScoreIsTheReferences(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{Chunk: 16})
	a := randomAdapter(t, m.Config, 12, 3)
	if err := e.Bank().Install("v", a); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(7, 8))
	for digest, ref := range map[string]*reference{"": newReference(t, m, nil), "v": newReference(t, m, a)} {
		for _, c := range [][2]int{{2, 1}, {16, 1}, {17, 16}, {33, 15}, {33, 32}, {64, 17}, {100, 40}, {300, 299}, {300, 1}} {
			tokens, from := randomTokens(rng, c[0], m.Config.Vocab), c[1]
			want := ref.positions(t, tokens)[from-1:]
			tokens[from] = want[0].best // so that some token is the most probable one
			want = ref.positions(t, tokens)[from-1:]
			got, err := e.Score(ctx, pinned(t, e, digest), tokens, from)
			if err != nil || len(got.LogProbs) != len(want) {
				t.Fatalf("score %v: %d values, %v; want %d", c, len(got.LogProbs), err, len(want))
			}
			best := 0
			for i, p := range want {
				if math.Abs(float64(got.LogProbs[i])-p.logProb) > near {
					t.Errorf("score %v: token %d has %v, the reference %v", c, from+i, got.LogProbs[i], p.logProb)
				}
				if p.best == tokens[from+i] {
					best++
				}
			}
			if got.Greedy != best || best == 0 {
				t.Errorf("score %v: %d tokens are the most probable ones, the reference counts %d", c, got.Greedy, best)
			}
		}
		prompt := randomTokens(rng, 41, m.Config.Vocab)
		made := ask(t, e, Request{Prompt: prompt, Pin: pinned(t, e, digest), MaxTokens: 30, IgnoreEOS: true})
		scored, err := e.Score(ctx, pinned(t, e, digest), append(prompt, made.tokens...), len(prompt))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range scored.LogProbs {
			if math.Abs(float64(v-made.logProbs[i])) > near {
				t.Errorf("token %d was generated with %v and is scored %v", i, made.logProbs[i], v)
			}
		}
		again, err := e.Score(ctx, pinned(t, e, digest), append(prompt, made.tokens...), len(prompt))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(scored) {
			t.Errorf("the same text is scored %v, then %v (%v)", scored, again, err)
		}
	}
}
