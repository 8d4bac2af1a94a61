package test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/longtest"
	"nightshift/lab/continual"
	"nightshift/models/arch"
	"nightshift/onnx/ort"
	"nightshift/update/night"
)

// onSmallModel runs a benchmark of continual learning on a small model, which it makes in a second and puts where the program keeps
// the benchmark's own. The figures say nothing of methods: only that commands measure what they say they do. It returns the lines
// that were printed.
func onSmallModel(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	needRuntime(t)
	library, err := ort.Find(t.Context(), ort.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := continual.DefaultRecipe()
	name := r.Digest()
	r.Layers, r.Heads, r.Width, r.Corpus.Dialogues, r.Threads = 1, 2, 32, 2000, 1
	r.Train.Steps, r.Train.Rows = 30, 4
	cache := t.TempDir()
	m, err := continual.OpenModel(t.Context(), cache, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(cache, "continual", m.Digest), filepath.Join(cache, "continual", name)); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"nightlab"}, append(args, "--json", "--set", "cache="+cache)...)
	got := executeIn(t, t.TempDir(), []string{ort.EnvLibrary + "=" + library.Path}, args...)
	if got.code != 0 || strings.Contains(got.err, "make the model") {
		t.Fatalf("status %d\n%s%s", got.code, got.out, got.err)
	}
	var lines []map[string]any
	decoder := json.NewDecoder(strings.NewReader(got.out))
	for decoder.More() {
		var m map[string]any
		if err := decoder.Decode(&m); err != nil {
			t.Fatalf("%v\n%s", err, got.out)
		}
		lines = append(lines, m)
	}
	return lines
}

// number is a figure by its name, which must be finite.
func number(t *testing.T, figures map[string]any, name string) float64 {
	t.Helper()
	v, ok := figures[name].(float64)
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
		t.Fatalf("%s is %v in %v", name, figures[name], figures)
	}
	return v
}

// TestBenchArticle: both tasks are learned, the second one undoes some of the first, and with the memory less of it.
func TestBenchArticle(t *testing.T) {
	longtest.Skip(t)
	args := []string{"continual", "--preset", "article", "--epochs", "1", "--learning-rate", "3e-3"}
	lines := onSmallModel(t, args...)
	if len(lines) != 1 {
		t.Fatalf("%d lines, want one", len(lines))
	}
	loss := func(name string) float64 {
		v := number(t, lines[0], name)
		if v <= 0 {
			t.Errorf("%s is %g: a loss is positive", name, v)
		}
		return v
	}
	before, middle, after, naive := loss("task1_loss_before"), loss("task1_loss_middle"), loss("task1_loss_after"), loss("task1_loss_after_naive")
	if !(middle < before && middle < naive && after < naive) {
		t.Errorf("loss of the first task: %g before, %g once learned, %g after the second with the memory, %g without", before, middle, after, naive)
	}
	before, middle, after, naive = loss("task2_loss_before"), loss("task2_loss_middle"), loss("task2_loss_after"), loss("task2_loss_after_naive")
	if !(after < before && after < middle && naive < middle) {
		t.Errorf("loss of the second task: %g before, %g after the first one, %g with the memory, %g without", before, middle, after, naive)
	}
	without := onSmallModel(t, append(args, "--memory", "0")...)[0]
	if a, b := number(t, without, "task1_loss_after"), number(t, without, "task1_loss_after_naive"); a != b || b != loss("task1_loss_after_naive") {
		t.Errorf("with a memory of nothing the losses are %g and %g, naive training with another memory gave %g", a, b, lines[0]["task1_loss_after_naive"])
	}
}

