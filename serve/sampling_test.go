package serve_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/serve"
)

// token is an entry of a chat's log-probabilities.
type token struct {
	Token   string
	Logprob float64
	Bytes   []int
	Top     []token `json:"top_logprobs"`
}

// textLogprobs are those of a completion.
type textLogprobs struct {
	Tokens        []string
	TokenLogprobs []*float64            `json:"token_logprobs"`
	TopLogprobs   []*map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                 `json:"text_offset"`
}

// reading is a completion with everything that sampling can bring.
type reading struct {
	ID      string
	Choices []struct {
		Index    int
		Text     string
		Message  struct{ Content string }
		Delta    struct{ Content string }
		Logprobs json.RawMessage
		Finish   string  `json:"finish_reason"`
		From     *origin `json:"nightshift"`
		Timings  *timings
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
	Nightshift *origin
	Timings    *timings
}

type timings struct {
	First  float64 `json:"first_token_ms"`
	Decode float64 `json:"decode_ms"`
	Tokens int
	P50    float64 `json:"inter_token_p50_ms"`
	P99    float64 `json:"inter_token_p99_ms"`
	Max    float64 `json:"inter_token_max_ms"`
}

func (r reading) texts() (list []string) {
	for _, c := range r.Choices {
		list = append(list, c.Text+c.Message.Content)
	}
	return list
}

// generate posts a body and wants a completion.
func (h *house) generate(path, body string) (v reading) {
	h.t.Helper()
	r := h.post(path, body)
	if r.status != 200 {
		h.t.Fatalf("%s: status %d, %s", body, r.status, r.body)
	}
	must(h.t, json.Unmarshal(r.body, &v))
	return v
}

// streamed posts a body with stream: true and puts the choices together.
func (h *house) streamed(path, body string) (v reading, chat map[int][]token, raw map[int]*textLogprobs) {
	h.t.Helper()
	r := h.post(path, strings.TrimSuffix(body, "}")+`,"stream":true,"stream_options":{"include_usage":true}}`)
	list := events(strings.NewReader(string(r.body)))
	if len(list) == 0 || list[len(list)-1].data != "[DONE]" {
		h.t.Fatalf("%s: status %d, no [DONE] in %s", body, r.status, r.body)
	}
	chat, raw = map[int][]token{}, map[int]*textLogprobs{}
	for _, e := range list[:len(list)-1] {
		var c reading
		must(h.t, json.Unmarshal([]byte(e.data), &c))
		if len(c.Choices) == 0 {
			v.Usage = c.Usage
			continue
		}
		part := c.Choices[0]
		for len(v.Choices) <= part.Index {
			v.Choices = append(v.Choices, part)
			v.Choices[len(v.Choices)-1].Text = ""
		}
		one := &v.Choices[part.Index]
		one.Index = part.Index
		one.Text += part.Text + part.Delta.Content
		if part.Finish != "" {
			one.Finish, one.From, one.Timings = part.Finish, c.Nightshift, c.Timings
		}
		if string(part.Logprobs) == "null" {
			continue
		}
		if strings.Contains(path, "chat") {
			var l struct{ Content []token }
			must(h.t, json.Unmarshal(part.Logprobs, &l))
			chat[part.Index] = append(chat[part.Index], l.Content...)
			continue
		}
		var l textLogprobs
		must(h.t, json.Unmarshal(part.Logprobs, &l))
		all := raw[part.Index]
		if all == nil {
			all = &textLogprobs{}
			raw[part.Index] = all
		}
		all.Tokens, all.TokenLogprobs = append(all.Tokens, l.Tokens...), append(all.TokenLogprobs, l.TokenLogprobs...)
		all.TopLogprobs, all.TextOffset = append(all.TopLogprobs, l.TopLogprobs...), append(all.TextOffset, l.TextOffset...)
	}
	return v, chat, raw
}

const (
	chatPath = "/v1/chat/completions"
	textPath = "/v1/completions"
)

// TestChoices asks for several choices: choice 0 is the answer to n: 1, the choices differ, each is recorded with the seed that
// gives it alone and can be rated with its own token and no other, and a stream brings the same.
func TestChoices(t *testing.T) {
	h := open(t, options{})
	for path, body := range map[string]string{
		chatPath: `{"model":"default","messages":[{"role":"user","content":"hi"}],"max_tokens":12,"temperature":1,"seed":5%s}`,
		textPath: `{"model":"default","prompt":"the quick","max_tokens":12,"temperature":1,"seed":5%s}`,
	} {
		one := h.generate(path, fmt.Sprintf(body, ""))
		many := h.generate(path, fmt.Sprintf(body, `,"n":3`))
		texts := many.texts()
		if len(texts) != 3 || texts[0] != one.texts()[0] || texts[1] == texts[0] || texts[2] == texts[1] {
			t.Errorf("%s: n of 1 gives %q, n of 3 %q", path, one.texts(), texts)
		}
		if one.Choices[0].From != nil || *many.Choices[0].From != *many.Nightshift || many.ID[strings.IndexByte(many.ID, '-')+1:] != many.Nightshift.Interaction {
			t.Errorf("%s: the first choice is %+v, the answer %+v", path, many.Choices[0].From, many.Nightshift)
		}
		made := 0
		for i, c := range many.Choices {
			if c.Index != i || c.From == nil || !c.From.Logged || c.Timings == nil {
				t.Fatalf("%s: choice %d: %+v", path, i, c)
			}
			made += c.Timings.Tokens
			kept, found, err := h.store.Interaction(t.Context(), "default", c.From.Interaction)
			if err != nil || !found || kept.Answer != texts[i] {
				t.Fatalf("%s: the record of choice %d: %+v, %v, %v", path, i, kept, found, err)
			}
			alone := h.generate(path, fmt.Sprintf(strings.Replace(body, `"seed":5`, fmt.Sprintf(`"seed":%d`, kept.Sampling.Seed), 1), ""))
			if alone.texts()[0] != texts[i] {
				t.Errorf("%s: choice %d is %q, with its recorded seed alone %q", path, i, texts[i], alone.texts()[0])
			}
			other := many.Choices[(i+1)%3].From
			rate := func(token string) int {
				return h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"token":%q,"rating":"up"}`, c.From.Interaction, token)).status
			}
			if own, foreign := rate(c.From.FeedbackToken), rate(other.FeedbackToken); own != 202 || foreign != 403 {
				t.Errorf("%s: rating choice %d: %d with its token, %d with another's", path, i, own, foreign)
			}
		}
		if u := many.Usage; u.Prompt != one.Usage.Prompt || u.Completion != made || u.Total != u.Prompt+u.Completion {
			t.Errorf("%s: usage %+v, the choices have %d tokens", path, u, made)
		}
		stream, _, _ := h.streamed(path, fmt.Sprintf(body, `,"n":3`))
		if !slices.Equal(stream.texts(), texts) || *stream.Usage != *many.Usage {
			t.Errorf("%s: streamed %q, %+v; whole %q, %+v", path, stream.texts(), stream.Usage, texts, many.Usage)
		}
		for i, c := range stream.Choices {
			if c.From == nil || !c.From.Logged || c.Timings == nil || c.Finish != many.Choices[i].Finish {
				t.Errorf("%s: the end of streamed choice %d: %+v", path, i, c)
			}
		}
	}
}

// TestBestOf wants the choices with the largest mean log-probability, the best first, and all made tokens in the usage.
func TestBestOf(t *testing.T) {
	h := open(t, options{})
	body := `{"model":"default","prompt":"the quick","max_tokens":10,"temperature":1.5,"seed":5,"logprobs":0,%s}`
	mean := func(raw json.RawMessage) float64 {
		var l textLogprobs
		must(t, json.Unmarshal(raw, &l))
		sum := 0.0
		for _, v := range l.TokenLogprobs {
			sum += *v
		}
		return sum / float64(len(l.TokenLogprobs))
	}
	all := h.generate(textPath, fmt.Sprintf(body, `"ignore_eos":true,"n":6`))
	order := []int{0, 1, 2, 3, 4, 5}
	slices.SortFunc(order, func(a, b int) int {
		if mean(all.Choices[a].Logprobs) > mean(all.Choices[b].Logprobs) {
			return -1
		}
		return 1
	})
	best := h.generate(textPath, fmt.Sprintf(body, `"ignore_eos":true,"n":2,"best_of":6`))
	want := []string{all.texts()[order[0]], all.texts()[order[1]]}
	if !slices.Equal(best.texts(), want) || best.Usage.Completion != 60 || best.Choices[1].Index != 1 || !best.Choices[1].From.Logged {
		t.Errorf("best of 6: %q, usage %+v; want %q", best.texts(), best.Usage, want)
	}
}

// TestChatLogprobs checks the shape and the figures of a chat's log-probabilities: the tokens spell the text, a greedy token
// leads its likeliest, probabilities do not exceed 1 together, and a stream brings the same.
func TestChatLogprobs(t *testing.T) {
	h := open(t, options{})
	body := `{"model":"default","messages":[{"role":"user","content":"héllo 🏕"}],"max_tokens":30,"temperature":0,"logprobs":true,"top_logprobs":5}`
	whole := h.generate(chatPath, body)
	var l struct {
		Content []token
		Refusal any
	}
	must(t, json.Unmarshal(whole.Choices[0].Logprobs, &l))
	var spelled []byte
	for i, c := range l.Content {
		for _, b := range c.Bytes {
			spelled = append(spelled, byte(b))
		}
		sum := 0.0
		for _, top := range c.Top {
			sum += math.Exp(top.Logprob)
		}
		if len(c.Top) != 5 || c.Top[0].Logprob != c.Logprob || c.Top[0].Token != c.Token || c.Logprob > 0 || sum > 1+1e-6 {
			t.Errorf("token %d: %+v", i, c)
		}
	}
	if text := whole.texts()[0]; string([]rune(string(spelled))) != text || len(l.Content) == 0 {
		t.Errorf("the tokens spell %q, the text is %q", spelled, text)
	}
	_, chat, _ := h.streamed(chatPath, body)
	if !reflect.DeepEqual(chat[0], l.Content) {
		t.Errorf("streamed %+v, whole %+v", chat[0], l.Content)
	}
	plain := h.generate(chatPath, strings.Replace(body, `,"logprobs":true,"top_logprobs":5`, "", 1))
	if string(plain.Choices[0].Logprobs) != "null" || plain.texts()[0] != whole.texts()[0] {
		t.Errorf("without log-probabilities: %s, %q", plain.Choices[0].Logprobs, plain.texts()[0])
	}
	bare := h.generate(chatPath, strings.Replace(body, `,"top_logprobs":5`, "", 1))
	if !strings.Contains(string(bare.Choices[0].Logprobs), `"top_logprobs":[]`) {
		t.Errorf("without top_logprobs: %s", bare.Choices[0].Logprobs)
	}
}

// TestEcho scores a prompt: its log-probabilities are those of the answer that it repeats, the offsets are in characters, and
// with max_tokens 0 nothing is generated or recorded.
func TestEcho(t *testing.T) {
	h := open(t, options{})
	const prompt = "the quick brøwn fox 🏕 asks"
	post := func(prompt, more string) string {
		q, err := json.Marshal(prompt)
		must(t, err)
		return fmt.Sprintf(`{"model":"default","prompt":%s,"temperature":0,%s}`, q, more)
	}
	read := func(v reading) (l textLogprobs) {
		must(t, json.Unmarshal(v.Choices[0].Logprobs, &l))
		return l
	}
	answered := h.generate(textPath, post(prompt, `"max_tokens":8,"echo":true,"logprobs":2,"ignore_eos":true`))
	l := read(answered)
	if text := answered.texts()[0]; !strings.HasPrefix(text, prompt) || answered.Usage.Completion != 8 || len(l.Tokens) != answered.Usage.Total {
		t.Fatalf("echoed %q with %d tokens, usage %+v", text, len(l.Tokens), answered.Usage)
	}
	if l.TokenLogprobs[0] != nil || l.TopLogprobs[0] != nil {
		t.Errorf("the first token has %v and %v", *l.TokenLogprobs[0], *l.TopLogprobs[0])
	}
	runes := []rune(answered.texts()[0])
	for i := range l.Tokens {
		if i > 0 && (*l.TokenLogprobs[i] > 0 || len(*l.TopLogprobs[i]) < 2 || len(*l.TopLogprobs[i]) > 3 || (*l.TopLogprobs[i])[l.Tokens[i]] != *l.TokenLogprobs[i]) {
			t.Errorf("token %d, %q: %v among %v", i, l.Tokens[i], *l.TokenLogprobs[i], *l.TopLogprobs[i])
		}
		if at := l.TextOffset[i]; !strings.HasPrefix(l.Tokens[i], "bytes:") && !strings.HasPrefix(string(runes[at:]), l.Tokens[i]) {
			t.Errorf("token %d, %q, is not at character %d of %q", i, l.Tokens[i], at, string(runes))
		}
	}
	if !slices.ContainsFunc(l.Tokens, func(s string) bool { return strings.HasPrefix(s, `bytes:\x`) }) {
		t.Errorf("no token of %q is part of a character", l.Tokens)
	}
	_, _, raw := h.streamed(textPath, post(prompt, `"max_tokens":8,"echo":true,"logprobs":2,"ignore_eos":true`))
	if !reflect.DeepEqual(*raw[0], l) {
		t.Errorf("streamed %+v, whole %+v", *raw[0], l)
	}
	scored := h.generate(textPath, post(prompt, `"max_tokens":0,"echo":true,"logprobs":2`))
	s := read(scored)
	n := answered.Usage.Prompt
	if scored.texts()[0] != prompt || scored.Usage.Completion != 0 || scored.Choices[0].Finish != "length" || scored.Nightshift.Logged ||
		!reflect.DeepEqual(s, textLogprobs{l.Tokens[:n], l.TokenLogprobs[:n], l.TopLogprobs[:n], l.TextOffset[:n]}) {
		t.Errorf("scored alone: %+v, %+v; with an answer %+v", scored, s, l)
	}
	if v := h.generate(textPath, post(prompt, `"max_tokens":0,"echo":true`)); v.texts()[0] != prompt || string(v.Choices[0].Logprobs) != "null" {
		t.Errorf("echoed alone: %+v", v)
	}
	if v, _, _ := h.streamed(textPath, post(prompt, `"max_tokens":3,"n":2,"echo":true`)); !strings.HasPrefix(v.texts()[0], prompt) || v.texts()[1] != v.texts()[0] {
		t.Errorf("two greedy choices echoed in a stream: %q", v.texts())
	}
}

// TestPenalties steers answers: what is forbidden or forced, a penalty that keeps a token from coming again, and min_p.
func TestPenalties(t *testing.T) {
	h := open(t, options{})
	post := func(more string) string {
		return fmt.Sprintf(`{"model":"default","prompt":"the quick","max_tokens":12,"temperature":0,"logprobs":0,%s}`, more)
	}
	tokens := func(more string) []string {
		var l textLogprobs
		must(t, json.Unmarshal(h.generate(textPath, post(more)).Choices[0].Logprobs, &l))
		return l.Tokens
	}
	vocabulary := h.engine.Model().Tokenizer
	plain := tokens(`"seed":1`)
	fox, _ := vocabulary.ID("f")
	if got := tokens(fmt.Sprintf(`"logit_bias":{"%d":100}`, fox)); len(got) != 12 || slices.ContainsFunc(got, func(s string) bool { return s != "f" }) {
		t.Errorf("with f forced: %q", got)
	}
	if got := tokens(fmt.Sprintf(`"logit_bias":{"%d":100},"presence_penalty":2,"frequency_penalty":2`, fox)); !slices.Equal(got, slices.Repeat([]string{"f"}, 12)) {
		t.Errorf("a bias of 100 against small penalties: %q", got)
	}
	got := tokens(`"repetition_penalty":100,"ignore_eos":true`)
	if distinct := slices.Compact(slices.Sorted(slices.Values(got))); len(distinct) != len(got) {
		t.Errorf("with a high penalty a token comes again: %q", got)
	}
	if got := tokens(`"min_p":1`); !slices.Equal(got, plain) {
		t.Errorf("greedy with min_p 1: %q, without %q", got, plain)
	}
	hot := strings.Replace(post(`"min_p":1,"seed":3`), `"temperature":0`, `"temperature":2`, 1)
	cold := h.generate(textPath, post(`"seed":3`))
	if v := h.generate(textPath, hot); v.texts()[0] != cold.texts()[0] {
		t.Errorf("hot with min_p 1: %q, greedy %q", v.texts(), cold.texts())
	}
	end := int(h.engine.Model().End)
	ended := h.generate(textPath, post(fmt.Sprintf(`"logit_bias":{"%d":100},"min_tokens":4`, end)))
	if ended.Usage.Completion != 5 || ended.Choices[0].Finish != "stop" {
		t.Errorf("min_tokens 4 with the end forced: %+v, %s", ended.Usage, ended.Choices[0].Finish)
	}
	if on := h.generate(textPath, post(fmt.Sprintf(`"logit_bias":{"%d":100},"ignore_eos":true`, end))); on.Usage.Completion != 12 || on.Choices[0].Finish != "length" {
		t.Errorf("ignore_eos with the end forced: %+v, %s", on.Usage, on.Choices[0].Finish)
	}
}

// TestTimings wants the engine's own times in the body and in the last chunk.
func TestTimings(t *testing.T) {
	h := open(t, options{})
	body := `{"model":"default","prompt":"a","max_tokens":30,"temperature":0,"ignore_eos":true}`
	whole := h.generate(textPath, body)
	streamed, _, _ := h.streamed(textPath, body)
	for name, v := range map[string]*timings{"whole": whole.Timings, "streamed": streamed.Choices[0].Timings} {
		if v == nil || v.Tokens != 30 || v.First <= 0 || v.P50 <= 0 || v.P50 > v.P99 || v.P99 > v.Max || v.Max > v.Decode {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// TestChoicesAreRefusedTogether asks for more choices than the queue takes beside others.
func TestChoicesAreRefusedTogether(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1, Queue: 3}, cfg: func(c *serve.Config) { c.API.MaxWait = 0 }})
	first := make(chan reply, 1)
	ask := func() {
		first <- h.post(textPath, `{"model":"default","prompt":"a","max_tokens":240,"ignore_eos":true,"n":3}`)
	}
	go ask()
	h.await("two choices wait", func() bool {
		if len(first) > 0 { // they were answered before anybody looked
			<-first
			go ask()
		}
		return h.engine.Stats().Waiting == 2
	})
	r := h.post(textPath, `{"model":"default","prompt":"a","max_tokens":5,"n":2}`)
	if code, _, _ := r.problem(t); r.status != 429 || code != "queue_full" {
		t.Errorf("two more choices: %d, %s", r.status, r.body)
	}
	if r := <-first; r.status != 200 {
		t.Errorf("the first three: %d, %s", r.status, r.body)
	}
}
