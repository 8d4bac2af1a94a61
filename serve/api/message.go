package api

import (
	"fmt"
	"strings"

	"nightshift/models/template"
	"nightshift/replaystore"
)

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
		m, err := decodeMessage(o.r.object(fmt.Sprintf("%s[%d]", o.at("messages"), i), item))
		if err != nil {
			return nil
		}
		messages = append(messages, m)
	}
	return messages
}

// decodeMessage reads one message. What it holds beside its role and its content is a note, which is ignored, or asks for what
// is not supported. A role that is another name for one of the template's gets that.
func decodeMessage(o *object) (template.Message, error) {
	if o.r.err != nil {
		return template.Message{}, o.r.err
	}
	o.by(messageFields).notes = true
	m := template.Message{Role: o.need("role")}
	switch m.Role {
	case "system", "user", "assistant", "":
	case "developer":
		m.Role = "system"
	case "tool", "function":
		o.r.fail(badRequest("invalid_value", o.at("role"), "%s is %q: %s", o.at("role"), m.Role, noTools))
	default:
		o.r.fail(badRequest("invalid_value", o.at("role"), "%s is %q, it must be system, developer, user or assistant", o.at("role"), clip(m.Role)))
	}
	said, ok := decodeContent(o)
	if !ok && m.Role == "assistant" {
		said, _ = o.string("refusal") // an assistant that refused said this, or nothing
	} else if !ok {
		o.missing("content")
	}
	m.Content = said
	return m, o.end()
}

// decodeContent reads what a message says: a text, or an array of parts, whose texts are joined as they are.
func decodeContent(o *object) (said string, ok bool) {
	v, ok := o.get("content")
	switch {
	case !ok:
	case v.kind == text:
		said = v.text
	case v.kind == array:
		var all strings.Builder
		for i, item := range v.items {
			all.WriteString(decodePart(o.r, fmt.Sprintf("%s[%d]", o.at("content"), i), item))
		}
		said = all.String()
	default:
		o.r.wrong(o.at("content"), v, "a string or an array of text parts")
	}
	return said, ok
}

// textParts are the types of parts that hold text, and the names of the fields that hold it.
var textParts = map[string]string{"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}

// noteParts are the types of parts that are notes.
var noteParts = map[string]bool{"thinking": true, "redacted_thinking": true, "reasoning": true, "reasoning_text": true, "summary_text": true}

// otherParts are the types of parts that are not supported, by what they hold.
var otherParts = map[string]string{
	"image": "images are", "image_url": "images are", "input_image": "images are", "image_file": "images are", "image_pil": "images are", "image_embeds": "images are",
	"audio": "audio is", "audio_url": "audio is", "input_audio": "audio is", "output_audio": "audio is",
	"video": "videos are", "video_url": "videos are", "input_video": "videos are",
	"file": "files are", "file_url": "files are", "input_file": "files are", "document": "files are", "document_url": "files are",
	"tool_use": "tools are", "tool_call": "tools are", "tool-call": "tools are", "tool_result": "tools are", "tool-result": "tools are",
	"function_call": "tools are", "function_call_output": "tools are",
}

// decodePart returns the text of a part. One without a type is text, unless it has a field that is named like another type, and so is
// one whose type says text.
func decodePart(r *reader, path string, v value) string {
	if v.kind == text {
		return v.text
	}
	o := r.object(path, v)
	o.notes = true
	kind, ok := o.string("type")
	if !ok {
		kind = "text"
	}
	what, unsupported := otherParts[kind]
	for _, name := range o.names {
		if other := otherParts[name]; !unsupported && other != "" && !empty(o.fields[name]) {
			kind, what, unsupported = name, other, true
		}
	}
	switch name, isText := textParts[kind]; {
	case r.err != nil:
	case isText:
		said, ok := o.string(name)
		if !ok {
			o.missing(name)
		}
		_ = o.end() // the first error is kept in the reader
		return said
	case noteParts[kind]:
		r.ignored = append(r.ignored, path)
	case unsupported:
		r.fail(badRequest("unsupported_content", path, "%s is of the type %q: %s not supported", path, clip(kind), what))
	default:
		r.fail(badRequest("invalid_value", join(path, "type"), "%s is %q, only text is supported, in parts of the type text", join(path, "type"), clip(kind)))
	}
	return ""
}
