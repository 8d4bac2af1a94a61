package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"nightshift/serve/api/wire"
)

// field says what becomes of a field of a request, or of single values of it, that would otherwise be refused. The rule: what
// would change the answer and is not supported is refused by name; what is off, empty, null or a default is accepted; what
// changes no answer is ignored.
type field struct {
	same    []string // JSON of the values that say no more than leaving the field out does
	refusal string   // why every other value is refused; "" where the field is read
	asks    bool     // an empty value asks for something, too
	ignored bool     // no value changes the answer
	values  []value  // same, parsed
}

// fields are the rules of an object, by the names of its fields.
type fields map[string]field

// means is a field that is read, with values that are as good as none.
func means(same ...string) field { return field{same: same} }

// refuse is a field that is not supported; what is refused is said in words.
func refuse(refusal string, same ...string) field { return field{same: same, refusal: refusal} }

// ignore is a field that changes no answer.
func ignore(same ...string) field { return field{same: same, ignored: true} }

// joinFields puts tables together and reads their values.
func joinFields(tables ...fields) fields {
	all := fields{}
	for _, table := range tables {
		for name, f := range table {
			for _, literal := range f.same {
				v, err := parse([]byte(literal))
				if err != nil {
					panic(fmt.Sprintf("the field %s: %s: %v", name, literal, err)) // the table is part of the program
				}
				f.values = append(f.values, v)
			}
			all[name] = f
		}
	}
	return all
}

const (
	noTools     = "tools are not supported"
	noSchemas   = "JSON schemas and grammars are not supported"
	noSampler   = "this way of sampling is not supported"
	noReasoning = "reasoning is not supported"
)

// commonFields are those of chats and of raw completions.
var commonFields = fields{
	// OpenAI's API
	"audio":                  refuse("audio is not supported"),
	"function_call":          refuse(noTools, `"none"`, `"auto"`),
	"functions":              refuse(noTools, `[]`),
	"modalities":             refuse("only text is supported", `["text"]`),
	"parallel_tool_calls":    refuse(noTools, `true`, `false`),
	"prediction":             ignore(),
	"prompt_cache_key":       ignore(),
	"prompt_cache_retention": ignore(),
	"reasoning_effort":       refuse(noReasoning, `"none"`, `"minimal"`),
	"response_format":        refuse("JSON and JSON schemas are not supported", `{"type":"text"}`),
	"service_tier":           ignore(`"auto"`, `"default"`),
	"stop":                   means(`""`),
	"tool_choice":            refuse(noTools, `"none"`, `"auto"`),
	"tools":                  refuse(noTools, `[]`),
	"verbosity":              refuse("another verbosity is not supported", `"medium"`),
	"web_search_options":     {refusal: "searching the web is not supported", asks: true},
	// vLLM
	"allowed_token_ids":             refuse("a list of allowed tokens is not supported, logit_bias is", `[]`),
	"bad_words":                     refuse("a list of forbidden words is not supported, logit_bias is", `[]`),
	"cache_salt":                    ignore(),
	"early_stopping":                refuse("beam search is not supported", `false`),
	"guided_choice":                 refuse(noSchemas, `[]`),
	"guided_grammar":                refuse(noSchemas, `""`),
	"guided_json":                   refuse(noSchemas, `{}`),
	"guided_regex":                  refuse(noSchemas, `""`),
	"include_stop_str_in_output":    refuse("an answer ends before its stop string", `false`),
	"length_penalty":                refuse("beam search is not supported", `1`),
	"logits_processors":             refuse("code of a request is not run", `[]`),
	"prompt_logprobs":               refuse("log-probabilities of prompts are for /v1/completions, with echo and logprobs"),
	"request_id":                    ignore(),
	"return_token_ids":              refuse("ids of tokens are not in answers", `false`),
	"return_tokens_as_token_ids":    refuse("ids of tokens are not in answers", `false`),
	"skip_special_tokens":           means(`true`),
	"spaces_between_special_tokens": ignore(`true`, `false`),
	"stop_token_ids":                refuse("stopping at ids of tokens is not supported, stop is", `[]`),
	"structured_outputs":            refuse(noSchemas, `{}`),
	"truncate_prompt_tokens":        refuse("cutting prompts is not supported"),
	"use_beam_search":               refuse("beam search is not supported", `false`),
	// llama.cpp and others
	"cache_prompt":      ignore(`true`, `false`),
	"dry_multiplier":    refuse(noSampler, `0`),
	"dynatemp_range":    refuse(noSampler, `0`),
	"enable_thinking":   refuse(noReasoning, `false`),
	"grammar":           refuse(noSchemas, `""`),
	"include_reasoning": ignore(`true`, `false`),
	"json_schema":       refuse(noSchemas, `{}`),
	"keep_alive":        ignore(),
	"mirostat":          refuse(noSampler, `0`),
	"n_probs":           refuse("use logprobs", `0`),
	"reasoning":         refuse(noReasoning, `{"effort":"none"}`, `{"enabled":false}`),
	"repeat_penalty":    refuse("use repetition_penalty", `1`),
	"safe_prompt":       refuse("only the request's own messages are sent to the model", `false`),
	"tfs_z":             refuse(noSampler, `1`),
	"think":             refuse(noReasoning, `false`),
	"thinking":          refuse(noReasoning, `{"type":"disabled"}`),
	"thinking_budget":   refuse(noReasoning, `0`),
	"timings_per_token": refuse("timings come once, with the end", `false`),
	"top_a":             refuse(noSampler, `0`),
	"typical_p":         refuse(noSampler, `1`),
	"xtc_probability":   refuse(noSampler, `0`),
}