// TestBenchContinual takes one method and its bounds through both orders: a line for each run with the same steps, and the figures.
func TestBenchContinual(t *testing.T) {
	longtest.Skip(t)
	lines := onSmallModel(t, "continual", "--quick", "--methods", "replay-10")
	if len(lines) != 7 {
		t.Fatalf("%d lines, want three methods in two orders and the figures", len(lines))
	}
	for i, r := range lines[:6] {
		if want := []string{"naive", "joint", "replay 10 %"}[i/2]; r["method"] != want || number(t, r, "order") != float64(i%2) || number(t, r, "steps") != number(t, lines[0], "steps") {
			t.Errorf("run %d is %v in order %v with %v steps, want %s", i+1, r["method"], r["order"], r["steps"], want)
		}
		for _, scale := range []string{"exact", "log_prob"} {
			if rows, _ := r[scale].([]any); len(rows) != 6 {
				t.Errorf("run %d: matrix %s has %d rows, want one before and one after each task", i+1, scale, len(rows))
			}
		}
	}
	last := lines[6]
	if last["tuned"] != false || number(t, last, "orders") != 2 || number(t, last, "seeds") != 1 {
		t.Errorf("figures of %v orders and %v seeds, tuned %v", last["orders"], last["seeds"], last["tuned"])
	}
	summary, _ := last["summary"].(map[string]any)
	for _, method := range []string{"naive", "joint", "replay-10"} {
		figures, _ := summary[method].(map[string]any)
		for _, name := range []string{"acc", "bwt", "fwt", "forgetting", "learning_accuracy"} {
			if method == "joint" && name != "acc" {
				continue // it has no matrix: it learns everything at once
			}
			if v := number(t, figures, name); v < number(t, figures, name+"_low") || v > number(t, figures, name+"_high") {
				t.Errorf("%s: %s is %g, outside its interval in %v", method, name, v, figures)
			}
		}
	}
	if advice, _ := last["advice"].([]any); len(advice) == 0 {
		t.Error("it does not say what to choose")
	}
}

// TestBenchWarmStart makes one warm start of all domains and one that a domain did not give to.
func TestBenchWarmStart(t *testing.T) {
	longtest.Skip(t)
	lines := onSmallModel(t, "warm-start", "--seeds", "1", "--rounds", "1", "--steps", "1")
	if len(lines) != 1 || number(t, lines[0], "n") != 20 {
		t.Fatalf("%v", lines)
	}
	options, _ := lines[0]["options"].(map[string]any)
	steps, _ := options["steps"].([]any)
	for _, name := range []string{"all_domains", "domain_apart"} {
		curves, _ := lines[0][name].(map[string]any)
		for _, begin := range []string{"zero", "warm_start"} {
			if points, _ := curves[begin].([]any); len(points) != len(steps) || len(steps) == 0 {
				t.Errorf("%s from %s has %d points, want one for each of the steps %v", name, begin, len(points), steps)
			}
		}
	}
	if _, there := lines[0]["steps_ratio"]; !there {
		t.Error("it does not say how many steps are saved")
	}
}

func TestBenchContinualRefuses(t *testing.T) {
	refused(t, []string{"nightlab", "continual", "--preset", "paper"}, "paper", "article")
	refused(t, []string{"nightlab", "continual", "--memory", "5"}, "--memory", "--preset article")
	needRuntime(t)
	refused(t, []string{"nightlab", "continual", "--methods", "replay-11"}, "replay-11", "replay-10")
}

// TestShippedDefaultIsThatOfNights: what the benchmark calls the shipped default trains as a night of an empty configuration does, but for
// the learning rate and the steps, which are those of the benchmark's small model.
func TestShippedDefaultIsThatOfNights(t *testing.T) {
	train := night.Defaults().Train
	all := continual.Methods()
	at := slices.IndexFunc(all, func(m continual.Method) bool { return m.Key == "default" })
	if at < 0 {
		t.Fatal("the benchmark has no method default")
	}
	m, b := all[at], continual.DefaultBudget()
	want := continual.Settings{Memory: 1, Limit: night.RehearsalLimit, Ratio: train.RehearsalRatio, KL: train.KLShare}
	if m.Settings != want || len(m.Grid) != 0 {
		t.Errorf("the benchmark's default is %+v, tuned over %v; a night's is %+v, not tuned", m.Settings, m.Grid, want)
	}
	if train.Objective != "sft" || train.RehearsalPolicy != "random" || train.RehearsalReplacement != "random" {
		t.Errorf("a night learns by %s, rehearses by %s and replaces by %s, which the benchmark's default does not", train.Objective, train.RehearsalPolicy, train.RehearsalReplacement)
	}
	if on := train.Methods.On(); len(on) > 0 {
		t.Errorf("a night has methods that the benchmark's default has not: %v", on)
	}
	if b.Rank != train.Rank || b.Alpha != train.Alpha || !slices.Equal(train.Modules, []string{"mlp"}) || !slices.Equal(b.Modules, arch.GPT2(arch.Shape{}).FeedForward()) || b.Warmup != train.Warmup || b.Clip != train.Clip {
		t.Errorf("the benchmark's budget is %+v, a night has %+v", b, train)
	}
}
