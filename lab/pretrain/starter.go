package pretrain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"nightshift/models/demo"
	"nightshift/replaystore"
)

// Files beside a checkpoint that the first nights need: examples of what the model already knows, to rehearse while it
// learns, and others, never trained on at night, to measure what it forgets.
const (
	RehearsalFile = "rehearsal.jsonl"
	AnchorsFile   = "anchors.jsonl"
)

// Starter is one line of those files.
type Starter struct {
	Messages   []replaystore.Message `json:"messages"`
	Completion string                `json:"completion"`
}

// WriteStarters writes both files from training questions, each of which goes to one of the two.
func WriteStarters(dir string, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 0x73746172)) //nolint:gosec // reproducible, not secret
	var rehearsal, anchors []Starter
	add := func(questions []string, answers func() string, rehearse, measure int) {
		order := r.Perm(len(questions))
		for i, at := range order[:min(len(order), rehearse+measure)] {
			s := Starter{Messages: []replaystore.Message{{Role: demo.User, Content: questions[at]}}, Completion: answers()}
			if i < rehearse {
				rehearsal = append(rehearsal, s)
			} else {
				anchors = append(anchors, s)
			}
		}
	}
	for _, f := range demo.Facts() {
		forms := f.Answers(f.Value)
		add(f.Questions(demo.Train), func() string { return forms[r.IntN(len(forms))] }, 10, 5)
	}
	for i, x := range append(demo.SmallTalk(demo.Train), demo.Refusals(demo.Train)...) {
		rehearse := 1
		if i%3 == 2 {
			rehearse = 0
		}
		add([]string{x.Question}, func() string { return x.Answers[r.IntN(len(x.Answers))] }, rehearse, 1-rehearse)
	}
	if err := writeLines(filepath.Join(dir, RehearsalFile), rehearsal); err != nil {
		return err
	}
	return writeLines(filepath.Join(dir, AnchorsFile), anchors)
}

// writeLines writes JSON lines.
func writeLines(path string, list []Starter) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, s := range list {
		if err := e.Encode(s); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
