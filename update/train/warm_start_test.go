package train

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestMetaLearn: the same seed gives the same parameters, one round with share 1 gives the mean of what the tracks reach, and a track
// of other tokens is learned faster from where several rounds led.
func TestMetaLearn(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	var tracks [][]Sequence
	for k := range int32(3) {
		tracks = append(tracks, []Sequence{{ID: "a", Tokens: []int32{20 + k, 1, 2, 3, 21 + k}, Prompt: 1}, {ID: "b", Tokens: []int32{30 + k, 1, 2, 3, 31 + k}, Prompt: 1}})
	}
	opt := options
	opt.Steps, opt.Micro = 5, 1
	metaLearn := func(meta Meta) (params []float32, curve []Step) {
		begin(s)
		err := MetaLearn(t.Context(), s, tracks, opt, meta, func(p Step) error { curve = append(curve, p); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(s.Parameters()), curve
	}
	once, _ := metaLearn(Meta{Rounds: 1, Share: 1, Tracks: 2})
	random := rand.New(rand.NewPCG(opt.Seed, 0x7265707469)) //nolint:gosec // as MetaLearn does
	order := random.Perm(3)
	var reached [][]float32
	begin(s)
	start := slices.Clone(s.Parameters())
	for _, at := range order[:2] {
		inner := opt
		inner.Seed = random.Uint64()
		copy(s.Parameters(), start)
		if err := Fit(t.Context(), s, Shuffled(tracks[at]), inner, func(Step) error { return nil }); err != nil {
			t.Fatal(err)
		}
		reached = append(reached, slices.Clone(s.Parameters()))
	}
	if want, err := Reptile(start, reached, 1); err != nil || !slices.Equal(once, want) {
		t.Errorf("a round is not the mean of what two tracks reach, %v", err)
	}

	meta := Meta{Rounds: 8, Share: 0.8}
	made, curve := metaLearn(meta)
	if again, _ := metaLearn(meta); !slices.Equal(again, made) {
		t.Error("the same seed gives other parameters")
	}
	if len(curve) != 8 || curve[7].Loss >= curve[0].Loss || curve[0].Tokens == 0 || curve[7].Norm >= curve[0].Norm {
		t.Errorf("curve %+v", curve)
	}
	other := []Sequence{{ID: "c", Tokens: []int32{36, 1, 2, 3, 37}, Prompt: 1}}
	learn := func(from []float32) (last float64) {
		copy(s.Parameters(), from)
		if err := Fit(t.Context(), s, Shuffled(other), opt, func(p Step) error { last = p.Loss; return nil }); err != nil {
			t.Fatal(err)
		}
		return last
	}
	if a, b := learn(made), learn(start); a > b/2 {
		t.Errorf("another track has a loss of %g from the warm start and %g from zero", a, b)
	}
}

func TestInitializeRefusesAndStops(t *testing.T) {
	base, trainable := tiny(t)
	s := tinySession(t, base, trainable)
	tracks := [][]Sequence{lessons}
	none := func(Step) error { return nil }
	for _, meta := range []Meta{{Share: 1}, {Rounds: 1}, {Rounds: 1, Share: 2}, {Rounds: 1, Share: 1, Tracks: -1}} {
		if err := MetaLearn(t.Context(), s, tracks, options, meta, none); err == nil || !strings.Contains(err.Error(), "meta-learn over 1 tracks") {
			t.Errorf("%+v: %v", meta, err)
		}
	}
	if err := MetaLearn(t.Context(), s, nil, options, Meta{Rounds: 1, Share: 1}, none); err == nil {
		t.Error("no tracks were accepted")
	}
	ctx, stop := context.WithCancel(t.Context())
	begin(s)
	err := MetaLearn(ctx, s, tracks, options, Meta{Rounds: 9, Share: 1}, func(Step) error { stop(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	broken := errors.New("broken")
	if err := MetaLearn(t.Context(), s, tracks, options, Meta{Rounds: 2, Share: 1}, func(Step) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a report that fails: %v", err)
	}
}
