package teach

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"nightshift/replaystore"
)

// record is a line of OpenAI's chat fine-tuning format, or of one of TRL's.
type record struct {
	Messages   json.RawMessage `json:"messages"`
	Prompt     json.RawMessage `json:"prompt"`
	Completion json.RawMessage `json:"completion"`
	Chosen     json.RawMessage `json:"chosen"`
}

// readJSONL reads a JSON object a line: {"messages": […]}, {"prompt", "completion"} or {"prompt", "chosen", "rejected"}.
func readJSONL(name string, in *bufio.Reader) (File, error) {
	var f File
	for number := 1; ; number++ {
		line, err := lineOf(name, number, in)
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		fact, err := factOf(line)
		if err != nil {
			return f, wrong(name, number, "%v", err)
		}
		fact.File, fact.Line = name, number
		if err := f.add(fact); err != nil {
			return f, err
		}
	}
}

// factOf reads one line.
func factOf(line string) (Fact, error) {
	var r record
	d := json.NewDecoder(strings.NewReader(line))
	if err := d.Decode(&r); err != nil {
		return Fact{}, fmt.Errorf("want one JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Fact{}, errors.New("want one JSON object, and nothing after it")
	}
	answer, field := r.Completion, "completion"
	if answer == nil {
		answer, field = r.Chosen, "chosen"
	}
	switch {
	case r.Messages != nil:
		return conversation("messages", r.Messages)
	case answer == nil:
		return Fact{}, errors.New(`want "messages", or "prompt" with "completion" or "chosen"`)
	case r.Prompt == nil: // TRL's form in which the prompt is part of what was chosen
		return conversation(field, answer)
	}
	prompt, err := messages("prompt", r.Prompt, "user")
	if err != nil {
		return Fact{}, err
	}
	said, err := messages(field, answer, "assistant")
	if err != nil {
		return Fact{}, err
	}
	return lastSaid(field, append(prompt, said...))
}

// conversation reads a list of messages, the last of which is the answer.
func conversation(field string, data json.RawMessage) (Fact, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return Fact{}, fmt.Errorf("%s is no list of messages; a text needs a prompt beside it", field)
	}
	list, err := messages(field, data, "")
	if err != nil {
		return Fact{}, err
	}
	return lastSaid(field, list)
}

// lastSaid parts a conversation into what comes before the last answer and that answer.
func lastSaid(field string, list []replaystore.Message) (Fact, error) {
	n := len(list)
	switch {
	case n < 2:
		return Fact{}, fmt.Errorf("%s: want a question and an answer", field)
	case list[n-1].Role != "assistant":
		return Fact{}, fmt.Errorf("%s: the last message is of role %s; the last one is the answer, of role assistant", field, list[n-1].Role)
	case list[n-2].Role != "user":
		return Fact{}, fmt.Errorf("%s: before the answer comes a message of role %s, and not a question of role user", field, list[n-2].Role)
	}
	return Fact{Messages: list[:n-1], Answer: list[n-1].Content}, nil
}

// roles are those of messages that can be taught, with the names that they are kept under.
var roles = map[string]string{"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

// messages reads a list of messages, or a text that is one message of a role.
func messages(field string, data json.RawMessage, role string) ([]replaystore.Message, error) {
	var text string
	if role != "" && json.Unmarshal(data, &text) == nil {
		return []replaystore.Message{{Role: role, Content: text}}, nil
	}
	var list []struct {
		Role      string          `json:"role"`
		Content   json.RawMessage `json:"content"`
		ToolCalls json.RawMessage `json:"tool_calls"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: want a list of messages, each with a role and a text: %w", field, err)
	}
	if role == "assistant" && len(list) != 1 {
		return nil, fmt.Errorf("%s: want one message, the answer, and not %d", field, len(list))
	}
	var all []replaystore.Message
	for i, m := range list {
		kept, ok := roles[m.Role]
		if !ok {
			return nil, fmt.Errorf("%s[%d]: the role is %.40q; want system, user or assistant", field, i, m.Role)
		}
		if m.ToolCalls != nil && string(m.ToolCalls) != "null" {
			return nil, fmt.Errorf("%s[%d]: calls of tools cannot be taught", field, i)
		}
		content, err := textOf(m.Content)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		all = append(all, replaystore.Message{Role: kept, Content: content})
	}
	return all, nil
}

// textOf reads a message's text: a string, or parts that are texts.
func textOf(data json.RawMessage) (string, error) {
	var text string
	if data != nil && json.Unmarshal(data, &text) == nil {
		return text, nil
	}
	var parts []struct{ Type, Text string }
	if data == nil || json.Unmarshal(data, &parts) != nil || len(parts) == 0 {
		return "", errors.New("the content is no text")
	}
	for _, p := range parts {
		if p.Type != "text" {
			return "", fmt.Errorf("the content has a part of type %.40q; only text can be taught", p.Type)
		}
		text += p.Text
	}
	return text, nil
}
