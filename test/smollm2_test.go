package test

import (
	"encoding/json"
	"math"
	"net/http"
	"os"
	"slices"
	"testing"

	"nightshift/internal/longtest"
	"nightshift/internal/smollm2"
)

// spoken is what transformers answers with the real model; testdata/make_smollm2.py made it.
type spoken struct {
	Question string    `json:"question"`
	Prompt   []int32   `json:"prompt"`
	IDs      []int32   `json:"ids"`
	Ends     bool      `json:"ends"`
	Text     string    `json:"text"`
	LogProbs []float64 `json:"logprobs"`
	Gaps     []float64 `json:"gaps"`
}

// TestSmolLM2 serves a real chat model from its GGUF file. Prompts are, token for token, those of transformers, and so are greedy answers,
// with the same log-probabilities; an answer may part only where two tokens are as likely as each other.
func TestSmolLM2(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	data, err := os.ReadFile("testdata/smollm2.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []spoken
	if err := json.Unmarshal(data, &want); err != nil || len(want) != 20 {
		t.Fatalf("%d answers, %v", len(want), err)
	}
	p := serverOf(t, "serve", "--model", smollm2.File(t), "--data", t.TempDir())
	tokens, parted, apart := 0, 0, 0.0
	for _, w := range want {
		messages := []map[string]string{{"role": "user", "content": w.Question}}
		var prompt struct {
			Tokens []int32 `json:"tokens"`
		}
		p.call(http.MethodPost, "/tokenize", map[string]any{"messages": messages}, http.StatusOK).into(t, &prompt)
		if !slices.Equal(prompt.Tokens, w.Prompt) {
			t.Errorf("%q is %v, want %v", w.Question, prompt.Tokens, w.Prompt)
		}
		texts, logProbs, finish := p.greedy(messages)
		if n := w.parts(texts); n < len(w.IDs) {
			if parted++; w.Gaps[n] > 1e-3 {
				t.Errorf("%q: answer %q parts at token %d, where the likeliest token is %g ahead", w.Question, texts, n, w.Gaps[n])
			}
			continue
		}
		if w.Ends != (finish == "stop") {
			t.Errorf("%q: the answer ends with %s", w.Question, finish)
		}
		for i, l := range w.LogProbs {
			apart, tokens = math.Max(apart, math.Abs(l-logProbs[i])), tokens+1
		}
	}
	t.Logf("%d tokens, %d answers part, log-probabilities at most %.2g apart", tokens, parted, apart)
	if apart > 1e-3 || parted > 2 {
		t.Errorf("%d answers part, and log-probabilities are up to %g apart", parted, apart)
	}
}

// greedy is one greedy answer of 60 tokens at most: what each adds to the text, and how likely it was.
func (a *api) greedy(messages any) (texts []string, logProbs []float64, finish string) {
	a.t.Helper()
	var got struct {
		Choices []struct {
			Finish   string `json:"finish_reason"`
			LogProbs struct {
				Content []struct {
					Token   string  `json:"token"`
					LogProb float64 `json:"logprob"`
				} `json:"content"`
			} `json:"logprobs"`
		} `json:"choices"`
	}
	a.call(http.MethodPost, "/v1/chat/completions", map[string]any{"model": "default", "messages": messages, "temperature": 0, "max_tokens": 60, "logprobs": true}, http.StatusOK).into(a.t, &got)
	for _, c := range got.Choices[0].LogProbs.Content {
		texts, logProbs = append(texts, c.Token), append(logProbs, c.LogProb)
	}
	return texts, logProbs, got.Choices[0].Finish
}

// parts is the first token of the answer that is another than texts say, or their number.
func (w spoken) parts(texts []string) int {
	said := w.Text
	for i := range w.IDs {
		if i >= len(texts) || len(said) < len(texts[i]) || said[:len(texts[i])] != texts[i] {
			return i
		}
		said = said[len(texts[i]):]
	}
	return len(w.IDs)
}
