package api

import (
	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// newResponse is a response that has just begun.
func newResponse(interaction string, created int64, model string) wire.Response {
	r := wire.Response{ID: wire.ResponsePrefix + interaction, Object: "response", CreatedAt: created, Status: wire.StatusInProgress, Metadata: map[string]string{}, Model: model,
		Output: []wire.OutputItem{}, ParallelToolCalls: true, ServiceTier: "default", Store: true, ToolChoice: "auto", Tools: []any{}, Truncation: "disabled", TopP: 1}
	r.Text.Format.Type, r.Text.Verbosity = "text", "medium"
	return r
}

// newItem is the message of a response, with the parts that it has so far.
func newItem(interaction, status string, content ...wire.OutputPart) wire.OutputItem {
	if content == nil {
		content = []wire.OutputPart{}
	}
	return wire.OutputItem{ID: wire.MessagePrefix + interaction, Type: "message", Status: status, Role: "assistant", Content: content}
}

func newPart(text string, logprobs []wire.ChatToken) wire.OutputPart {
	if logprobs == nil {
		logprobs = []wire.ChatToken{}
	}
	return wire.OutputPart{Type: "output_text", Text: text, Annotations: []any{}, Logprobs: logprobs}
}

// closeResponse sets how a response ended, and when.
func closeResponse(r *wire.Response, finish string, item wire.OutputItem, now int64) {
	switch finish {
	case string(engine.FinishStop):
		r.Status, r.CompletedAt = wire.StatusCompleted, &now
	case string(engine.FinishLength):
		r.Status, r.IncompleteDetails = wire.StatusIncomplete, &wire.IncompleteDetails{Reason: "max_output_tokens"}
	default: // a timeout, or what was cut off
		r.Status, r.IncompleteDetails = wire.StatusIncomplete, &wire.IncompleteDetails{Reason: finish}
	}
	item.Status = r.Status
	r.Output = []wire.OutputItem{item}
}

// recorded is the response that an interaction is the record of. Labels of the client are not kept, nor are tokens of what was
// redacted.
func recorded(i replaystore.Interaction) wire.Response {
	ref := registry.Ref{Track: i.Track, Number: i.VersionNumber, Digest: i.Version}
	r := newResponse(i.ID, i.Time.Unix(), ref.String())
	if i.Instructed && len(i.Messages) > 0 {
		r.Instructions = &i.Messages[0].Content
	}
	if i.Previous != "" {
		id := wire.ResponsePrefix + i.Previous
		r.PreviousResponseID = &id
	}
	r.Temperature = i.Sampling.Temperature
	if i.Sampling.TopP > 0 {
		r.TopP = i.Sampling.TopP
	}
	if len(i.AnswerTokens) > 0 {
		r.Usage = &wire.ResponseUsage{InputTokens: len(i.PromptTokens), OutputTokens: len(i.AnswerTokens), TotalTokens: len(i.PromptTokens) + len(i.AnswerTokens)}
	}
	closeResponse(&r, i.Finish, newItem(i.ID, "", newPart(i.Answer, nil)), i.Time.Add(i.Latency).Unix())
	r.Nightshift = &wire.Origin{Interaction: i.ID, Track: i.Track, Version: versionOf(ref), Digest: i.Version, Logged: true}
	return r
}
