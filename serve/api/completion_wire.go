package api

import (
	"strings"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
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

// choice is the one answer. Exactly one of Message, Delta and Text is set.
type choice struct {
	Index        int      `json:"index"`
	Message      *message `json:"message,omitempty"`
	Delta        *delta   `json:"delta,omitempty"`
	Text         *string  `json:"text,omitempty"`
	Logprobs     *raw     `json:"logprobs"` // always null: they are refused in requests
	FinishReason *string  `json:"finish_reason"`
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
}

// origin says where an answer comes from, and lets its reader rate it.
type origin struct {
	Interaction   string `json:"interaction"`
	Track         string `json:"track"`
	Version       *int   `json:"version"` // null is the base model
	Digest        string `json:"digest"`
	FeedbackToken string `json:"feedback_token"`
	Logged        bool   `json:"logged"`
}

// timings are where the time of an answer went.
type timings struct {
	QueueMS         float64 `json:"queue_ms"`
	PrefillMS       float64 `json:"prefill_ms"`
	DecodeMS        float64 `json:"decode_ms"`
	FirstTokenMS    float64 `json:"first_token_ms"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

func timingsOf(r engine.Result) *timings {
	t := &timings{
		QueueMS: r.Timings.Queue.Seconds() * 1e3, PrefillMS: r.Timings.Prefill.Seconds() * 1e3,
		DecodeMS: r.Timings.Decode.Seconds() * 1e3, FirstTokenMS: r.Timings.FirstToken.Seconds() * 1e3,
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
