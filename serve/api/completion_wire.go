package api

import (
	"strings"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
)

// What the ids of answers put before their first interaction's.
const (
	chatPrefix = "chatcmpl-"
	textPrefix = "cmpl-"
)

// Headers of answers. Those of interactions and of tokens hold one value a choice, with commas between.
const (
	headerIgnored     = "X-Nightshift-Ignored"
	headerAdapter     = "X-Nightshift-Adapter"
	headerInteraction = "X-Nightshift-Interaction"
	headerFeedback    = "X-Nightshift-Feedback-Token"
)

// completion is an answer, or a chunk of one, in the shape of OpenAI's API.
type completion struct {
	ID                string   `json:"id"`
	Object            string   `json:"object"`
	Created           int64    `json:"created"`
	Model             string   `json:"model"`
	Choices           []choice `json:"choices"`
	Usage             *usage   `json:"usage,omitempty"`
	SystemFingerprint string   `json:"system_fingerprint"`
	Nightshift        *origin  `json:"nightshift,omitempty"`
	Timings           *timings `json:"timings,omitempty"`
}

// choice is one of the answers, or a part of it. Exactly one of Message, Delta and Text is set. Nightshift and Timings are set when
// there are several in one body; otherwise those of the completion are this choice's.
type choice struct {
	Index        int      `json:"index"`
	Message      *message `json:"message,omitempty"`
	Delta        *delta   `json:"delta,omitempty"`
	Text         *string  `json:"text,omitempty"`
	Logprobs     any      `json:"logprobs"` // nil, *chatLogprobs or *textLogprobs
	FinishReason *string  `json:"finish_reason"`
	Nightshift   *origin  `json:"nightshift,omitempty"`
	Timings      *timings `json:"timings,omitempty"`
}

type message struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"` // always null
}

type delta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	// Details say how many of the prompt's tokens an earlier prompt had left behind.
	Details promptDetails `json:"prompt_tokens_details"`
}

type promptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// origin says where an answer comes from, and lets its reader rate it.
type origin struct {
	Interaction   string  `json:"interaction"`
	Track         string  `json:"track"`
	Version       *int    `json:"version"` // null is the base model
	Digest        string  `json:"digest"`
	FeedbackToken string  `json:"feedback_token,omitempty"` // none of an answer that is not recorded
	Logged        bool    `json:"logged"`
	Note          string  `json:"note,omitempty"`
	Routed        *routed `json:"routed,omitempty"`
}

// timings are where the time of a choice went, as the engine measured it: readers that see a body at once have no other way to
// know.
type timings struct {
	QueueMS         float64 `json:"queue_ms"`
	PrefillMS       float64 `json:"prefill_ms"`
	DecodeMS        float64 `json:"decode_ms"`
	FirstTokenMS    float64 `json:"first_token_ms"` // from the request to the first token
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	InterTokenP50MS float64 `json:"inter_token_p50_ms"` // from one token to the next
	InterTokenP99MS float64 `json:"inter_token_p99_ms"`
	InterTokenMaxMS float64 `json:"inter_token_max_ms"`
}

func timingsOf(r engine.Result) *timings {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	gaps := r.Gaps()
	t := &timings{
		QueueMS: ms(r.Timings.Queue), PrefillMS: ms(r.Timings.Prefill), DecodeMS: ms(r.Timings.Decode), FirstTokenMS: ms(r.Timings.FirstToken),
		Tokens: r.Tokens, InterTokenP50MS: ms(gaps.P50), InterTokenP99MS: ms(gaps.P99), InterTokenMaxMS: ms(gaps.Max),
	}
	if d := r.Timings.Decode.Seconds(); d > 0 && r.Tokens > 1 {
		t.TokensPerSecond = float64(r.Tokens-1) / d
	}
	return t
}

// versionOf is a version's number, nil for the base model.
func versionOf(ref registry.Ref) *int {
	if ref.Base() {
		return nil
	}
	return &ref.Number
}

// fingerprint is the short name of what made an answer.
func fingerprint(ref registry.Ref) string {
	if ref.Base() {
		return "ns_base"
	}
	hex := strings.TrimPrefix(ref.Digest, "sha256:")
	return "ns_" + hex[:min(12, len(hex))]
}