// conversationFields are those of every conversation.
var conversationFields = fields{
	"chat_template":          refuse("the model's own chat template is used", `""`),
	"continue_final_message": refuse("every answer is a new message", `false`),
}

// chatFields are the rules of POST /v1/chat/completions.
var chatFields = joinFields(commonFields, conversationFields, fields{
	"add_generation_prompt": refuse("every answer is a new message", `true`),
	"add_special_tokens":    refuse("special tokens are the chat template's", `false`),
	"best_of":               refuse("in chats use n", `1`),
	"documents":             refuse("documents are not supported", `[]`),
	"echo":                  refuse("chats do not repeat what was asked", `false`),
	"logprobs":              means(`false`),
	"prompt":                refuse("a prompt is for /v1/completions, chats have messages", `""`),
	"suffix":                refuse("text before a given end is not supported", `""`),
	"top_logprobs":          means(`0`),
})

// completionFields are the rules of POST /v1/completions.
var completionFields = joinFields(commonFields, fields{
	"add_special_tokens":   means(`false`),
	"best_of":              means(`1`),
	"chat_template_kwargs": refuse("a chat template is for /v1/chat/completions", `{}`),
	"echo":                 means(`false`),
	"logprobs":             means(`false`),
	"messages":             refuse("messages are for /v1/chat/completions, raw completions have a prompt", `[]`),
	"suffix":               refuse("text before a given end is not supported", `""`),
	"top_logprobs":         refuse("here logprobs is how many tokens are given", `0`),
})

// streamFields are the rules of stream_options.
var streamFields = joinFields(fields{
	"continuous_usage_stats": refuse("usage comes once, with the end", `false`),
	"include_obfuscation":    refuse("obfuscation is not supported", `false`),
})

// messageFields are the rules of a message, beside which every other field of it is a note that is ignored.
var messageFields = joinFields(fields{
	"attachments":   refuse("files are not supported", `[]`),
	"audio":         refuse("audio is not supported", `{}`),
	"files":         refuse("files are not supported", `[]`),
	"function_call": refuse(noTools, `{}`),
	"images":        refuse("images are not supported", `[]`),
	"partial":       refuse("every answer is a new message", `false`),
	"prefix":        refuse("every answer is a new message", `false`),
	"tool_call_id":  refuse(noTools, `""`),
	"tool_calls":    refuse(noTools, `[]`),
})

// silent reports whether a value says no more than leaving the field out does.
func (f field) silent(v value) bool {
	if f.refusal != "" && !f.asks && empty(v) {
		return true
	}
	return slices.ContainsFunc(f.values, func(same value) bool { return equal(same, v) })
}

// problem refuses a value of the field at path.
func (f field) problem(path string) *Problem {
	out := "leave it out"
	if len(f.same) > 0 {
		out += " or send " + strings.Join(f.same, " or ")
	}
	return badRequest("unsupported_field", path, "%s: %s; %s", path, f.refusal, out)
}

// empty reports whether a value holds nothing: null, "", [] or an object without a field that is not null.
func empty(v value) bool {
	switch v.kind {
	case text:
		return v.text == ""
	case array:
		return len(v.items) == 0
	case mapping:
		return len(given(v)) == 0
	}
	return v.kind == null
}

// equal compares two values; a field of an object that is null counts as absent, and the order of fields does not count.
func equal(a, b value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case boolean:
		return a.truth == b.truth
	case text:
		return a.text == b.text
	case number:
		x, errX := strconv.ParseFloat(a.text, 64)
		y, errY := strconv.ParseFloat(b.text, 64)
		return errX == nil && errY == nil && x == y
	case array:
		return slices.EqualFunc(a.items, b.items, equal)
	case mapping:
		return slices.EqualFunc(given(a), given(b), func(m, n member) bool { return m.name == n.name && equal(m.value, n.value) })
	}
	return true
}

// given are the fields of an object that are not null, by name.
func given(v value) []member {
	list := slices.DeleteFunc(slices.Clone(v.fields), func(m member) bool { return m.value.kind == null })
	slices.SortFunc(list, func(m, n member) int { return strings.Compare(m.name, n.name) })
	return list
}

// maxIgnored bounds the header that names what was ignored, in bytes.
const maxIgnored = 1024

// tellIgnored names in a header what of a request was ignored.
func tellIgnored(c *fiber.Ctx, paths []string) {
	if len(paths) > 0 {
		c.Set(wire.HeaderIgnored, ignoredHeader(paths))
	}
}

// ignoredHeader lists paths for X-Nightshift-Ignored. Their characters are the client's: what has no place in a header or in a
// list is replaced. A list that is too long ends with "...".
func ignoredHeader(paths []string) string {
	var out strings.Builder
	for i, path := range paths {
		path = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.[]", r) {
				return r
			}
			return '?'
		}, path)
		if i > 0 {
			path = ", " + path
		}
		if out.Len()+len(path) > maxIgnored-len(", ...") {
			out.WriteString(", ...")
			break
		}
		out.WriteString(path)
	}
	return out.String()
}
