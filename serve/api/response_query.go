package api

import (
	"fmt"
	"slices"

	"nightshift/models/template"
	"nightshift/replaystore"
)

// responseQuery is what a request for a response asks beyond what all conversations ask.
type responseQuery struct {
	instructions string            // the first message, for this answer only; "" is none
	previous     string            // interaction that the conversation goes on from; "" is none
	previousID   string            // the same, as it was given
	references   map[int]reference // answers that are meant by their ids, by their place in the messages
	truncate     bool              // drop the oldest messages where all of them are too long
	maxTokens    int               // as it was given; 0 is not
}

// reference is an item of the input that stands for an earlier answer.
type reference struct {
	at          string // where it stands in the body
	id          string // as it was given
	interaction string
}

// responseFields are the rules of POST /v1/responses.
var responseFields = joinFields(commonFields, conversationFields, fields{
	"add_generation_prompt": refuse("every answer is a new message", `true`),
	"background":            refuse("answers are not made in the background", `false`),
	"best_of":               refuse("a response is one answer", `1`),
	"context_management":    refuse("only truncation is supported", `[]`),
	"conversation":          refuse("conversations have no ids here, use previous_response_id"),
	"echo":                  refuse("a response does not repeat what was asked", `false`),
	"logprobs":              refuse(`use include: ["message.output_text.logprobs"]`, `false`),
	"max_completion_tokens": refuse("use max_output_tokens"),
	"max_tokens":            refuse("use max_output_tokens"),
	"max_tool_calls":        ignore(),
	"messages":              refuse("messages are for /v1/chat/completions, responses have an input", `[]`),
	"n":                     refuse("a response is one answer", `1`),
	"prompt":                refuse("prompts of a library are not supported, use instructions", `""`),
	"prompt_cache_options":  ignore(),
	"reasoning":             refuse(noReasoning, `{}`, `{"effort":"none"}`, `{"effort":"minimal"}`, `{"summary":"auto"}`, `{"effort":"none","summary":"auto"}`), // of no reasoning there is no summary
	"truncation":            means(`"disabled"`),
})

// textFields are the rules of a response's text.
var textFields = joinFields(fields{
	"format":    refuse("JSON and JSON schemas are not supported", `{"type":"text"}`),
	"verbosity": refuse("another verbosity is not supported", `"medium"`),
})

// includes are what a response can be asked to hold: log-probabilities, and what only comes of tools and of reasoning, of which there
// is none.
var includes = []string{includeLogprobs, "code_interpreter_call.outputs", "computer_call_output.output.image_url", "file_search_call.results",
	"message.input_image.image_url", "reasoning.encrypted_content", "web_search_call.action.sources", "web_search_call.results"}

const includeLogprobs = "message.output_text.logprobs"

// decodeResponse reads the body of a request for a response.
func decodeResponse(body []byte, d Defaults) (query, error) {
	r, o, err := read(body)
	if err != nil {
		return query{}, err
	}
	o.by(responseFields)
	a := &responseQuery{}
	q := query{chat: true, n: 1, model: decodeModel(o), maxTokens: d.MaxTokens, response: a}
	a.instructions, _ = o.string("instructions")
	q.messages, a.references = decodeInput(o)
	q.variables = decodeVariables(o)
	a.previousID, _ = o.string("previous_response_id")
	a.previous = interactionOf(a.previousID)
	if n, ok := decodeLimit(o, "max_output_tokens", false); ok {
		a.maxTokens, q.maxTokens = min(n, d.Limit), min(n, d.Limit)
	}
	q.logProbs = decodeInclude(o)
	top, _ := o.int("top_logprobs", 0, maxTop)
	q.top = int(top)
	if v, ok := o.get("text"); ok {
		_ = r.object("text", v).by(textFields).end() // the first error is kept in the reader
	}
	if how, ok := o.string("truncation"); ok {
		if a.truncate = how == "auto"; !a.truncate {
			r.fail(badRequest("invalid_value", "truncation", "truncation is %q, it must be auto or disabled", clip(how)))
		}
	}
	decodeManner(o, &q, d)
	err = o.end()
	q.ignored = r.ignored
	return q, err
}

// decodeInclude reads what the response holds beside its text: whether log-probabilities are wanted.
func decodeInclude(o *object) (logProbs bool) {
	items, _ := o.list("include", len(includes))
	for i, item := range items {
		at := fmt.Sprintf("include[%d]", i)
		switch {
		case item.kind != text:
			o.r.wrong(at, item, "a string")
		case !slices.Contains(includes, item.text):
			o.r.fail(badRequest("unsupported_field", at, "%s is %q, which a response cannot hold here", at, clip(item.text)))
		case item.text == includeLogprobs:
			logProbs = true
		}
	}
	return logProbs
}

// decodeInput reads what is asked: a text, or a list of messages, some of which may be earlier answers that are meant by their ids.
func decodeInput(o *object) (messages []template.Message, references map[int]reference) {
	v, ok := o.get("input")
	switch {
	case !ok:
		o.missing("input")
		return nil, nil
	case v.kind == text:
		return []template.Message{{Role: "user", Content: v.text}}, nil
	case v.kind != array:
		o.r.wrong("input", v, "a string or an array of messages")
		return nil, nil
	}
	items, _ := o.list("input", replaystore.MaxMessages)
	references = map[int]reference{}
	for i, item := range items {
		at := fmt.Sprintf("input[%d]", i)
		said := o.r.object(at, item)
		kind, ok := said.string("type")
		if !ok {
			kind = untyped(said)
		}
		switch {
		case o.r.err != nil:
			return nil, nil
		case kind == "message":
			for _, name := range []string{"id", "status", "phase"} {
				said.get(name) // an answer that is sent back has them
			}
			if m, err := decodeMessage(said); err == nil {
				messages = append(messages, m)
			}
		case kind == "item_reference":
			id := said.need("id")
			references[len(messages)] = reference{at: said.at("id"), id: id, interaction: interactionOf(id)}
			messages = append(messages, template.Message{Role: "assistant"})
			_ = said.end() // as above
		case kind == "reasoning":
			o.r.ignored = append(o.r.ignored, at)
		case otherItems[kind]:
			o.r.fail(badRequest("unsupported_content", at, "%s is of the type %q: %s", at, clip(kind), noTools))
		default:
			o.r.fail(badRequest("invalid_value", said.at("type"), "%s is %q, it must be message or item_reference", said.at("type"), clip(kind)))
		}
	}
	if len(messages) == 0 {
		o.r.fail(badRequest("invalid_value", "input", "input has no message"))
	}
	return messages, references
}

// untyped is the type of an item that does not say one: what has an id, and neither a role nor a content, refers to an answer.
func untyped(o *object) string {
	given := func(name string) bool { return o.fields[name].kind != null }
	if given("id") && !given("role") && !given("content") {
		return "item_reference"
	}
	return "message"
}

// otherItems are the types of items of an input that tools leave behind.
var otherItems = map[string]bool{
	"apply_patch_call": true, "apply_patch_call_output": true, "code_interpreter_call": true, "computer_call": true, "computer_call_output": true,
	"custom_tool_call": true, "custom_tool_call_output": true, "file_search_call": true, "function_call": true, "function_call_output": true,
	"image_generation_call": true, "local_shell_call": true, "local_shell_call_output": true, "mcp_approval_request": true, "mcp_approval_response": true,
	"mcp_call": true, "mcp_list_tools": true, "shell_call": true, "shell_call_output": true, "web_search_call": true,
}
