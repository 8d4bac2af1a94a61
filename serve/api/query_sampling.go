package api

import (
	"math"
	"math/rand/v2"
	"strconv"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/replaystore"
)

const (
	maxChoices = 128
	maxTop     = 20
	maxBiases  = 1024

	minTopP = 1e-6 // only the likeliest token, as OpenAI means 0; to the engine 0 is off, and so is what is too small for a float32
)

// decodeSampling reads how tokens are chosen. A request without a seed gets one, so that its record can be replayed.
func decodeSampling(o *object, q *query, d Defaults) {
	q.sampling = sampling.Params{Temperature: d.Temperature, TopP: d.TopP, TopK: d.TopK, MinP: d.MinP}
	if f, ok := o.float("temperature", 0, 2); ok {
		q.sampling.Temperature = float32(f)
	}
	if f, ok := o.float("top_p", 0, 1); ok {
		q.sampling.TopP = float32(max(f, minTopP))
	}
	if f, ok := o.float("min_p", 0, 1); ok {
		q.sampling.MinP = float32(f)
	}
	if n, ok := o.int("top_k", -1, math.MaxInt32); ok {
		q.sampling.TopK = int(max(n, 0)) // vLLM's clients say -1 for off
	}
	if n, ok := o.int("seed", math.MinInt64, math.MaxInt64); ok {
		q.sampling.Seed = uint64(n)
	} else {
		q.sampling.Seed = rand.Uint64() >> 11 // 53 bits: every JSON reader can hold it
	}
}

// decodeMaxTokens reads the length limit under either of its names. It is 0 only for requests that have the prompt echoed.
func decodeMaxTokens(o *object, d Defaults, echo bool) int {
	n, old := decodeLimit(o, "max_tokens", echo)
	m, current := decodeLimit(o, "max_completion_tokens", echo)
	switch {
	case old && current && n != m:
		o.r.fail(badRequest("invalid_value", "max_tokens", "max_tokens and max_completion_tokens are not the same; give one of them"))
	case current:
		n = m
	case !old:
		return d.MaxTokens
	}
	return min(n, d.Limit)
}

// decodeLimit reads a length limit; -1 is as long as this server allows.
func decodeLimit(o *object, name string, zero bool) (limit int, ok bool) {
	n, ok := o.int(name, -1, math.MaxInt32)
	switch {
	case ok && n == 0 && !zero:
		o.r.fail(badRequest("invalid_value", o.at(name), "%s is 0, it must be at least 1, or -1 for no limit but the server's", o.at(name)))
	case n == -1:
		n = math.MaxInt32
	}
	return int(n), ok
}

// decodeAdjustment reads what changes logits before a token is chosen, and what becomes of the end-of-text token.
func decodeAdjustment(o *object, q *query, d Defaults) {
	penalty := func(name string) float32 {
		f, _ := o.float(name, -2, 2)
		return float32(f)
	}
	q.adjustment = sampling.Adjustment{Repetition: d.Repetition, Presence: penalty("presence_penalty"), Frequency: penalty("frequency_penalty"), Bias: decodeBias(o)}
	if f, ok := o.float("repetition_penalty", 0, 100); ok {
		if q.adjustment.Repetition = float32(f); q.adjustment.Repetition == 0 {
			o.r.fail(badRequest("invalid_value", "repetition_penalty", "repetition_penalty is %v, it must be more than 0", f))
		}
	}
	q.ignoreEOS = o.bool("ignore_eos")
	q.showSpecial = !o.boolOrTrue("skip_special_tokens")
	n, _ := o.int("min_tokens", 0, math.MaxInt32)
	if q.adjustment.MinTokens = int(n); q.adjustment.MinTokens > q.maxTokens {
		o.r.fail(badRequest("invalid_value", "min_tokens", "min_tokens is %d, the answer can have %d tokens at most", n, q.maxTokens))
	}
}

