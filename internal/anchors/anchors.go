// Package anchors makes the starter memory and the anchors of a model that brings none: it asks the model questions and keeps its own
// answers, some to rehearse and others to measure what is forgotten.
//
// Questions ship with the program, and a person may add others. Answers are greedy; what is empty, repeats itself or was cut within its first
// sentence is left out. Whether a question measures or is rehearsed depends on its words alone, so that it is the same whenever answers
// are made again. A record beside the files says what they were made of; a file that does not match it is somebody's own, and is never
// written over.
//
// It knows no nights and no tracks: when answers are needed is decided by its callers.
package anchors

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"nightshift/replaystore"
)

// Files beside a model, or in the data directory.
const (
	AnchorsFile   = "anchors.jsonl"   // what the base model must not forget, measured
	RehearsalFile = "rehearsal.jsonl" // the same, rehearsed
	RecordFile    = "anchors.json"    // what the two were made of; a model that brings its own has none
	QuestionsFile = "questions.jsonl" // questions that somebody added
)

// Example is one line of a file of examples.
type Example struct {
	Messages   []replaystore.Message `json:"messages"`
	Completion string                `json:"completion"`
	// Open says that the answer goes on after the completion, so that no end is taught there.
	Open bool `json:"open,omitempty"`
}

// encode writes values, one a line.
func encode[T any](list []T) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, v := range list {
		if err := e.Encode(v); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// decode reads what encode wrote.
func decode[T any](data []byte) (list []T, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(list)+1, err)
		}
		list = append(list, v)
	}
	return list, nil
}

// digest is "sha256:" and the hash of data.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
