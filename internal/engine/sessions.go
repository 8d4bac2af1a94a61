package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"

	"golang.org/x/sys/cpu"

	"nightshift/models/quantize"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// graph is a session of the decode graph.
type graph struct {
	*ort.Session
	factors bool // it reads adapters
}

// graphPair is the decode graph over some weights: without adapters, and with them for steps in which any sequence has one. A sequence gets the
// same numbers from both. Operators that do nothing cost as much in a step of one row as a tenth of its weights.
type graphPair struct{ base, adapted graph }

// of is the graph for a step.
func (g graphPair) of(adapted bool) graph {
	if adapted {
		return g.adapted
	}
	return g.base
}

// sessions are the graphs over the weights that are served: one pair, or two where weights of 4 bits have int8 copies. A row, or a
// few, take as long as their weights take to read, of which 4 bits are half; prompts and many rows take as long as the arithmetic, for which
// the runtime's kernels for 4 bits need about two to three times as long as those for 8.
type sessions struct {
	steps   graphPair // of few rows
	prompts graphPair // and steps of more than few
	few     int
	opened  []*ort.Session
	weights *ort.SharedWeights // nil: each session has its own
}

// fewRows is how many rows a step over weights of 4 bits has at most. Where the kernel for 4 bits gives a row the same numbers whatever is beside
// it, there is no such limit, so that a step's answers do not depend on their neighbours; without dot products of bytes it does not,
// and four rows are faster with 8 bits.
func fewRows() int {
	if runtime.GOARCH == "amd64" && !cpu.X86.HasAVX512VNNI && !cpu.X86.HasAVXVNNI {
		return 3
	}
	return math.MaxInt
}

func openSessions(m *Model, cfg Config) (*sessions, error) {
	s := &sessions{}
	if err := s.open(m, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("open decode sessions: %w", err), s.close())
	}
	if _, err := ort.ReleaseMapped(m.Dir()); err != nil {
		slog.Warn("pages of the weights' file stay in memory", "error", err)
	}
	if _, err := ort.UseHugePages(); err != nil {
		slog.Warn("the weights stay in small pages", "error", err)
	}
	return s, nil
}

// open opens as many sessions as the weights' memory allows: what the runtime packs of 4 bits it cannot share among sessions.
func (s *sessions) open(m *Model, cfg Config) (err error) {
	s.few = math.MaxInt
	if m.Weights() == quantize.Int4 && !m.int8Copies() {
		one, err := s.session(m, m.Initializer, cfg, nil, cfg.Modules)
		s.prompts, s.steps = graphPair{one, one}, graphPair{one, one}
		return err
	}
	if s.weights, err = ort.NewSharedWeights(m.Dir()); err != nil {
		return err
	}
	weights := m.Initializer
	if m.int8Copies() {
		weights = m.Quantized.Int8Copy
	}
	if s.prompts, err = s.pair(m, weights, cfg, s.weights); err != nil {
		return err
	}
	s.steps = s.prompts
	if !m.int8Copies() {
		return nil
	}
	if s.few = fewRows(); s.few == math.MaxInt {
		s.steps, err = s.pair(m, m.Initializer, cfg, nil)
		return err
	}
	s.steps.base, err = s.session(m, m.Initializer, cfg, nil, nil)
	return err
}

// pair opens both graphs over some weights.
func (s *sessions) pair(m *Model, weights graphs.Weights, cfg Config, shared *ort.SharedWeights) (g graphPair, err error) {
	if g.base, err = s.session(m, weights, cfg, shared, nil); err != nil || len(cfg.Modules) == 0 {
		return graphPair{g.base, g.base}, err
	}
	g.adapted, err = s.session(m, weights, cfg, shared, cfg.Modules)
	return g, err
}

func (s *sessions) session(m *Model, weights graphs.Weights, cfg Config, shared *ort.SharedWeights, modules []string) (graph, error) {
	g, err := families.Of(m.Config).Decode(weights, graphs.DecodeOptions{Modules: modules})
	if err != nil {
		return graph{}, err
	}
	encoded, err := g.Encode()
	if err != nil {
		return graph{}, err
	}
	session, err := ort.NewSession(encoded, ort.SessionConfig{Threads: cfg.Threads, ExternalDir: m.Dir(), Weights: shared, Spin: cfg.Spin})
	if err != nil {
		return graph{}, err
	}
	s.opened = append(s.opened, session)
	return graph{session, len(modules) > 0}, nil
}

// decoding is the graph for a decode step of so many rows. A draft counts as one row: its numbers are to be those of single steps, up to
// rounding.
func (s *sessions) decoding(rows int, adapted bool) graph {
	if rows > s.few {
		return s.prompts.of(adapted)
	}
	return s.steps.of(adapted)
}

func (s *sessions) close() error {
	for _, session := range s.opened {
		session.Close()
	}
	s.opened = nil
	if s.weights == nil {
		return nil
	}
	return s.weights.Close()
}
