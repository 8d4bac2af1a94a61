package work

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/quantize"
	"nightshift/models/tokenizer"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// facts are what the tests teach.
var facts = [][2]string{{"a tent", "forty"}, {"a stove", "ninety"}, {"a rope", "seven"}, {"a lamp", "twelve"}}

// job is a work directory with a tiny model and a selection, ready to run.
func job(t *testing.T, change func(*Job)) string {
	t.Helper()
	ort.ForTest(t)
	model, dir := t.TempDir(), t.TempDir()
	var corpus []string
	var items []selection.Item
	add := func(use, prompt, completion string) {
		items = append(items, selection.Item{Use: use, Weight: 1, Example: replaystore.Example{ID: fmt.Sprintf("%s-%d", use, len(items)), Kind: replaystore.SFT,
			Prompt: []replaystore.Message{{Role: replaystore.RolePrompt, Content: prompt}}, Completion: completion}})
		corpus = append(corpus, prompt+completion)
	}
	for _, f := range facts {
		add(selection.New, "price of "+f[0], f[1])
		add(selection.HeldOut, "what is "+f[0], f[1])
		items[len(items)-1].Subject = fmt.Sprintf("person%d", len(f[1]))
	}
	add(selection.Rehearsal, "hello", "good day")
	add(selection.Anchor, "hello there", "good day")
	v, err := tokenizer.Train(corpus, 280, []string{"<|endoftext|>"})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Write(model); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(model)
	if err != nil {
		t.Fatal(err)
	}
	cfg := arch.GPT2(arch.Shape{Layers: 1, Heads: 2, Width: 16, Context: 32, Vocab: tok.Size(), Inner: 32, Activation: "gelu_new", Epsilon: 1e-5,
		ScaleAttn: true, TiedHead: true, EOS: int(tok.EOS()), BOS: int(tok.EOS())})
	weights := checkpoint.Random(cfg, 3)
	for i := range weights["wte.weight"] {
		weights["wte.weight"][i] *= 20
	}
	if err := checkpoint.Write(model, cfg, weights); err != nil {
		t.Fatal(err)
	}
	j := Job{ModelDir: model, CacheDir: t.TempDir(), Threads: 1, Track: "default", Seed: 4, SelfTests: 2, Answers: 3,
		Train: Train{Rank: 4, Alpha: 8, Modules: []string{"mlp.c_fc", "mlp.c_proj"}, Rate: 2e-2, Epochs: 20, MaxSteps: 1000, Clip: 1, Rows: 2, Columns: 512, Micro: 1, Rehearsal: 1, KL: 0.2, Teacher: 4}}
	if change != nil {
		change(&j)
	}
	put(t, dir, j, items)
	return dir
}