// decodeBias reads what is added to the logits of tokens, by their ids.
func decodeBias(o *object) []sampling.Bias {
	v, ok := o.get("logit_bias")
	if !ok {
		return nil
	}
	m := o.r.object("logit_bias", v)
	if len(m.names) > maxBiases {
		o.r.fail(badRequest("invalid_value", "logit_bias", "logit_bias has %d tokens, at most %d are allowed", len(m.names), maxBiases))
	}
	list := make([]sampling.Bias, 0, len(m.names))
	for _, name := range m.names {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil || id < 0 || strconv.FormatInt(id, 10) != name {
			o.r.fail(badRequest("invalid_value", m.at(name), "%s: the names in logit_bias are ids of tokens, such as \"50256\"", m.at(name)))
		}
		f, ok := m.float(name, -100, 100)
		if !ok {
			o.r.wrong(m.at(name), value{}, "a number")
		}
		list = append(list, sampling.Bias{Token: int32(id), Value: float32(f)})
	}
	return list
}

// record is how the choice with a seed is sampled, for its interaction.
func (q *query) record(seed uint64) replaystore.Sampling {
	p, a := q.sampling, q.adjustment
	s := replaystore.Sampling{Temperature: p.Temperature, TopP: p.TopP, TopK: p.TopK, MinP: p.MinP, Repetition: a.Repetition, Presence: a.Presence,
		Frequency: a.Frequency, Seed: seed, MaxTokens: q.maxTokens, MinTokens: a.MinTokens, IgnoreEOS: q.ignoreEOS, ShowSpecial: q.showSpecial, Stop: q.stop}
	for _, b := range a.Bias {
		if s.LogitBias == nil {
			s.LogitBias = make(map[int32]float32, len(a.Bias))
		}
		s.LogitBias[b.Token] = b.Value
	}
	return s
}

// checkBias wants the tokens of logit_bias in the vocabulary, which may have gaps.
func (q *query) checkBias(m *engine.Model) error {
	for _, b := range q.adjustment.Bias {
		path := join("logit_bias", strconv.Itoa(int(b.Token)))
		switch {
		case int(b.Token) >= m.Config.Vocab:
			return badRequest("invalid_value", path, "%s: the model has the tokens 0 to %d", path, m.Config.Vocab-1)
		case !m.Tokenizer.Has(b.Token):
			return badRequest("invalid_value", path, "%s: the model has no such token", path)
		}
	}
	return nil
}

// decodeChoices reads how many answers are wanted, and made to choose from. Whether they are streamed is known.
func decodeChoices(o *object, q *query) {
	q.n = 1
	if n, ok := o.int("n", 1, maxChoices); ok {
		q.n = int(n)
	}
	if q.chat {
		return
	}
	n, ok := o.int("best_of", 1, maxChoices)
	switch q.bestOf = int(n); {
	case !ok:
	case q.bestOf < q.n:
		o.r.fail(badRequest("invalid_value", "best_of", "best_of is %d, it must be at least n, which is %d", n, q.n))
	case q.bestOf > q.n && q.stream:
		o.r.fail(badRequest("invalid_value", "best_of", "best_of chooses when all answers have ended, it does not go with stream: true"))
	}
	if each := max(q.n, q.bestOf); each*len(q.prompts) > maxChoices {
		o.r.fail(badRequest("invalid_value", "prompt", "prompt has %d prompts with %d answers each, at most %d answers are allowed", len(q.prompts), each, maxChoices))
	}
}

// decodeLogprobs reads which log-probabilities are wanted: chats say whether and how many beside, completions how many.
func decodeLogprobs(o *object, q *query) {
	if !q.chat {
		n, ok := o.int("logprobs", 0, maxTop)
		q.logProbs, q.top = ok, int(n)
		return
	}
	q.logProbs = o.bool("logprobs")
	n, ok := o.int("top_logprobs", 0, maxTop)
	if q.top = int(n); ok && !q.logProbs {
		o.r.fail(badRequest("invalid_value", "top_logprobs", "top_logprobs is only allowed with logprobs: true"))
	}
}
