package serve_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/replaystore"
	"nightshift/serve"
)

// again is the request that an interaction records.
func again(i replaystore.Interaction, pin *engine.Pin) engine.Request {
	s := i.Sampling
	r := engine.Request{Prompt: i.PromptTokens, Pin: pin, MaxTokens: s.MaxTokens, IgnoreEOS: s.IgnoreEOS, ShowSpecial: s.ShowSpecial, Stop: s.Stop,
		Sampling:   sampling.Params{Temperature: s.Temperature, TopP: s.TopP, TopK: s.TopK, MinP: s.MinP, Seed: s.Seed},
		Adjustment: sampling.Adjustment{Repetition: s.Repetition, Presence: s.Presence, Frequency: s.Frequency, MinTokens: s.MinTokens}}
	for id, v := range s.LogitBias {
		r.Adjustment.Bias = append(r.Adjustment.Bias, sampling.Bias{Token: id, Value: v})
	}
	return r
}

// TestRecordIsRunAgain answers with every way of sampling there is and runs what was recorded of each choice again: the tokens
// and their log-probabilities are the same.
func TestRecordIsRunAgain(t *testing.T) {
	h := open(t, options{})
	end := int(h.engine.Model().End)
	for _, more := range []string{
		`"seed":3`, `"min_p":0.4`, `"top_p":0.5,"top_k":9`, `"presence_penalty":2,"frequency_penalty":-1.5`, `"repetition_penalty":1.7`,
		fmt.Sprintf(`"logit_bias":{"%d":7,"65":2.5,"66":-3},"min_tokens":5`, end), fmt.Sprintf(`"logit_bias":{"%d":8},"ignore_eos":true`, end),
		`"stop":["e","zzz"]`, `"max_tokens":7`, fmt.Sprintf(`"logit_bias":{"%d":9},"skip_special_tokens":false,"stop":["|><|"]`, end+1),
	} {
		body := `{"model":"default","messages":[{"role":"user","content":"hi"}],"temperature":1.3,"n":2,` + more + `}`
		if !strings.Contains(more, "max_tokens") {
			body = strings.TrimSuffix(body, "}") + `,"max_tokens":24}`
		}
		for n, c := range h.generate(chatPath, body).Choices {
			kept, found, err := h.store.Interaction(t.Context(), "default", c.From.Interaction)
			if err != nil || !found || !kept.Replayable() {
				t.Fatalf("%s: the record of choice %d: %+v, %v, %v", more, n, kept, found, err)
			}
			pin, ok := h.engine.Bank().Pin("")
			if !ok {
				t.Fatal("the base model cannot be pinned")
			}
			stream, err := h.engine.Submit(t.Context(), again(kept, pin))
			must(t, err)
			var tokens []int32
			var logProbs []float32
			for p := range stream.Pieces {
				if p.HasToken {
					tokens, logProbs = append(tokens, p.Token), append(logProbs, p.LogProb)
				}
			}
			if r := stream.Result(); r.Err != nil || string(r.Finish) != kept.Finish || !slices.Equal(tokens, kept.AnswerTokens) || !slices.Equal(logProbs, kept.LogProbs) {
				t.Errorf("%s: choice %d was %v (%s), run again it is %v (%s, %v)", more, n, kept.AnswerTokens, kept.Finish, tokens, r.Finish, r.Err)
			}
		}
	}
}

// TestStopsAreRedacted keeps personal data in stop strings out of the record, which then does not claim to be whole.
func TestStopsAreRedacted(t *testing.T) {
	h := open(t, options{})
	a := h.generate(chatPath, `{"model":"default","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"ignore_eos":true,"stop":["##","ann@example.org"]}`)
	kept, found, err := h.store.Interaction(t.Context(), "default", a.Nightshift.Interaction)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if !slices.Equal(kept.Sampling.Stop, []string{"##", "[EMAIL]"}) || len(kept.Redacted) != 1 || kept.Redacted[0].Field != "sampling.stop.1" || kept.Replayable() || len(kept.PromptTokens) > 0 {
		t.Errorf("kept %+v", kept)
	}
}

// TestDefaultsAreTheModels answers with the model's min_p and repetition penalty, unless a request has its own.
func TestDefaultsAreTheModels(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "generation_config.json"), []byte(`{"min_p":0.3,"repetition_penalty":1.5}`), 0o600))
	h := open(t, options{cfg: func(c *serve.Config) { c.ModelDir = dir }})
	for more, want := range map[string][2]float32{"": {0.3, 1.5}, `,"min_p":0,"repetition_penalty":1`: {0, 1}} {
		a := h.generate(textPath, `{"model":"default","prompt":"the quick","max_tokens":5,"ignore_eos":true`+more+`}`)
		kept, found, err := h.store.Interaction(t.Context(), "default", a.Nightshift.Interaction)
		if s := kept.Sampling; err != nil || !found || s.MinP != want[0] || s.Repetition != want[1] {
			t.Errorf("with %q: %+v, %v, %v; want min_p and repetition_penalty %v", more, s, found, err, want)
		}
	}
}