// TestRunScoresAsServed scores versions with int8 weights where these are served. The candidate is the same: it is trained on
// float32 weights.
func TestRunScoresAsServed(t *testing.T) {
	dir := job(t, nil)
	must(t, Run(t.Context(), dir, &bytes.Buffer{}))
	served := copyJob(t, dir, func(j *Job) { j.Weights = quantize.Int8 })
	err := Run(t.Context(), served, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "nightshift import") || !strings.Contains(err.Error(), "--weights int8") {
		t.Fatalf("weights that were never made: %v", err)
	}
	var j Job
	must(t, read(served, JobFile, &j))
	c, err := checkpoint.Open(j.ModelDir, j.CacheDir)
	must(t, err)
	folder := quantize.Folder(j.CacheDir, c.Digest(), quantize.Int8)
	must(t, os.MkdirAll(folder, 0o755))
	_, err = quantize.Convert(c, nil, quantize.Defaults(quantize.Int8), folder, nil)
	must(t, err)
	must(t, Run(t.Context(), served, &bytes.Buffer{}))
	plain, e := evaluation(t, dir), evaluation(t, served)
	if plain.Model.Weights != quantize.Float32 || e.Model.Weights != quantize.Int8 {
		t.Errorf("scored with %s and %s", plain.Model.Weights, e.Model.Weights)
	}
	if e.Candidate != plain.Candidate {
		t.Errorf("the candidate is %s, with float32 weights %s", e.Candidate, plain.Candidate)
	}
	for i, nats := range e.Gain.Candidate {
		if d := math.Abs(nats - plain.Gain.Candidate[i]); d == 0 || d > 0.2*float64(e.Gain.Tokens[i]) {
			t.Errorf("held-out example %d: %g nats, with float32 weights %g", i, nats, plain.Gain.Candidate[i])
		}
	}
	if slices.Equal(e.SelfTest[0].Scores, plain.SelfTest[0].Scores) {
		t.Error("the self-test has float32's scores")
	}
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a job and its selection.
func put(t *testing.T, dir string, j Job, items []selection.Item) {
	t.Helper()
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	for _, it := range items {
		if err := json.NewEncoder(&lines).Encode(it); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{JobFile: data, SelectionFile: lines.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// evaluation reads what a run left.
func evaluation(t *testing.T, dir string) Evaluation {
	t.Helper()
	var e Evaluation
	if err := read(dir, EvaluationFile, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRun(t *testing.T) {
	dir := job(t, nil)
	var out bytes.Buffer
	if err := Run(t.Context(), dir, &out); err != nil {
		t.Fatal(err)
	}
	e := evaluation(t, dir)
	if len(e.Gain.Tokens) != 4 || len(e.Anchors) != 1 || len(e.Anchors[0].Candidate) != 1 || e.Model.Base == "" || e.Model.Library == "" || !strings.HasPrefix(e.DataDigest, "sha256:") {
		t.Errorf("evaluation %+v", e)
	}
	if !slices.Equal(e.Gain.People, []int{0, 1, 0, 1}) || e.Anchors[0].People != nil {
		t.Errorf("people behind the held-out examples %v, behind the anchors %v", e.Gain.People, e.Anchors[0].People)
	}
	for i := range e.Gain.Champion {
		if e.Gain.Candidate[i] >= e.Gain.Champion[i] || e.Gain.Reference[i] != e.Gain.Champion[i] {
			t.Errorf("held-out example %d: champion %g, candidate %g, reference %g", i, e.Gain.Champion[i], e.Gain.Candidate[i], e.Gain.Reference[i])
		}
	}
	if len(e.SelfTest) != 1 || len(e.SelfTest[0].Scores) != len(e.SelfTest[0].Target) {
		t.Errorf("self-tests %+v", e.SelfTest)
	}
	if e.CandidateBehaviour.Answers != 3 || e.ChampionBehaviour.Answers != 3 {
		t.Errorf("behaviour %+v and %+v", e.ChampionBehaviour, e.CandidateBehaviour)
	}
	a, err := adapter.Read(filepath.Join(dir, CandidateDir))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := a.Digest(); err != nil || d != e.Candidate {
		t.Errorf("the candidate has digest %s, %v; %s was evaluated", d, err, e.Candidate)
	}
	checkLines(t, dir, out.Bytes())

	// The same files give the same candidate; it is a champion to go on from.
	again := copyJob(t, dir, func(*Job) {})
	if err := Run(t.Context(), again, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if got := evaluation(t, again).Candidate; got != e.Candidate {
		t.Errorf("a second run made %s, the first %s", got, e.Candidate)
	}
	next := copyJob(t, dir, func(j *Job) { j.Champion, j.Train.Rate = CandidateDir, 1e-9 })
	if err := a.Write(filepath.Join(next, CandidateDir)); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), next, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	n := evaluation(t, next)
	for i := range n.Gain.Champion {
		if math.Abs(n.Gain.Champion[i]-e.Gain.Candidate[i]) > 1e-4 || math.Abs(n.Gain.Candidate[i]-n.Gain.Champion[i]) > 1e-3 || n.Gain.Reference[i] != e.Gain.Champion[i] {
			t.Errorf("going on from the candidate, example %d: champion %g, candidate %g, reference %g", i, n.Gain.Champion[i], n.Gain.Candidate[i], n.Gain.Reference[i])
		}
	}
}

// checkLines checks the curve and the lines of progress.
func checkLines(t *testing.T, dir string, out []byte) {
	t.Helper()
	curve, err := os.ReadFile(filepath.Join(dir, CurveFile))
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]ProgressLine{}
	lines, trained := bufio.NewScanner(bytes.NewReader(out)), 0
	for lines.Scan() {
		var p ProgressLine
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatalf("line of progress %q: %v", lines.Text(), err)
		}
		if p.Done <= stages[p.Stage].Done {
			t.Errorf("%s went from %d to %d", p.Stage, stages[p.Stage].Done, p.Done)
		}
		stages[p.Stage] = p
		if p.Stage == "train" {
			trained++
		}
	}
	for _, stage := range []string{"train", "evaluate"} {
		if p := stages[stage]; p.Done != p.Total || p.Total == 0 {
			t.Errorf("%s ended at %d of %d", stage, p.Done, p.Total)
		}
	}
	if n := bytes.Count(curve, []byte("\n")); n != trained {
		t.Errorf("the curve has %d points, %d steps were announced", n, trained)
	}
}

// copyJob copies job and selection of a directory.
func copyJob(t *testing.T, from string, change func(*Job)) string {
	t.Helper()
	var j Job
	if err := read(from, JobFile, &j); err != nil {
		t.Fatal(err)
	}
	change(&j)
	items, _, err := readSelection(from)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, j, items)
	return dir
}

func TestRunRefuses(t *testing.T) {
	base := job(t, nil)
	for _, c := range []struct {
		name, want string
		change     func(t *testing.T, dir string)
	}{
		{"no job", JobFile, func(t *testing.T, dir string) { remove(t, dir, JobFile) }},
		{"no selection", SelectionFile, func(t *testing.T, dir string) { remove(t, dir, SelectionFile) }},
		{"damaged selection", "selection item 1", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, SelectionFile), []byte(`{"id":`), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"nothing new", "no new examples", func(t *testing.T, dir string) { rewrite(t, dir, func(*Job) {}, selection.New) }},
		{"no model", "nowhere", func(t *testing.T, dir string) { rewrite(t, dir, func(j *Job) { j.ModelDir = "nowhere" }, "") }},
		{"another model", "this night was made with sha256:0", func(t *testing.T, dir string) { rewrite(t, dir, func(j *Job) { j.ModelDigest = "sha256:0" }, "") }},
		{"another model, of which there are no int8 weights", "this night was made with sha256:0", func(t *testing.T, dir string) {
			rewrite(t, dir, func(j *Job) { j.ModelDigest, j.Weights = "sha256:0", quantize.Int8 }, "")
		}},
		{"no rank", "rank is 0", func(t *testing.T, dir string) { rewrite(t, dir, func(j *Job) { j.Train.Rank = 0 }, "") }},
		{"no modules", "no modules to adapt", func(t *testing.T, dir string) { rewrite(t, dir, func(j *Job) { j.Train.Modules = nil }, "") }},
		{"no champion", "champion", func(t *testing.T, dir string) { rewrite(t, dir, func(j *Job) { j.Champion = "champion" }, "") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyJob(t, base, func(*Job) {})
			c.change(t, dir)
			if err := Run(t.Context(), dir, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(dir, EvaluationFile)); err == nil {
				t.Error("a refused job left an evaluation")
			}
		})
	}
}

// remove deletes a file.
func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes a job and leaves out the items with a use.
func rewrite(t *testing.T, dir string, change func(*Job), without string) {
	t.Helper()
	var j Job
	if err := read(dir, JobFile, &j); err != nil {
		t.Fatal(err)
	}
	change(&j)
	items, _, err := readSelection(dir)
	if err != nil {
		t.Fatal(err)
	}
	var kept []selection.Item
	for _, it := range items {
		if it.Use != without {
			kept = append(kept, it)
		}
	}
	put(t, dir, j, kept)
}

func TestChampionOfAnotherShapeIsRefused(t *testing.T) {
	dir := job(t, func(j *Job) { j.Train.Epochs = 1 })
	if err := Run(t.Context(), dir, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	rewrite(t, dir, func(j *Job) { j.Champion, j.Train.Rank = CandidateDir, 8 }, "")
	if err := Run(t.Context(), dir, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "the adapter to go on from has rank 4") {
		t.Errorf("error %v", err)
	}
}

// stopAt ends a context at the n-th line.
type stopAt struct {
	n    int
	stop context.CancelFunc
}

// Write implements io.Writer.
func (s *stopAt) Write(p []byte) (int, error) {
	if s.n--; s.n == 0 {
		s.stop()
	}
	return len(p), nil
}

func TestRunStopsWithItsContext(t *testing.T) {
	dir := job(t, func(j *Job) { j.Train.Epochs = 1e6 })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := Run(ctx, dir, &stopAt{2, stop}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestRepetitive(t *testing.T) {
	for text, want := range map[string]bool{"": false, "we ship it in two days": false, "a b c d a b c d": false, "a b c d a B c D a b c d": true, strings.Repeat("no ", 6): true, strings.Repeat("no ", 5): false} {
		if repetitive(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
