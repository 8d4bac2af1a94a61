package train

import (
	"math/rand/v2"
	"slices"
	"testing"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// TestBlock: of one linear of 2 inputs and 3 outputs with rank 4, the block from 1 to 3.
func TestBlock(t *testing.T) {
	b := Block{[]Pair{{In: 2, Out: 3, Rank: 4, A: 0, B: 8}}, 1, 3}
	grads := slices.Repeat([]float32{1}, 2*4+4*3)
	b.Only(grads)
	want := []float32{0, 1, 1, 0, 0, 1, 1, 0 /* B */, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0}
	if !slices.Equal(grads, want) {
		t.Errorf("gradients are %v, want %v", grads, want)
	}
	params := make([]float32, 20)
	for i := range params {
		params[i] = float32(i)
	}
	if a := b.A(params); !slices.Equal(a[0], []float32{1, 2, 5, 6}) {
		t.Errorf("A of the block is %v", a[0])
	}
	b.Restore(params, make([]float32, 20))
	if want := []float32{0, 1, 2, 0, 0, 5, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 0, 0, 0}; !slices.Equal(params, want) {
		t.Errorf("restored outside the block they are %v", params)
	}
}

// TestFitOfABlock joins every method with a block: nothing outside it moves by a bit, and everything inside may.
func TestFitOfABlock(t *testing.T) {
	base, trainable := tiny(t)
	pairs, err := Pairs(base.Config, trainable)
	if err != nil {
		t.Fatal(err)
	}
	block := &Block{pairs, 1, trainable.Rank}
	var start []float32
	every := everyMethod(t)
	after, _ := fitted(t, Shuffled([]Sequence{{Tokens: []int32{1, 2, 3, 4}, Prompt: 1}}), func(s *Session, o *Options) {
		every(s, o)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range s.Parameters() {
			s.Parameters()[i] = random.Float32() - 0.5
		}
		o.Block, o.Decay = block, 0.1
		start = slices.Clone(s.Parameters())
	})
	inside := make([]float32, len(after))
	for i := range inside {
		inside[i] = 1
	}
	block.Only(inside)
	moved, kept := 0, 0
	for i := range after {
		switch {
		case inside[i] == 0 && after[i] != start[i]:
			t.Fatalf("parameter %d lies outside the block and went from %g to %g", i, start[i], after[i])
		case inside[i] == 0:
			kept++
		case after[i] != start[i]:
			moved++
		}
	}
	if moved == 0 || kept == 0 {
		t.Errorf("%d parameters moved, %d lie outside", moved, kept)
	}
}

// TestOrthogonalOfABlock: what lies outside the block counts neither in the value nor in the gradient. E = (1,2)ᵀ and the block's
// column (3,4)ᵀ overlap by 11.
func TestOrthogonalOfABlock(t *testing.T) {
	cfg := arch.GPT2(arch.Shape{Layers: 1, Width: 2, Inner: 3})
	trainable := graphs.Trainable{Rank: 2, Scale: 1, Targets: []arch.Target{{Layer: 0, Module: "mlp.c_fc"}}}
	pairs, err := Pairs(cfg, trainable)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOrthogonal(cfg, trainable, 0.5, [][][]float32{{{1, 2}}}, Block{pairs, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	params := []float32{1, 3, 2, 4, 9, 9, 9, 9, 9, 9} // A = [1 3; 2 4], then B
	grads := make([]float32, len(params))
	if value := o.Add(params, grads); value != 0.5*121 {
		t.Errorf("value %g, want 60.5", value)
	}
	if want := []float32{0, 11, 0, 22, 0, 0, 0, 0, 0, 0}; !slices.Equal(grads, want) {
		t.Errorf("gradient %v, want %v", grads, want)
	}
}
