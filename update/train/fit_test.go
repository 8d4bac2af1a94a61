package train

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// tiny is a random model of one layer and 40 tokens, on disk, with LoRA on its MLP.
func tiny(t *testing.T) (Base, graphs.Trainable) { return tinyScaled(t, 20) }

// tinyScaled is the tiny model with token embeddings so many times as large as they are drawn: the larger, the surer it is of what it says.
func tinyScaled(t *testing.T, scale float32) (Base, graphs.Trainable) {
	t.Helper()
	ort.ForTest(t)
	cfg := arch.GPT2(arch.Shape{Layers: 1, Heads: 2, Width: 16, Context: 32, Vocab: 40, Inner: 32, Activation: "gelu_new", Epsilon: 1e-5, ScaleAttn: true, TiedHead: true, EOS: 0, BOS: 0})
	weights := checkpoint.Random(cfg, 3)
	for i := range weights["wte.weight"] {
		weights["wte.weight"][i] *= scale
	}
	dir := t.TempDir()
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return Base{Config: c.Shape(), Weights: c.Initializer, Dir: c.Dir()},
		graphs.Trainable{Rank: 4, Scale: 2, Targets: []arch.Target{{Layer: 0, Module: "mlp.c_fc"}, {Layer: 0, Module: "mlp.c_proj"}}}
}

// begin sets A to something small and B to zero.
func begin(s *Session) {
	at := 0
	for _, p := range s.Shapes() {
		n := p.Elements()
		for i := range n {
			s.Parameters()[at+i] = 0
			if strings.HasPrefix(p.Name, "lora_A") {
				s.Parameters()[at+i] = float32(math.Sin(float64(at+i))) / 4
			}
		}
		at += n
	}
}

var lessons = []Sequence{{ID: "a", Tokens: []int32{1, 2, 3, 4, 5}, Prompt: 2}, {ID: "b", Tokens: []int32{6, 7, 8, 9}, Prompt: 2}, {ID: "c", Tokens: []int32{10, 11, 12}, Prompt: 1, Weight: 2}}

var options = Options{Rate: 3e-2, Warmup: 0.1, Clip: 1, Rows: 1, Columns: 16, Micro: 2, Steps: 60, Seed: 5}

func TestFitLearnsAndIsReproducible(t *testing.T) {
	base, trainable := tiny(t)
	learn := func(seed uint64) (first, last float64, params []float32) {
		s, err := NewSession(base, trainable, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		begin(s)
		opt := options
		opt.Seed = seed
		err = Fit(t.Context(), s, Shuffled(lessons), opt, func(p Step) error {
			if p.Step == 1 {
				first = p.Loss
			}
			last = p.Loss
			if p.Steps != 60 || p.Rate <= 0 && p.Step < 60 || p.Tokens < 12 {
				t.Errorf("step %+v", p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return first, last, slices.Clone(s.Parameters())
	}
	first, last, params := learn(5)
	if last > first/3 {
		t.Errorf("the loss went from %g to %g", first, last)
	}
	if _, _, again := learn(5); !slices.Equal(params, again) {
		t.Error("the same seed gave other parameters")
	}
	if _, _, other := learn(6); slices.Equal(params, other) {
		t.Error("another seed gave the same parameters")
	}
}

func TestFitStops(t *testing.T) {
	base, trainable := tiny(t)
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begin(s)
	full := errors.New("disk full")
	if err := Fit(t.Context(), s, Shuffled(lessons), options, func(Step) error { return full }); !errors.Is(err, full) {
		t.Errorf("error %v, want that of the report", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	steps := 0
	err = Fit(ctx, s, Shuffled(lessons), options, func(Step) error { steps++; stop(); return nil })
	if !errors.Is(err, context.Canceled) || steps != 1 {
		t.Errorf("after %d steps: %v", steps, err)
	}
	if err := Fit(t.Context(), s, Shuffled([]Sequence{{Tokens: []int32{1, 2}, Prompt: 2}}), options, nil); err == nil || !strings.Contains(err.Error(), "no example carries loss") {
		t.Errorf("error %v", err)
	}
	for _, change := range []func(o *Options){func(o *Options) { o.Rate = 0 }, func(o *Options) { o.Steps = 0 }, func(o *Options) { o.Rows = 0 }, func(o *Options) { o.Columns = 1 }, func(o *Options) { o.Micro = 0 }} {
		opt := options
		change(&opt)
		if err := Fit(t.Context(), s, Shuffled(lessons), opt, nil); err == nil {
			t.Errorf("options %+v were accepted", opt)
		}
	}
	s.Parameters()[0] = float32(math.NaN())
	if err := Fit(t.Context(), s, Shuffled(lessons), options, nil); err == nil || !strings.Contains(err.Error(), "the loss is NaN") {
		t.Errorf("error %v", err)
	}
}

// TestTeachReadsOffTheModel compares the taught distributions with the log-probabilities of the training graph.
func TestTeachReadsOffTheModel(t *testing.T) {
	base, trainable := tiny(t)
	scorer, err := NewScorer(base, trainable, 40, 2, 8, 1) // the whole vocabulary
	if err != nil {
		t.Fatal(err)
	}
	defer scorer.Close()
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begin(s)
	list := slices.Clone(lessons)
	if err := scorer.Teach(s.Parameters(), list, 0.25); err != nil {
		t.Fatal(err)
	}
	b := Pack(lessons, 2, 8)[0]
	logprobs := make([]float32, b.Positions)
	if _, _, err := s.Gradient(b, 1, logprobs); err != nil {
		t.Fatal(err)
	}
	for p, o := range b.Origin {
		taught := list[o.Sequence].Teacher[o.Token-list[o.Sequence].Prompt]
		var sum float64
		for _, q := range taught.Probs {
			sum += float64(q)
		}
		k := slices.Index(taught.IDs, list[o.Sequence].Tokens[o.Token])
		if len(taught.IDs) != 40 || math.Abs(sum-1) > 1e-5 || k < 0 || math.Abs(math.Log(float64(taught.Probs[k]))-float64(logprobs[p])) > 1e-4 {
			t.Errorf("position %d: %d tokens sum to %g, the target has %v, want log %g", p, len(taught.IDs), sum, taught.Probs[k], logprobs[p])
		}
		if list[o.Sequence].TeacherShare != 0.25 {
			t.Errorf("share %g", list[o.Sequence].TeacherShare)
		}
	}
	if err := scorer.Teach(s.Parameters()[1:], list, 0.25); err == nil {
		t.Error("too few parameters were accepted")
	}
}
