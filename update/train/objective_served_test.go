package train

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/demo"
	"nightshift/models/quantize"
	"nightshift/models/template"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// TestServedAnswersAreReferences serves answers with an adapter, sampled and cut off too, and takes their recorded
// log-probabilities as those of the same adapter.
func TestServedAnswersAreReferences(t *testing.T) {
	ort.ForTest(t)
	dir, err := demo.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.LoadModel(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, trainable, params := someAdapter(t, m)
	answers := serve(t, m, a)
	for i := range answers {
		answers[i].Served.Version = "v"
	}
	base := Base{Config: m.Config, Weights: m.Checkpoint.Initializer, Dir: m.Checkpoint.Dir()}
	scorer := tinyScorer(t, base, trainable, 2, 128)
	var pointers []*Answer
	for i := range answers {
		pointers = append(pointers, &answers[i])
	}
	report, err := scorer.References(Champion{Params: params, Version: "v", Template: m.Template.Digest()}, pointers)
	if err != nil {
		t.Fatal(err)
	}
	if report.Recorded != len(answers) || report.Apart == 0 || report.Apart > 1e-3 {
		t.Errorf("report %+v", report)
	}
	// The base model would say something else, which is noticed although every record claims that it said it.
	if report, err = scorer.References(Champion{Params: make([]float32, len(params)), Version: "v", Template: m.Template.Digest()}, pointers); err != nil {
		t.Fatal(err)
	}
	if report.Recorded != 0 || report.Apart < 0.1 {
		t.Errorf("against the base model: %+v", report)
	}
}

// someAdapter changes what the model says, but not beyond recognition.
func someAdapter(t *testing.T, m *engine.Model) (*adapter.Adapter, graphs.Trainable, []float32) {
	t.Helper()
	a := &adapter.Adapter{Config: adapter.Config{Rank: 4, Alpha: 8, Modules: []string{"mlp.c_fc", "mlp.c_proj"}}, Factors: map[arch.Target]adapter.Factors{}}
	trainable := graphs.Trainable{Rank: 4, Scale: a.Config.Scale()}
	r := rand.New(rand.NewPCG(12, 7))
	var params []float32
	for layer := range m.Config.Layers {
		for _, module := range a.Config.Modules {
			in, out, err := m.Config.Dims(module)
			if err != nil {
				t.Fatal(err)
			}
			f := adapter.Factors{A: make([]float32, in*4), B: make([]float32, 4*out)}
			for _, list := range [][]float32{f.A, f.B} {
				for i := range list {
					list[i] = float32(0.08 * r.NormFloat64())
				}
			}
			a.Factors[arch.Target{Layer: layer, Module: module}] = f
			trainable.Targets = append(trainable.Targets, arch.Target{Layer: layer, Module: module})
			params = slices.Concat(params, f.A, f.B)
		}
	}
	return a, trainable, params
}

// serve asks the adapter some questions, and returns the answers with what is recorded of them.
func serve(t *testing.T, m *engine.Model, a *adapter.Adapter) []Answer {
	t.Helper()
	e, err := engine.New(m, engine.Config{Threads: 1, BankRows: 4})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() { stop(); <-done; e.Close() }()
	if err := e.Bank().Install("v", a); err != nil {
		t.Fatal(err)
	}
	var answers []Answer
	for i, question := range []string{"how long can i return a tent?", "what does express shipping cost?", "when are you open?", "hello", "do you rent kayaks?", "is there a student discount?"} {
		prompt, err := m.ChatTokens([]template.Message{{Role: "user", Content: question}})
		if err != nil {
			t.Fatal(err)
		}
		pin, ok := e.Bank().Pin("v")
		if !ok {
			t.Fatal("the adapter is not in the bank")
		}
		request := engine.Request{Prompt: prompt, Pin: pin, MaxTokens: 32, Sampling: sampling.Params{Temperature: float32(i) / 4, TopP: 0.9, Seed: uint64(i)}}
		if i == 3 {
			request.MaxTokens = 3
		}
		stream, err := e.Submit(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		s := &Served{Prompt: prompt, Weights: quantize.Float32, Template: m.Template.Digest()}
		for p := range stream.Pieces {
			if p.HasToken {
				s.Answer, s.LogProbs = append(s.Answer, p.Token), append(s.LogProbs, p.LogProb)
			}
		}
		if r := stream.Result(); r.Err != nil || len(s.Answer) < 2 || math.IsNaN(float64(s.LogProbs[0])) {
			t.Fatalf("answer %v, %v", s.Answer, r.Err)
		}
		answers = append(answers, Answer{Sequence: Sequence{ID: question, Tokens: slices.Concat(prompt, s.Answer), Prompt: len(prompt)}, Served: s})
	}
	return answers
}
