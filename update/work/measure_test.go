package work

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nightshift/replaystore"
	"nightshift/update/selection"
)

// measuresOf runs a job that measures, and reads what it wrote.
func measuresOf(t *testing.T, dir string) []selection.Measure {
	t.Helper()
	var out bytes.Buffer
	if err := Run(t.Context(), dir, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{CurveFile, EvaluationFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("a run that measures wrote %s", name)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, MeasuresFile))
	if err != nil {
		t.Fatal(err)
	}
	var list []selection.Measure
	for line := range bytes.Lines(data) {
		var m selection.Measure
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// TestMeasure: the loss is the champion's as the serving path scores it, the gradient is that of the loss, and what a champion
// has learned has a smaller one.
func TestMeasure(t *testing.T) {
	trained := job(t, nil)
	if err := Run(t.Context(), trained, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	e := evaluation(t, trained)
	items, _, err := readSelection(trained)
	if err != nil {
		t.Fatal(err)
	}
	base := measuresOf(t, copyJob(t, trained, func(j *Job) { j.Measure = &Measures{Losses: true, Gradients: 4, Embeddings: true} }))
	if len(base) != len(items) {
		t.Fatalf("%d measures of %d items", len(base), len(items))
	}
	held := 0
	for i, it := range items {
		if it.Use != selection.HeldOut {
			continue
		}
		if want := e.Gain.Champion[held] / float64(e.Gain.Tokens[held]); math.Abs(base[i].Loss-want) > 1e-3 {
			t.Errorf("%s has loss %g, served it has %g nats per token", it.ID, base[i].Loss, want)
		}
		held++
	}
	for i, m := range base {
		if (m.Gradient > 0) != (i < 4) || len(m.Embedding) != 16 {
			t.Errorf("item %d: gradient %g, embedding of %d", i, m.Gradient, len(m.Embedding))
		}
	}
	dir := copyJob(t, trained, func(j *Job) { j.Champion, j.Measure = CandidateDir, &Measures{Losses: true, Gradients: 4} })
	if err := os.CopyFS(filepath.Join(dir, CandidateDir), os.DirFS(filepath.Join(trained, CandidateDir))); err != nil {
		t.Fatal(err)
	}
	learned := measuresOf(t, dir)
	for i, it := range items {
		if it.Use == selection.New && !(learned[i].Loss < 0.9*base[i].Loss) {
			t.Errorf("%s was learned: its loss went from %g to %g", it.ID, base[i].Loss, learned[i].Loss)
		}
	}
	if learned[0].Embedding != nil {
		t.Error("embeddings that were not asked for")
	}
}

// TestEmbeddings: questions that share a rare word lie nearer to each other than others, whatever they have in common with all.
func TestEmbeddings(t *testing.T) {
	dir := job(t, func(j *Job) { j.Measure = &Measures{Embeddings: true} })
	items := []selection.Item{}
	for _, q := range []string{"price of a tent", "what is a tent", "price of a lamp", "what is a lamp", "what is a rope", "price of a stove", ""} {
		items = append(items, selection.Item{Use: selection.New, Weight: 1, Example: replaystore.Example{ID: q, Kind: replaystore.SFT, Completion: "x",
			Prompt: []replaystore.Message{{Role: replaystore.RolePrompt, Content: q}}}})
	}
	var j Job
	if err := read(dir, JobFile, &j); err != nil {
		t.Fatal(err)
	}
	put(t, dir, j, items)
	var list [][]float32
	for _, m := range measuresOf(t, dir) {
		list = append(list, m.Embedding)
	}
	near := func(a, b int) float64 {
		var dot, na, nb float64
		for k := range list[a] {
			dot += float64(list[a][k]) * float64(list[b][k])
			na += float64(list[a][k]) * float64(list[a][k])
			nb += float64(list[b][k]) * float64(list[b][k])
		}
		return dot / math.Sqrt(na*nb)
	}
	if !(near(0, 1) > near(0, 2) && near(0, 1) > near(0, 4) && near(2, 3) > near(2, 0)) {
		t.Errorf("tents are %.2f alike, a tent and a lamp %.2f, a tent and a rope %.2f, lamps %.2f", near(0, 1), near(0, 2), near(0, 4), near(2, 3))
	}
	if slices.ContainsFunc(list[6], func(x float32) bool { return x != 0 }) {
		t.Errorf("nothing is embedded as %v", list[6])
	}
}

func TestMeasuresAreFinite(t *testing.T) {
	path := filepath.Join(t.TempDir(), MeasuresFile)
	if err := writeMeasures(path, []selection.Measure{{Loss: math.NaN(), Gradient: math.Inf(1)}, {Loss: 1}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if want := "{\"loss\":1.7976931348623157e+308,\"gradient\":1.7976931348623157e+308}\n{\"loss\":1,\"gradient\":0}\n"; err != nil || string(data) != want {
		t.Errorf("wrote %q, %v", data, err)
	}
}
