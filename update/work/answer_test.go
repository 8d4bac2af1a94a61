package work

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/anchors"
	"nightshift/internal/engine"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// TestRunAnswers has a run answer questions in place of training.
func TestRunAnswers(t *testing.T) {
	dir := job(t, func(j *Job) { j.Asks = true })
	questions, err := anchors.EncodeQuestions([]anchors.Question{{Kind: "a", Messages: []replaystore.Message{{Role: "user", Content: "price"}}}, {Kind: "b", Messages: []replaystore.Message{{Role: "user", Content: "tent"}}}})
	must(t, err)
	var out bytes.Buffer
	if err := Run(t.Context(), dir, &out); err == nil || !strings.Contains(err.Error(), QuestionsFile) {
		t.Errorf("without questions: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, QuestionsFile), questions, 0o600))
	must(t, Run(t.Context(), dir, &out))
	var last ProgressLine
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	if len(lines) != 2 || last.Stage != "anchors" || last.Done != 2 || last.Total != 2 {
		t.Errorf("progress %q", lines)
	}
	data, err := os.ReadFile(filepath.Join(dir, AnswersFile))
	must(t, err)
	answers, err := anchors.DecodeAnswers(data)
	if err != nil || len(answers) != 2 || answers[1].Messages[0].Content != "tent\n" {
		t.Errorf("answers %+v, %v", answers, err)
	}
	if _, err := os.Stat(filepath.Join(dir, CandidateDir)); !os.IsNotExist(err) {
		t.Errorf("something was trained: %v", err)
	}
}

// TestOpenExamplesTeachNoEnd: the end of an answer follows its completion only where the answer ended.
func TestOpenExamplesTeachNoEnd(t *testing.T) {
	var j Job
	must(t, read(job(t, nil), JobFile, &j))
	m, err := engine.LoadModel(j.ModelDir, "")
	must(t, err)
	w := &worker{model: m}
	it := selection.Item{Example: replaystore.Example{Prompt: []replaystore.Message{{Role: replaystore.RolePrompt, Content: "hello"}}, Completion: " good day"}}
	whole, err := w.sequence(it)
	must(t, err)
	it.Open = true
	open, err := w.sequence(selection.Plain(it))
	must(t, err)
	if n := len(whole.Tokens); m.End < 0 || whole.Tokens[n-1] != m.End || !slices.Equal(open.Tokens, whole.Tokens[:n-1]) || open.Prompt != whole.Prompt {
		t.Errorf("whole %+v, open %+v, end %d", whole, open, m.End)
	}
}
