package work

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"nightshift/internal/anchors"
	"nightshift/internal/engine"
)

// Files of a run that asks: questions in, and the answers to them out, in order, one a line.
const (
	QuestionsFile = "questions.jsonl"
	AnswersFile   = "answers.jsonl"
)

// answer has the base model answer the questions of a directory.
func answer(ctx context.Context, dir string, job Job, model *engine.Model, lines *json.Encoder) error {
	data, err := os.ReadFile(filepath.Join(dir, QuestionsFile))
	if err != nil {
		return fmt.Errorf("read work file: %w", err)
	}
	questions, err := anchors.DecodeQuestions(data)
	if err != nil {
		return fmt.Errorf("read work file %s: %w", QuestionsFile, err)
	}
	var told error
	answers, err := anchors.Ask(ctx, model, questions, anchors.Options{Threads: job.Threads, Progress: func(done, total int) {
		if told == nil {
			told = lines.Encode(ProgressLine{Stage: "anchors", Done: done, Total: total})
		}
	}})
	if err == nil {
		err = told
	}
	if err != nil {
		return err
	}
	if data, err = anchors.EncodeAnswers(answers); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, AnswersFile), data, 0o600)
}
