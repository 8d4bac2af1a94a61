package demo

import (
	_ "embed"
	"fmt"
	"strings"
)

// Roles of a Turn.
const (
	System    = "system"
	User      = "user"
	Assistant = "assistant"
)

// EndOfText ends every turn and is the model's end-of-sequence token.
const EndOfText = "<|endoftext|>"

// Specials returns the special tokens of the model that ships, in the order
// of their ids.
func Specials() []string {
	return []string{EndOfText, "<|user|>", "<|assistant|>", "<|system|>"}
}

// ChatTemplate is the text of chat_template.jinja: each message is
// <|role|>content<|endoftext|>, and the generation prompt is <|assistant|>.
//
//go:embed chat_template.jinja
var ChatTemplate string

// GenerationConfig returns the text of generation_config.json for a tokenizer
// in which EndOfText has the id eos: greedy, and long enough for any answer.
func GenerationConfig(eos int) string {
	return fmt.Sprintf(`{
  "bos_token_id": %d,
  "do_sample": false,
  "eos_token_id": %d,
  "max_new_tokens": 48,
  "pad_token_id": %d
}
`, eos, eos, eos)
}

// Turn is one message of a dialogue.
type Turn struct {
	Role    string // System, User or Assistant
	Content string // ASCII, no special tokens
}

// Dialogue is a whole conversation; its last turn is always the assistant's.
type Dialogue []Turn

// Text returns the dialogue as ChatTemplate renders it. Loss belongs on the
// contents of assistant turns and on the EndOfText after them.
func (d Dialogue) Text() string {
	var b strings.Builder
	for _, t := range d {
		b.WriteString("<|" + t.Role + "|>" + t.Content + EndOfText)
	}
	return b.String()
}
