package engine

import (
	"fmt"
	"log/slog"
	"math"
	"runtime"

	"golang.org/x/sys/cpu"

	"nightshift/onnx/gpt2"
	"nightshift/onnx/ort"
)

// sessions are the decode graph over the weights that are served: one, or two where weights of 4 bits have twins of 8. A row, or a
// few, take as long as their weights take to read, of which 4 bits are half; prompts and many rows take as long as the arithmetic, for which
// the runtime's kernels for 4 bits need about two to three times as long as those for 8.
type sessions struct {
	steps   *ort.Session // of few rows
	prompts *ort.Session // and steps of more than few
	few     int
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

func openSessions(m *Model, cfg Config) (s sessions, err error) {
	if s.steps, err = openSession(m, m.Initializer, cfg); err != nil {
		return s, err
	}
	s.prompts, s.few = s.steps, math.MaxInt
	if m.twins() {
		s.few = fewRows()
		if s.prompts, err = openSession(m, m.Quantized.Twin, cfg); err != nil {
			s.steps.Close()
			return s, err
		}
	}
	if _, err := ort.ReleaseMapped(m.Dir()); err != nil {
		slog.Warn("pages of the weights' file stay in memory", "error", err)
	}
	if _, err := ort.UseHugePages(); err != nil {
		slog.Warn("the weights stay in small pages", "error", err)
	}
	return s, nil
}

func openSession(m *Model, weights gpt2.Weights, cfg Config) (*ort.Session, error) {
	graph, err := gpt2.Decode(m.Config, weights, gpt2.DecodeOptions{Modules: cfg.Modules})
	if err != nil {
		return nil, err
	}
	encoded, err := graph.Encode()
	if err != nil {
		return nil, err
	}
	session, err := ort.NewSession(encoded, ort.SessionConfig{Threads: cfg.Threads, ExternalDir: m.Dir(), Spin: cfg.Spin})
	if err != nil {
		return nil, fmt.Errorf("open decode session: %w", err)
	}
	return session, nil
}

// decoding is the session for a decode step of so many rows. A draft counts as one row: its numbers are to be those of single steps, up to
// rounding.
func (s sessions) decoding(rows int) *ort.Session {
	if rows > s.few {
		return s.prompts
	}
	return s.steps
}

func (s sessions) close() {
	s.steps.Close()
	s.prompts.Close() // which may be the same
}
