package api

import (
	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/replaystore"
)

// response is an answer in the shape of OpenAI's API of responses. What it repeats of the request is what clients read back.
type response struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"`
	CreatedAt          int64             `json:"created_at"`
	CompletedAt        *int64            `json:"completed_at"`
	Status             string            `json:"status"`
	Background         bool              `json:"background"`
	Error              *responseError    `json:"error"`
	IncompleteDetails  *incompleteness   `json:"incomplete_details"`
	Instructions       *string           `json:"instructions"`
	MaxOutputTokens    *int              `json:"max_output_tokens"`
	Metadata           map[string]string `json:"metadata"`
	Model              string            `json:"model"`
	Output             []outputItem      `json:"output"`
	ParallelToolCalls  bool              `json:"parallel_tool_calls"`
	PreviousResponseID *string           `json:"previous_response_id"`
	Reasoning          reasoning         `json:"reasoning"`
	ServiceTier        string            `json:"service_tier"`
	Store              bool              `json:"store"`
	Temperature        float32           `json:"temperature"`
	Text               textSettings      `json:"text"`
	ToolChoice         string            `json:"tool_choice"`
	Tools              []any             `json:"tools"` // none
	TopLogprobs        int               `json:"top_logprobs"`
	TopP               float32           `json:"top_p"`
	Truncation         string            `json:"truncation"`
	Usage              *responseUsage    `json:"usage"` // null until the end, and of what was redacted
	User               *string           `json:"user"`
	Nightshift         *origin           `json:"nightshift,omitempty"`
	Timings            *timings          `json:"timings,omitempty"`
}

// What the ids of a response and of its one message put before their interaction's.
const (
	responsePrefix = "resp_"
	messagePrefix  = "msg_"
)

// Statuses of responses and of their messages.
const (
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
	statusFailed     = "failed"
)

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteness struct {
	Reason string `json:"reason"`
}

type reasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

type textSettings struct {
	Format struct {
		Type string `json:"type"`
	} `json:"format"`
	Verbosity string `json:"verbosity"`
}

// outputItem is the one message of a response.
type outputItem struct {
	ID      string       `json:"id"`
	Type    string       `json:"type"`
	Status  string       `json:"status"`
	Role    string       `json:"role"`
	Content []outputPart `json:"content"`
}

type outputPart struct {
	Type        string      `json:"type"`
	Text        string      `json:"text"`
	Annotations []any       `json:"annotations"` // none
	Logprobs    []chatToken `json:"logprobs"`
}

type responseUsage struct {
	InputTokens        int           `json:"input_tokens"`
	InputTokensDetails inputDetails  `json:"input_tokens_details"`
	OutputTokens       int           `json:"output_tokens"`
	OutputDetails      outputDetails `json:"output_tokens_details"`
	TotalTokens        int           `json:"total_tokens"`
}

type inputDetails struct {
	promptDetails
	CacheWriteTokens int `json:"cache_write_tokens"` // always 0: nobody pays for them
}

type outputDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"` // always 0
}

// newResponse is a response that has just begun.
func newResponse(interaction string, created int64, model string) response {
	r := response{ID: responsePrefix + interaction, Object: "response", CreatedAt: created, Status: statusInProgress, Metadata: map[string]string{}, Model: model,
		Output: []outputItem{}, ParallelToolCalls: true, ServiceTier: "default", Store: true, ToolChoice: "auto", Tools: []any{}, Truncation: "disabled", TopP: 1}
	r.Text.Format.Type, r.Text.Verbosity = "text", "medium"
	return r
}

// newItem is the message of a response, with the parts that it has so far.
func newItem(interaction, status string, content ...outputPart) outputItem {
	if content == nil {
		content = []outputPart{}
	}
	return outputItem{ID: messagePrefix + interaction, Type: "message", Status: status, Role: "assistant", Content: content}
}

func newPart(text string, logprobs []chatToken) outputPart {
	if logprobs == nil {
		logprobs = []chatToken{}
	}
	return outputPart{Type: "output_text", Text: text, Annotations: []any{}, Logprobs: logprobs}
}

// close sets how a response ended, and when.
func (r *response) close(finish string, item outputItem, now int64) {
	switch finish {
	case string(engine.FinishStop):
		r.Status, r.CompletedAt = statusCompleted, &now
	case string(engine.FinishLength):
		r.Status, r.IncompleteDetails = statusIncomplete, &incompleteness{"max_output_tokens"}
	default: // a timeout, or what was cut off
		r.Status, r.IncompleteDetails = statusIncomplete, &incompleteness{finish}
	}
	item.Status = r.Status
	r.Output = []outputItem{item}
}

// recorded is the response that an interaction is the record of. Labels of the client are not kept, nor are tokens of what was
// redacted.
func recorded(i replaystore.Interaction) response {
	ref := registry.Ref{Track: i.Track, Number: i.VersionNumber, Digest: i.Version}
	r := newResponse(i.ID, i.Time.Unix(), ref.String())
	if i.Instructed && len(i.Messages) > 0 {
		r.Instructions = &i.Messages[0].Content
	}
	if i.Previous != "" {
		id := responsePrefix + i.Previous
		r.PreviousResponseID = &id
	}
	r.Temperature = i.Sampling.Temperature
	if i.Sampling.TopP > 0 {
		r.TopP = i.Sampling.TopP
	}
	if len(i.AnswerTokens) > 0 {
		r.Usage = &responseUsage{InputTokens: len(i.PromptTokens), OutputTokens: len(i.AnswerTokens), TotalTokens: len(i.PromptTokens) + len(i.AnswerTokens)}
	}
	r.close(i.Finish, newItem(i.ID, "", newPart(i.Answer, nil)), i.Time.Add(i.Latency).Unix())
	r.Nightshift = &origin{Interaction: i.ID, Track: i.Track, Version: versionOf(ref), Digest: i.Version, Logged: true}
	return r
}
