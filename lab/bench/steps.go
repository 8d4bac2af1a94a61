package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/stats"
	"nightshift/models/arch"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// StepsOptions choose a benchmark of steps of several tokens.
type StepsOptions struct {
	Options
	Tokens []int // of a step
	Prompt int   // tokens in the cache before the step
	Steps  int   // in each block
}

// Steps measures what a step that continues one sequence by several tokens, with the logits after each of them, costs beside a
// step of one: over_one is the ratio of their times. A draft of n tokens is a step of 1+n, and pays when more tokens of it are
// right, on average, than what the step costs beyond one. The summary is the line of the last case.
func Steps(ctx context.Context, opt StepsOptions, report Report) (err error) {
	if err := errors.Join(opt.check(), opt.formats(), positive("number of tokens", opt.Tokens...), positive("prompt length", opt.Prompt), positive("number of steps", opt.Steps)); err != nil {
		return err
	}
	opt.Tokens = slices.Compact(slices.Sorted(slices.Values(append([]int{1}, opt.Tokens...))))
	p := plan{bench: "steps", options: opt.Options, judged: "over_one"}
	var sessions []*stepSession
	defer func() {
		for _, s := range sessions {
			err = errors.Join(err, s.close())
		}
	}()
	for _, weights := range opt.Weights {
		opt.say("open %s in %s", opt.Shape, weights)
		model, err := RandomModel(opt.Shape, weights, opt.CacheDir)
		if err != nil {
			return err
		}
		s, err := newStepSession(model, opt)
		if err != nil {
			return err
		}
		sessions = append(sessions, s)
		one := len(p.cases)
		for _, n := range opt.Tokens {
			p.cases = append(p.cases, testCase{weights: weights, settings: []Number{{"tokens", float64(n)}, {"prompt", float64(opt.Prompt)}},
				run: func(context.Context, int) (measurement, error) { return s.measure(n, opt.Steps) }})
			if n > 1 {
				p.ratios = append(p.ratios, ratio{"over_one", len(p.cases) - 1, one, "step_ms"})
			}
		}
	}
	for _, c := range p.cases { // touches the memory
		if _, err := c.run(ctx, -1); err != nil {
			return err
		}
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	return p.conclude(lines, lines[len(lines)-1], report)
}

// stepSession is the decode graph of a model without adapters, and one sequence's cache.
type stepSession struct {
	cfg      arch.Shape
	session  *ort.Session
	cache    [][]float32
	prompt   int
	bindings map[int]*ort.Binding // by tokens of a step
	tensors  []*ort.Tensor
}

func newStepSession(m *engine.Model, opt StepsOptions) (*stepSession, error) {
	longest := slices.Max(opt.Tokens)
	if opt.Prompt+longest > m.Config.Context {
		return nil, fmt.Errorf("%d tokens after %d do not fit a context of %d", longest, opt.Prompt, m.Config.Context)
	}
	graph, err := families.Of(m.Config).Decode(m.Initializer, graphs.DecodeOptions{})
	if err != nil {
		return nil, err
	}
	encoded, err := graph.Encode()
	if err != nil {
		return nil, err
	}
	s := &stepSession{cfg: m.Config, prompt: opt.Prompt, bindings: map[int]*ort.Binding{}}
	if s.session, err = ort.NewSession(encoded, ort.SessionConfig{Threads: opt.Threads, ExternalDir: m.Dir(), Spin: true}); err != nil {
		return nil, fmt.Errorf("open decode session: %w", err)
	}
	random := rand.New(rand.NewPCG(4, 0))
	for range 2 * m.Config.Layers {
		data := ort.AlignedFloats(m.Config.KVWidth() * (opt.Prompt + longest))
		for i := range data {
			data[i] = float32(random.NormFloat64())
		}
		s.cache = append(s.cache, data)
	}
	for _, n := range opt.Tokens {
		if err := s.bind(n, opt.Prompt+longest, randomPrompt(random, n, m.Config.Vocab)); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// bind makes the binding of a step of n tokens, in a cache of so many positions.
func (s *stepSession) bind(n, capacity int, tokens []int32) error {
	b, err := s.session.NewBinding()
	if err != nil {
		return err
	}
	s.bindings[n] = b
	ids, positions, index := make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range n {
		ids[i], positions[i], index[i] = int64(tokens[i]), int64(s.prompt+i), int64(i)
	}
	keep := func(err error, t *ort.Tensor, bind func(string, *ort.Tensor) error, names ...string) error {
		if err != nil {
			return err
		}
		s.tensors = append(s.tensors, t)
		for _, name := range names {
			err = errors.Join(err, bind(name, t))
		}
		return err
	}
	for _, in := range []struct {
		name string
		dims []int64
		data []int64
	}{{"input_ids", []int64{1, int64(n)}, ids}, {"position_ids", []int64{1, int64(n)}, positions}, {"logit_index", []int64{int64(n)}, index}} {
		t, err := ort.NewTensor(in.dims, in.data)
		if err := keep(err, t, b.Input, in.name); err != nil {
			return err
		}
	}
	for name, value := range map[string]int{"seqlens_k": s.prompt + n - 1, "total_sequence_length": s.prompt + n} {
		t, err := ort.NewTensor([]int64{1}, []int32{int32(value)})
		if err := keep(err, t, b.Input, name); err != nil {
			return err
		}
	}
	dims := []int64{1, int64(s.cfg.KVHeads), int64(capacity), int64(s.cfg.HeadSize)}
	for i, data := range s.cache {
		past, present := graphs.PastKey(i/2), graphs.PresentKey(i/2)
		if i%2 == 1 {
			past, present = graphs.PastValue(i/2), graphs.PresentValue(i/2)
		}
		t, err := ort.NewTensor(dims, data)
		if err := errors.Join(keep(err, t, b.Input, past), b.Output(present, t)); err != nil {
			return err
		}
	}
	t, err := ort.NewTensor([]int64{int64(n), int64(s.cfg.Vocab)}, make([]float32, n*s.cfg.Vocab))
	return keep(err, t, b.Output, "logits")
}

// measure runs steps of n tokens over each other; the figure is their median time.
func (s *stepSession) measure(n, steps int) (m measurement, err error) {
	times := make([]float64, steps)
	for i := range times {
		begin := time.Now()
		if err := s.bindings[n].Run(); err != nil {
			return m, err
		}
		times[i] = milliseconds(time.Since(begin))
	}
	m.figures = []Number{{"step_ms", stats.Median(times)}}
	return m, nil
}

// close frees the bindings, the session and then what they were bound to.
func (s *stepSession) close() error {
	for _, b := range s.bindings {
		b.Close()
	}
	for _, t := range s.tensors {
		t.Close()
	}
	s.session.Close()
	var err error
	for _, data := range s.cache {
		err = errors.Join(err, ort.FreeFloats(data))
	}
	return err
}
