package anchors

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the questions
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"nightshift/models/template"
	"nightshift/replaystore"
)

// Own is the kind of questions that somebody added without naming another.
const Own = "own"

// Question is what a model is asked: a conversation that waits for an answer.
type Question struct {
	Kind     string                `json:"kind"`
	Messages []replaystore.Message `json:"messages"`
}

//go:embed questions.txt
var shipped []byte

// Shipped are the questions of the program, of several kinds.
func Shipped() []Question {
	list, err := Parse(shipped)
	if err != nil {
		panic(err) // a test reads them
	}
	return list
}

// heading is a line that names the kind of the questions below it.
var heading = regexp.MustCompile(`^\[([\pL\pN ,_-]+)\]$`)

// Parse reads questions, one a line: as text, or as {"messages": [...]} for a conversation, which may have a "kind". A line such as
// [returns] names the kind of those below it. What is there twice is read once.
func Parse(data []byte) ([]Question, error) {
	var list []Question
	kind := Own
	for i, line := range bytes.Split(data, []byte("\n")) {
		text := strings.TrimSpace(string(line))
		if text == "" {
			continue
		}
		if m := heading.FindStringSubmatch(text); m != nil {
			kind = m[1]
			continue
		}
		q := Question{Kind: kind, Messages: []replaystore.Message{{Role: "user", Content: text}}}
		if text[0] == '{' {
			q.Messages = nil
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(&q); err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			if err := q.check(); err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
		}
		list = append(list, q)
	}
	return unique(list), nil
}

// check refuses what nobody could answer.
func (q Question) check() error {
	if len(q.Messages) == 0 {
		return fmt.Errorf(`want a line of text, or {"messages": [...]}`)
	}
	for _, m := range q.Messages {
		if !slices.Contains(template.Roles, m.Role) {
			return fmt.Errorf("the role of a message is %q, want one of %s", m.Role, strings.Join(template.Roles, ", "))
		}
	}
	if last := q.Messages[len(q.Messages)-1]; last.Role != "user" || strings.TrimSpace(last.Content) == "" {
		return fmt.Errorf("want a question of the user as the last message")
	}
	return nil
}

// ReadQuestions reads a file of questions.
func ReadQuestions(path string) ([]Question, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", err)
	}
	list, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read questions %s: %w", path, err)
	}
	return list, nil
}

// unique leaves out questions that came before.
func unique(list []Question) []Question {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(q Question) bool {
		key := keyOf(q.Messages)
		known := seen[key]
		seen[key] = true
		return known
	})
}

// asked are the messages as they are kept: the conversation, or for a model without a chat template its last message as a raw prompt.
func (q Question) asked(chat bool) []replaystore.Message {
	if chat {
		return q.Messages
	}
	return []replaystore.Message{{Role: replaystore.RolePrompt, Content: q.Messages[len(q.Messages)-1].Content + "\n"}}
}

// measures says whether the answer to a question is an anchor; else it is rehearsed. Half of all are, so that as much measures as is
// rehearsed: the gate's bound is as narrow as the anchors are many.
func (q Question) measures() bool {
	sum := sha256.Sum256([]byte(keyOf(q.Messages)))
	return sum[0]%2 == 0
}

// keyOf tells conversations apart.
func keyOf(messages []replaystore.Message) string {
	key, err := json.Marshal(messages)
	if err != nil {
		panic(err) // strings can be encoded
	}
	return string(key)
}

// digestOf names questions, in whatever order they are.
func digestOf(list []Question) string {
	keys := make([]string, len(list))
	for i, q := range list {
		keys[i] = keyOf(q.Messages)
	}
	slices.Sort(keys)
	return digest([]byte(strings.Join(keys, "\n")))
}
