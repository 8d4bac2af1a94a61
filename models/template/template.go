// Package template renders a conversation into the prompt that a model was trained on, with the chat template of its
// checkpoint: a Jinja template, run by gonja with limits.
//
// Invariant: the text of a message never becomes a special token. Render returns pieces that say which text the template
// wrote and which text came from a message, so that `<|endoftext|>` typed by a user stays text; the joined text is what
// Hugging Face's apply_chat_template returns for the same messages.
//
// How: a conversation is rendered as it is, and twice more with unguessable marks of two lengths around each content,
// inside its leading and trailing white space, which thus counts as the template's. If the marked prompts without their marks are not the plain prompt, the
// template looked into the content in a way that the marks disturb, and Render refuses. So a template may print content,
// trim it, change its case, replace or search in it, compare it with the empty string, split it; what it may not do is
// measure it, slice it, or compare its beginning or its whole with a text that it does have. Such a template is refused
// for the conversations in which that changes the prompt, never rendered wrong.
//
// Supported: for (not recursive), if, set, with, raw, break, continue, generation; the filters, methods and functions
// listed in sandbox.go; raise_exception, strftime_now and the special tokens of tokenizer_config.json as variables
// (bos_token, eos_token, unk_token, pad_token, …). Refused by name: include, import, from, extends, block, macro, call, `*`
// and `**`, and filters not listed: they reach files, recurse, or make text of any size. A render that takes more
// steps, time or bytes than its limits stops with an error.
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

	"github.com/nikolalohinski/gonja/v2/exec"
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

const (
	maxSource = 256 << 10       // bytes of a template
	maxOutput = 4 << 20         // bytes of a prompt, and of any value in between
	maxSteps  = 100_000         // statements run
	maxTime   = 2 * time.Second // for one render
	maxRange  = 4096            // numbers of a range
)

// Template is a loaded chat template. It may be used by any number of goroutines at once.
type Template struct {
	name      string // of its file, for errors
	source    string
	compiled  *exec.Template
	tokens    map[string]string // bos_token and the like
	variables map[string]any    // of a request
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
	t, err := New(filepath.Join(dir, name), source, specialTokens(config))
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

// specialTokens returns the special tokens that a template sees as variables.
func specialTokens(config map[string]json.RawMessage) map[string]string {
	out := map[string]string{}
	for key, raw := range config {
		var text string
		var object struct{ Content string }
		if !strings.HasSuffix(key, "_token") {
			continue
		}
		if json.Unmarshal(raw, &text) == nil && text != "" {
			out[key] = text
		} else if json.Unmarshal(raw, &object) == nil && object.Content != "" {
			out[key] = object.Content
		}
	}
	return out
}

// New compiles a template; name stands for it in errors, special has its variables: bos_token, eos_token.
func New(name, source string, special map[string]string) (*Template, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("compile template %s: %d bytes, the limit is %d", name, len(source), maxSource)
	}
	compiled, err := compile(source)
	if err != nil {
		return nil, fmt.Errorf("compile template %s: %w", name, err)
	}
	t := &Template{name: name, source: source, compiled: compiled, tokens: special, now: time.Now}
	var refused *Refusal
	if _, err := t.Render([]Message{{"user", "Hello"}}, true); err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	return t, nil
}

// Digest is "sha256:" and the hash of the template and of the special tokens and variables that it sees.
func (t *Template) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "template %d %s\n", len(t.source), t.source)
	for _, key := range slices.Sorted(mapKeys(t.tokens)) {
		fmt.Fprintf(h, "token %s %d %s\n", key, len(t.tokens[key]), t.tokens[key])
	}
	if len(t.variables) > 0 {
		data, _ := json.Marshal(t.variables) // With has tried; names come sorted
		fmt.Fprintf(h, "variables %d %s\n", len(data), data)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func mapKeys(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// Render makes the prompt of a conversation; addGenerationPrompt ends it where the answer begins. An error names the
// template and the line; errors.As finds a *Refusal in it if the template refuses the conversation.
func (t *Template) Render(messages []Message, addGenerationPrompt bool) ([]Piece, error) {
	if len(messages) == 0 {
		return nil, errors.New("render conversation: it has no messages")
	}
	for i, m := range messages {
		if !slices.Contains(Roles, m.Role) {
			return nil, fmt.Errorf("render message %d: role %q is none of %s", i, m.Role, strings.Join(Roles, ", "))
		}
	}
	now := t.now()
	plain, err := t.execute(messages, addGenerationPrompt, now, nil)
	if err != nil {
		return nil, fmt.Errorf("render template %s: %w", t.name, err)
	}
	var pieces []Piece
	for extra := range 2 {
		m := newMark(extra)
		marked, err := t.execute(messages, addGenerationPrompt, now, m)
		var again []Piece
		if err == nil {
			again, err = m.pieces(marked)
		}
		if err == nil && (joined(again) != plain || extra > 0 && !slices.Equal(pieces, again)) {
			err = errors.New("the prompt changes when the content of messages is marked")
		}
		if err != nil {
			return nil, fmt.Errorf("render template %s: it measures, slices or compares the content of a message, which is not supported: %w", t.name, err)
		}
		pieces = again
	}
	return pieces, nil
}

func joined(pieces []Piece) string {
	var out strings.Builder
	for _, p := range pieces {
		out.WriteString(p.Text)
	}
	return out.String()
}

// execute renders once; content is marked if m is not nil.
func (t *Template) execute(messages []Message, addGenerationPrompt bool, now time.Time, m *mark) (string, error) {
	turns := make(list, len(messages))
	for i, message := range messages {
		content := message.Content
		if m != nil {
			content = m.wrap(content)
		}
		turns[i] = map[string]any{"role": message.Role, "content": content}
	}
	data := map[string]any{
		"messages":              turns,
		"add_generation_prompt": addGenerationPrompt,
		"tools":                 nil,
		"documents":             nil,
		"strftime_now":          clock(now),
	}
	for key, token := range t.tokens {
		data[key] = token
	}
	maps.Copy(data, t.variables)
	return run(t.compiled, data)
}
