package bench

import (
	"context"
	"testing"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/models/arch"
	"nightshift/onnx/ort"
)

// TestRandomRequestsAreOfAllKinds wants every way of sampling among a hundred requests, and each to be one that the engine takes.
func TestRandomRequestsAreOfAllKinds(t *testing.T) {
	const vocab = 500
	model := &engine.Model{Config: arch.GPT2(arch.Shape{Vocab: vocab, Context: 128})}
	seen := map[string]int{}
	for i, r := range randomRequests(InvarianceOptions{Requests: 100, Prompt: 90, Tokens: 20}, model) {
		if err := r.Sampling.Check(); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		if err := r.Adjustment.Check(vocab); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		for name, is := range map[string]bool{
			"greedy": r.Sampling.Temperature == 0, "top_k": r.Sampling.TopK > 0, "top_p": r.Sampling.TopP > 0, "min_p": r.Sampling.MinP > 0,
			"repetition": r.Adjustment.Repetition > 0, "presence": r.Adjustment.Presence != 0, "frequency": r.Adjustment.Frequency != 0,
			"bias": len(r.Adjustment.Bias) > 0, "min_tokens": r.Adjustment.MinTokens > 0, "choices": r.Choices > 1, "top": r.TopLogProbs > 0, "prompt": r.PromptLogProbs,
			"ignore_eos": r.IgnoreEOS, "base": r.version == "", "adapter": r.version != "", "sampled choices": r.Choices > 1 && r.Sampling.Temperature > 0,
		} {
			if is {
				seen[name]++
			}
		}
	}
	if len(seen) != 16 {
		t.Errorf("only %v are drawn", seen)
	}
	for name, n := range seen {
		if n < 2 {
			t.Errorf("%s is drawn %d times", name, n)
		}
	}
}

// TestChoicesAloneAreThoseOfOneRequest compares both ways to answer a request for three choices, and changes it a little.
func TestChoicesAloneAreThoseOfOneRequest(t *testing.T) {
	ort.ForTest(t)
	ctx := context.Background()
	e, err := startDemo(ctx, Options{CacheDir: t.TempDir(), Threads: 1}, "f32", engine.Config{Slots: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}()
	r := namedRequest{Request: engine.Request{Prompt: []int32{5, 6, 7, 8}, MaxTokens: 12, IgnoreEOS: true, Choices: 3, TopLogProbs: 2, PromptLogProbs: true,
		Sampling: sampling.Params{Temperature: 1, Seed: 3}}}
	together := func(r namedRequest) [32]byte {
		s, err := e.submit(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := digestOf(s)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	alone, err := e.digestAlone(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if got := together(r); got != alone {
		t.Error("three choices of one request are not what three requests are answered")
	}
	for name, change := range map[string]func(*namedRequest){
		"seed": func(r *namedRequest) { r.Sampling.Seed++ }, "choices": func(r *namedRequest) { r.Choices-- }, "length": func(r *namedRequest) { r.MaxTokens-- },
		"top": func(r *namedRequest) { r.TopLogProbs-- }, "prompt": func(r *namedRequest) { r.PromptLogProbs = false },
	} {
		other := r
		change(&other)
		if together(other) == alone {
			t.Errorf("another %s changes nothing in the digest", name)
		}
	}
}
