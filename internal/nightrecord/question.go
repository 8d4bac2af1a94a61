package nightrecord

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// SelectionFile is the name of the examples that a night works with among its files, a JSON object a line. What is erased
// of a person is taken out of it.
const SelectionFile = "selection.jsonl"

// New is the use of examples that a night was the first to train on.
const New = "new"

// LearnedQuestions reads a night's selection and returns what the examples asked last that it was the first to train on.
func LearnedQuestions(data []byte) ([]string, error) { return lastQuestions(data, New) }

// StarterQuestions is LearnedQuestions for the file of what a base model was trained on.
func StarterQuestions(data []byte) ([]string, error) { return lastQuestions(data, "") }

// lastQuestions returns what the examples of one use ask last.
func lastQuestions(data []byte, use string) ([]string, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	var list []string
	lines := json.NewDecoder(bytes.NewReader(data))
	for n := 1; ; n++ {
		var example struct {
			Use      string    `json:"use"`
			Prompt   []message `json:"prompt"`   // of a selection
			Messages []message `json:"messages"` // of the base model's file
		}
		if err := lines.Decode(&example); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("decode example %d: %w", n, err)
		}
		if example.Use != use {
			continue
		}
		for _, m := range slices.Backward(append(example.Messages, example.Prompt...)) {
			if m.Role != "assistant" {
				list = append(list, m.Content)
				break
			}
		}
	}
}
