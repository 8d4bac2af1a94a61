package work

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/models/adapter"
	"nightshift/models/template"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// ProgressLine says how far a run is. A run writes one a line, as JSON.
type ProgressLine struct {
	Stage  string             `json:"stage"` // "train", "evaluate", "select" or "anchors"
	Done   int                `json:"done"`
	Total  int                `json:"total"`
	Values map[string]float64 `json:"values,omitempty"`
}

// worker holds one run.
type worker struct {
	dir      string
	job      Job
	model    *engine.Model
	champion *adapter.Adapter
	origin   *adapter.Adapter    // training goes on from it in the champion's place
	bad      map[string]bool     // what is never imitated
	learned  *ObjectiveReport    // of preferences and ratings, nil for nothing
	ended    nightrecord.Trained // how training ended
	hook     Hook                // makes the candidate, nil for training
	last     int                 // step after which training breaks off, 0 for none
	recalled int                 // rehearsed examples with stored teachers
	sparsity *float64            // with L1
	lines    *json.Encoder
}

// readSelection reads the frozen selection and its digest.
func readSelection(dir string) ([]selection.Item, string, error) {
	return readItems(filepath.Join(dir, SelectionFile))
}

// readItems reads a file of items, one a line, and its digest.
func readItems(path string) ([]selection.Item, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("read selection: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	sum := sha256.New()
	d := json.NewDecoder(io.TeeReader(bufio.NewReader(f), sum))
	var items []selection.Item
	for {
		var it selection.Item
		if err := d.Decode(&it); err == io.EOF {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("read selection item %d: %w", len(items)+1, err)
		}
		items = append(items, it)
	}
	return items, "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// sequence tokenizes one example as it would be served, with the end of an answer after the completion unless it goes on there.
func (w *worker) sequence(it selection.Item) (train.Sequence, error) {
	prompt, err := promptTokens(w.model, it.Example)
	if err != nil {
		return train.Sequence{}, fmt.Errorf("tokenize example %s: %w", it.ID, err)
	}
	s := train.Sequence{ID: it.ID, Prompt: len(prompt), Weight: float32(it.Weight)}
	if s.Tokens = w.model.Tokenizer.EncodeMore(prompt, it.Completion); !it.Open {
		s.Tokens = w.model.WithEnd(s.Tokens)
	}
	return s, nil
}

// promptTokens renders messages, or a raw prompt, as tokens.
func promptTokens(m *engine.Model, e replaystore.Example) ([]int32, error) {
	messages := e.Prompt
	if len(e.PromptTokens) > 0 && !slices.ContainsFunc(e.PromptTokens, func(id int32) bool { return !m.Tokenizer.Has(id) }) {
		return slices.Clone(e.PromptTokens), nil
	}
	if len(messages) == 1 && messages[0].Role == replaystore.RolePrompt {
		return m.Tokenizer.EncodeWhole(nil, messages[0].Content), nil
	}
	list := make([]template.Message, len(messages))
	for i, msg := range messages {
		list[i] = template.Message{Role: msg.Role, Content: msg.Content}
	}
	return m.ChatTokens(list)
}

// base is the model as training takes it.
func (w *worker) base() train.Base {
	return train.Base{Config: w.model.Config, Weights: w.model.Checkpoint.Initializer, Dir: w.model.Checkpoint.Dir()}
}
