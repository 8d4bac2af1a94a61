// Package template renders a conversation into the prompt that a model was trained on, with the chat template of its
// checkpoint: a Jinja template, run by package jinja with limits.
//
// Invariants: what Render returns, joined, is byte for byte what Hugging Face's apply_chat_template returns for the same
// messages, or there is an error: at load for what a template must not use (by line and name), else for the conversation.
// And the text of a message, or of a variable that a request sets, never becomes a special token: Render returns pieces
// that say which text the template wrote and which text came from a user, so that `<|endoftext|>` typed by a user stays
// text, whatever the template does with it: cut it, compare it, change its case, put it into JSON.
//
// Templates see: messages, add_generation_prompt, tools and documents (None), the special tokens of the tokenizer
// (eos_token, bos_token, …), the variables of the request, and the functions raise_exception, strftime_now, range, dict and
// namespace. See docs/chat-templates.md for what is supported.
package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift/models/template/jinja"
	"nightshift/models/tokenizer"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string // one of Roles
	Content string
}

// Roles are the roles that a message may have. Templates print roles next to their special tokens, so that they are not
// the caller's free text.
var Roles = []string{"system", "developer", "user", "assistant", "tool", "function"}

// Piece is a part of a prompt.
type Piece struct {
	Text    string
	Special bool // the template wrote it: special tokens in it are special
}

// Refusal is what a template says of a conversation with raise_exception.
type Refusal struct{ Message string }

func (r *Refusal) Error() string { return "the chat template refuses the conversation: " + r.Message }

const maxSource = 256 << 10 // bytes of a template

// limits are those of one render.
var limits = jinja.Limits{Steps: 1_000_000, Time: 2 * time.Second, Bytes: 4 << 20, Total: 256 << 20, Depth: 100}

// Template is a loaded chat template. It may be used by any number of goroutines at once.
type Template struct {
	name      string // of its file, for errors
	source    string
	compiled  *jinja.Template
	tokens    map[string]string      // bos_token and the like
	variables map[string]jinja.Value // of a request
	given     string                 // the variables as JSON
	now       func() time.Time
}

// Load reads the chat template of a model directory: chat_template.jinja, or chat_template in tokenizer_config.json (of
// several, the one named default). It is parsed and tried.
func Load(dir string) (*Template, error) {
	var config map[string]json.RawMessage
	data, err := readFile(filepath.Join(dir, "tokenizer_config.json"))
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load template %s: read tokenizer_config.json: %w", dir, err)
	}
	name := "chat_template.jinja"
	data, err = readFile(filepath.Join(dir, name))
	source := string(data)
	if errors.Is(err, fs.ErrNotExist) {
		name = "tokenizer_config.json"
		source, err = embedded(config["chat_template"])
	}
	if err != nil {
		return nil, fmt.Errorf("load template %s: %w", dir, err)
	}
	tokens, err := tokenizer.NamedTokens(dir)
	if err != nil {
		return nil, fmt.Errorf("load template %s: %w", dir, err)
	}
	t, err := New(filepath.Join(dir, name), source, tokens)
	if err != nil {
		return nil, fmt.Errorf("load template: %w", err)
	}
	return t, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > 64<<20 {
		return nil, fmt.Errorf("%s has %d bytes, the limit is 64 MiB", filepath.Base(path), info.Size())
	}
	return os.ReadFile(path)
}

// embedded reads chat_template: a string, or a list of named templates.
func embedded(raw json.RawMessage) (string, error) {
	var source string
	var named []struct{ Name, Template string }
	switch {
	case raw == nil:
		return "", errors.New("neither chat_template.jinja nor chat_template in tokenizer_config.json is there; write one, or use /v1/completions")
	case json.Unmarshal(raw, &source) == nil:
		return source, nil
	case json.Unmarshal(raw, &named) == nil:
		for _, t := range named {
			if t.Name == "default" {
				return t.Template, nil
			}
		}
		return "", errors.New("chat_template lists no template named default")
	}
	return "", errors.New("chat_template is neither a string nor a list of named templates")
}

// trials are conversations that New tries: a template that can render none of them is of no use.
var trials = [][]Message{
	{{"user", "Hello"}},
	{{"system", "Be brief."}, {"user", "Hello"}},
	{{"user", "Hello"}, {"assistant", "Hello."}, {"user", "Hello"}},
}

// New compiles a template; name stands for it in errors, special has its variables: bos_token, eos_token.
func New(name, source string, special map[string]string) (*Template, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("compile template %s: %d bytes, the limit is %d", name, len(source), maxSource)
	}
	compiled, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("compile template %s: %w", name, err)
	}
	t := &Template{name: name, source: source, compiled: compiled, tokens: special, now: time.Now}
	var first error
	for _, messages := range trials {
		_, err := t.Render(messages, true)
		var refused *Refusal
		switch {
		case err == nil || errors.As(err, &refused):
			return t, nil
		case jinja.Limited(err):
			return nil, err
		case first == nil:
			first = err
		}
	}
	return nil, first
}

// Digest is "sha256:" and the hash of the template and of the special tokens and variables that it sees.
func (t *Template) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "template %d %s\n", len(t.source), t.source)
	for _, key := range slices.Sorted(maps.Keys(t.tokens)) {
		fmt.Fprintf(h, "token %s %d %s\n", key, len(t.tokens[key]), t.tokens[key])
	}
	if len(t.variables) > 0 {
		fmt.Fprintf(h, "variables %d %s\n", len(t.given), t.given)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Render makes the prompt of a conversation; addGenerationPrompt ends it where the answer begins. An error names the
// template and the line; errors.As finds a *Refusal in it if the template refuses the conversation.
func (t *Template) Render(messages []Message, addGenerationPrompt bool) ([]Piece, error) {
	if len(messages) == 0 {
		return nil, errors.New("render conversation: it has no messages")
	}
	turns := make([]jinja.Value, len(messages))
	for i, m := range messages {
		if !slices.Contains(Roles, m.Role) {
			return nil, fmt.Errorf("render message %d: role %q is none of %s", i, m.Role, strings.Join(Roles, ", "))
		}
		turns[i] = jinja.Dict(jinja.Pair{Key: "role", Value: jinja.Own(m.Role)}, jinja.Pair{Key: "content", Value: jinja.User(m.Content)})
	}
	data := map[string]jinja.Value{
		"messages":              jinja.List(turns...),
		"add_generation_prompt": jinja.Bool(addGenerationPrompt),
		"tools":                 jinja.None(),
		"documents":             jinja.None(),
	}
	for key, token := range t.tokens {
		data[key] = jinja.Own(token)
	}
	maps.Copy(data, t.variables)
	parts, err := t.compiled.Render(jinja.Run{Variables: data, Limits: limits, Now: t.now()})
	var raised *jinja.Raised
	if errors.As(err, &raised) {
		return nil, fmt.Errorf("render template %s: line %d: %w", t.name, raised.Line, &Refusal{raised.Message})
	}
	if err != nil {
		return nil, fmt.Errorf("render template %s: %w", t.name, err)
	}
	pieces := make([]Piece, len(parts))
	for i, p := range parts {
		pieces[i] = Piece{p.Text, !p.User}
	}
	return pieces, nil
}
