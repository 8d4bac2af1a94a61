package api

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"nightshift/internal/sampling"
	"nightshift/models/template"
	"nightshift/serve/api/wire"
)

// query is a completion request, decoded.
type query struct {
	chat         bool
	model        string
	messages     []template.Message // of a chat
	variables    map[string]any     // of its template
	prompts      []prompt           // of a raw completion
	stream       bool
	includeUsage bool
	sampling     sampling.Params
	adjustment   sampling.Adjustment
	maxTokens    int
	ignoreEOS    bool
	showSpecial  bool // special tokens are part of the answer's text
	addSpecial   bool // the token that texts begin with comes before a prompt, also where the tokenizer's files do not put it there
	bare         bool // nothing comes before a prompt
	maySpecial   bool // the caller may put special tokens into prompts
	stop         []string
	n, bestOf    int // choices to answer a prompt with, and to make; bestOf 0 is n
	echo         bool
	logProbs     bool
	top          int // likeliest tokens beside each
	user         string
	subject      string // of the person whose conversation goes on, where there is no user; "" is nobody
	unrecorded   bool
	priority     int           // lower goes first
	routed       *wire.Routed  // how model was chosen; nil: by the client
	timeout      time.Duration // of the whole answer; 0: none
	ignored      []string      // paths of what changes no answer
	metadata     map[string]string
	response     *responseQuery // of POST /v1/responses; nil elsewhere
}

// prompt is a prompt of a raw completion.
type prompt struct {
	at   string // where it stands in the body
	text string
	ids  []int32 // its tokens, where it was given by them; promptTokens makes text of them
}

const (
	maxStops     = 4
	maxStopBytes = 256
	maxUser      = 256
	maxModel     = 128
	maxPriority  = 100 // the minimum is −100

	minTimeout, maxTimeout = 0.001, 3600.0 // seconds
)

// decodeQuery reads the body of a chat or a raw completion.
func decodeQuery(body []byte, chat bool, d Defaults) (query, error) {
	r, o, err := read(body)
	if err != nil {
		return query{}, err
	}
	o.by(map[bool]fields{true: chatFields, false: completionFields}[chat])
	q := query{chat: chat, model: decodeModel(o)}
	if chat {
		q.messages, q.variables = decodeMessages(o), decodeVariables(o)
	} else {
		q.addSpecial = o.bool("add_special_tokens")
		q.bare = !o.boolOrTrue("add_special_tokens")
		q.prompts, q.echo = decodePrompts(o, q.addSpecial), o.bool("echo")
	}
	q.maxTokens = decodeMaxTokens(o, d, q.echo)
	decodeManner(o, &q, d)
	decodeChoices(o, &q)
	decodeLogprobs(o, &q)
	err = o.end()
	q.ignored = r.ignored
	return q, err
}

// decodeModel reads the name of the model.
func decodeModel(o *object) string {
	name := o.need("model")
	if len(name) > maxModel {
		o.r.fail(badRequest("invalid_value", "model", "model has %d bytes, at most %d are allowed", len(name), maxModel))
	}
	return name
}

// decodeManner reads what requests of all kinds have in common, once the limit of the answer is known: how it is made and sent, and
// for whom.
func decodeManner(o *object, q *query, d Defaults) {
	decodeStream(o, q)
	decodeSampling(o, q, d)
	decodeAdjustment(o, q, d)
	q.stop = decodeStop(o)
	q.user = cmp.Or(o.limited("user", maxUser), o.limited("safety_identifier", maxUser))
	q.unrecorded = !o.boolOrTrue("store")
	priority, _ := o.int("priority", -maxPriority, maxPriority)
	q.priority = int(priority)
	if seconds, ok := o.float("timeout", minTimeout, maxTimeout); ok {
		q.timeout = time.Duration(seconds * float64(time.Second))
	}
	q.metadata = decodeMetadata(o)
}

// field is the name of the field that holds the conversation.
func (q *query) field() string {
	if q.response != nil {
		return "input"
	}
	return "messages"
}

// decodeStream reads whether and how the answer is streamed.
func decodeStream(o *object, q *query) {
	q.stream = o.bool("stream")
	v, ok := o.get("stream_options")
	if !ok {
		return
	}
	opts := o.r.object("stream_options", v).by(streamFields)
	if q.includeUsage = opts.bool("include_usage"); q.includeUsage && !q.stream {
		o.r.fail(badRequest("invalid_value", "stream_options", "stream_options are only allowed with stream: true"))
	}
	_ = opts.end() // the first error is kept in the reader
}

// decodeVariables reads what a chat's template is given beside the messages.
func decodeVariables(o *object) map[string]any {
	v, ok := o.get("chat_template_kwargs")
	if !ok {
		return nil
	}
	variables := map[string]any{}
	for _, m := range o.r.object("chat_template_kwargs", v).members() {
		variables[m.name] = m.value.plain()
	}
	return variables
}

// decodePrompts reads what a raw completion goes on with: a text or the ids of its tokens, or an array of these. They may be empty where
// a special token comes before them.
func decodePrompts(o *object, begun bool) []prompt {
	v, ok := o.get("prompt")
	if !ok {
		o.missing("prompt")
		return nil
	}
	at := o.at("prompt")
	if v.kind != array || len(v.items) == 0 || v.items[0].kind == number {
		return []prompt{decodePrompt(o.r, at, v, begun)}
	}
	if len(v.items) > maxChoices {
		o.r.fail(badRequest("invalid_value", at, "%s has %d prompts, at most %d are allowed", at, len(v.items), maxChoices))
		return nil
	}
	var list []prompt
	for i, item := range v.items {
		list = append(list, decodePrompt(o.r, fmt.Sprintf("%s[%d]", at, i), item, begun))
	}
	return list
}

// decodePrompt reads one prompt.
func decodePrompt(r *reader, at string, v value, begun bool) prompt {
	switch {
	case v.kind != text && v.kind != array:
		r.wrong(at, v, "a string or an array of token ids")
	case empty(v) && !begun:
		r.fail(badRequest("invalid_value", at, "%s is empty", at))
	}
	p := prompt{at: at, text: v.text}
	for i, item := range v.items {
		p.ids = append(p.ids, int32(r.int(fmt.Sprintf("%s[%d]", at, i), item, 0, math.MaxInt32)))
	}
	return p
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
		case len(item.text) > maxStopBytes:
			o.r.fail(badRequest("invalid_value", path, "%s has %d bytes, at most %d are allowed", path, len(item.text), maxStopBytes))
		case item.text != "":
			stops = append(stops, item.text)
		}
	}
	return stops
}

// decodeMetadata reads the client's own labels; they are not kept, and named as ignored.
func decodeMetadata(o *object) map[string]string {
	labels := map[string]string{}
	v, ok := o.get("metadata")
	if !ok {
		return labels
	}
	m := o.r.object("metadata", v)
	if len(m.names) > 0 {
		o.r.ignored = append(o.r.ignored, m.path)
	}
	if len(m.names) > 16 {
		o.r.fail(badRequest("invalid_value", "metadata", "metadata has %d pairs, at most 16 are allowed", len(m.names)))
	}
	for _, name := range m.names {
		if len(name) > 64 {
			o.r.fail(badRequest("invalid_value", m.at(name), "a name in metadata has %d bytes, at most 64 are allowed", len(name)))
		}
		labels[name] = m.limited(name, 512)
	}
	return labels
}
