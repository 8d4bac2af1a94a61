package api

import (
	"fmt"
	"math"
	"time"

	"nightshift/internal/sampling"
	"nightshift/models/template"
	"nightshift/replaystore"
)

// query is a completion request, decoded.
type query struct {
	chat         bool
	model        string
	messages     []template.Message // of a chat
	prompt       string             // of a raw completion
	promptIDs    []int32            // its tokens, where it was given by them; promptTokens makes prompt of them
	promptAt     string             // where it stands in the body
	stream       bool
	includeUsage bool
	sampling     sampling.Params
	adjustment   sampling.Adjustment
	maxTokens    int
	ignoreEOS    bool
	stop         []string
	n, bestOf    int // choices to answer with, and to make; bestOf 0 is n
	echo         bool
	logProbs     bool
	top          int // likeliest tokens beside each
	user         string
	priority     int           // lower goes first
	routed       *routed       // how model was chosen; nil: by the client
	timeout      time.Duration // of the whole answer; 0: none
}

// unsupportedFields are fields of OpenAI's API that this one refuses by name, with what to do instead.
var unsupportedFields = map[string]string{
	"audio": "", "best_of": " in chats; use n", "echo": " in chats", "function_call": "", "functions": "",
	"modalities": "", "parallel_tool_calls": "", "prediction": "", "prompt_cache_key": "", "prompt_cache_retention": "",
	"reasoning_effort": "", "response_format": "", "safety_identifier": "; use user", "service_tier": "", "store": "; interactions are always recorded",
	"suffix": "", "tool_choice": "", "tools": "", "top_logprobs": " here; logprobs is the number of tokens", "verbosity": "", "web_search_options": "",
	"name": "", "tool_calls": "", "tool_call_id": "", "refusal": "", "include_obfuscation": "",
}

const (
	maxStops     = 4
	maxStopBytes = 256
	maxUser      = 256
	maxModel     = 128
	maxPriority  = 100 // and least −100

	minTimeout, maxTimeout = 0.001, 3600.0 // seconds
)

// decodeQuery reads the body of a chat or a raw completion.
func decodeQuery(body []byte, chat bool, d Defaults) (query, error) {
	r, o, err := read(body)
	if err != nil {
		return query{}, err
	}
	q := query{chat: chat, model: o.need("model")}
	if len(q.model) > maxModel {
		r.fail(badRequest("invalid_value", "model", "model has %d bytes, at most %d are allowed", len(q.model), maxModel))
	}
	if chat {
		q.messages = decodeMessages(o)
	} else {
		decodePrompt(o, &q)
		q.echo = o.bool("echo")
	}
	q.stream = o.bool("stream")
	if v, ok := o.get("stream_options"); ok {
		if !q.stream {
			r.fail(badRequest("invalid_value", "stream_options", "stream_options are only allowed with stream: true"))
		}
		opts := r.object("stream_options", v)
		q.includeUsage = opts.bool("include_usage")
		if err := opts.end(unsupportedFields); err != nil {
			return query{}, err
		}
	}
	decodeSampling(o, &q, d)
	q.maxTokens = decodeMaxTokens(o, d, q.echo)
	decodeAdjustment(o, &q, d)
	decodeChoices(o, &q)
	decodeLogprobs(o, &q)
	q.stop = decodeStop(o)
	q.user = o.limited("user", maxUser)
	priority, _ := o.int("priority", -maxPriority, maxPriority)
	q.priority = int(priority)
	if seconds, ok := o.float("timeout", minTimeout, maxTimeout); ok {
		q.timeout = time.Duration(seconds * float64(time.Second))
	}
	decodeMetadata(o)
	return q, o.end(unsupportedFields)
}

// decodeMessages reads the conversation.
func decodeMessages(o *object) []template.Message {
	items, ok := o.list("messages", replaystore.MaxMessages)
	if !ok {
		o.missing("messages")
		return nil
	}
	if len(items) == 0 {
		o.r.fail(badRequest("invalid_value", "messages", "messages is empty"))
	}
	messages := make([]template.Message, 0, len(items))
	for i, item := range items {
		m := o.r.object(fmt.Sprintf("messages[%d]", i), item)
		if o.r.err != nil {
			return nil
		}
		role := m.need("role")
		switch role {
		case "system", "user", "assistant", "":
		default:
			o.r.fail(badRequest("invalid_value", m.at("role"), "%s is %q, it must be system, user or assistant", m.at("role"), clip(role)))
		}
		content, ok := m.string("content")
		if !ok {
			m.missing("content")
		}
		if m.end(unsupportedFields) != nil {
			return nil
		}
		messages = append(messages, template.Message{Role: role, Content: content})
	}
	return messages
}

// decodePrompt reads the prompt of a raw completion: a text or the ids of its tokens, or an array with one of these.
func decodePrompt(o *object, q *query) {
	v, ok := o.get("prompt")
	if !ok {
		o.missing("prompt")
		return
	}
	q.promptAt = o.at("prompt")
	if v.kind == array && len(v.items) > 0 && v.items[0].kind != number {
		if len(v.items) > 1 {
			o.r.fail(badRequest("invalid_value", q.promptAt, "%s has %d prompts; send each in a request of its own", q.promptAt, len(v.items)))
			return
		}
		v, q.promptAt = v.items[0], q.promptAt+"[0]"
	}
	switch {
	case v.kind != text && v.kind != array:
		o.r.wrong(q.promptAt, v, "a string or an array of token ids")
	case v.text == "" && len(v.items) == 0:
		o.r.fail(badRequest("invalid_value", q.promptAt, "%s is empty", q.promptAt))
	}
	q.prompt = v.text
	for i, item := range v.items {
		q.promptIDs = append(q.promptIDs, int32(o.r.int(fmt.Sprintf("%s[%d]", q.promptAt, i), item, 0, math.MaxInt32)))
	}
}

// decodeStop reads a stop string or a few of them.
func decodeStop(o *object) []string {
	v, ok := o.get("stop")
	if !ok {
		return nil
	}
	items, single := v.items, v.kind == text
	switch {
	case single:
		items = []value{v}
	case v.kind != array:
		o.r.wrong("stop", v, "a string or an array of strings")
	case len(items) > maxStops:
		o.r.fail(badRequest("invalid_value", "stop", "stop has %d strings, at most %d are allowed", len(items), maxStops))
	}
	var stops []string
	for i, item := range items {
		path := fmt.Sprintf("stop[%d]", i)
		if single {
			path = "stop"
		}
		switch {
		case item.kind != text:
			o.r.wrong(path, item, "a string")
		case item.text == "" || len(item.text) > maxStopBytes:
			o.r.fail(badRequest("invalid_value", path, "%s has %d bytes, it must have 1 to %d", path, len(item.text), maxStopBytes))
		}
		stops = append(stops, item.text)
	}
	return stops
}

// decodeMetadata checks the client's own labels; they are not kept.
func decodeMetadata(o *object) {
	v, ok := o.get("metadata")
	if !ok {
		return
	}
	m := o.r.object("metadata", v)
	if len(m.names) > 16 {
		o.r.fail(badRequest("invalid_value", "metadata", "metadata has %d pairs, at most 16 are allowed", len(m.names)))
	}
	for _, name := range m.names {
		if len(name) > 64 {
			o.r.fail(badRequest("invalid_value", m.at(name), "a name in metadata has %d bytes, at most 64 are allowed", len(name)))
		}
		m.limited(name, 512)
	}
}
