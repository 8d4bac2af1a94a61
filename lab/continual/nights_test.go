package continual

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/train"
	"nightshift/update/train/method"
	"nightshift/update/work"
)

// TestNightsRunTheSame takes every method of nights through two tasks as the benchmark does, and has a night learn the second one from the
// same champion, examples and seed: both come to the same parameters, bit for bit, so that what is measured is what nights run.
func TestNightsRunTheSame(t *testing.T) {
	opt := small(t, Naive)
	opt.Budget.Steps, opt.Budget.Warmup = 6, 0 // a night warms up for a share of other steps
	l, err := newLearner(opt.Model, opt.Budget)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	course := TaskCourse([]int{0, 1}, Final, Test, 1, opt.Sizes)
	covered := map[string]bool{}
	for _, m := range Methods() {
		on := m.Settings.On()
		for _, key := range on {
			covered[key] = true
		}
		if len(on) == 0 || m.blocks { // a night widens its adapter by a block, the benchmark's holds all blocks from the start
			continue
		}
		t.Run(m.Key, func(t *testing.T) {
			s := m.Settings
			s.Memory = 1 // a night has all of the first task to rehearse
			r, err := l.newRun(m, s, course, 1)
			if err != nil {
				t.Fatal(err)
			}
			learn := func(phase int) {
				if err := r.learn(t.Context(), phase, course.Phases[phase], 1); err != nil {
					t.Fatal(err)
				}
			}
			learn(0)
			dir := nightJob(t, r, course.Phases[1])
			r.method.prepare = func(_ *run, f *method.Run) error { // as nights end
				f.Options.Until = work.Ending(opt.Budget.Steps)
				return nil
			}
			learn(1)
			if err := work.Run(t.Context(), dir, &bytes.Buffer{}); err != nil {
				t.Fatal(err)
			}
			a, err := adapter.Read(filepath.Join(dir, work.CandidateDir))
			if err != nil {
				t.Fatal(err)
			}
			if got := flat(a, r); !slices.Equal(got, r.params) {
				far := 0.0
				for i := range got {
					far += float64(got[i]-r.params[i]) * float64(got[i]-r.params[i])
				}
				t.Errorf("the night's candidate is another one than the benchmark's: the square of their distance is %g", far)
			}
		})
	}
	for _, m := range method.Table {
		if !covered[m.Key] && m.Key != "average" && m.Key != "slow" {
			t.Errorf("the benchmark has no method with %s", m.Key)
		}
	}
}

// nightJob is the work directory of a night that learns a phase after what a run has learned.
func nightJob(t *testing.T, r *run, p Phase) string {
	t.Helper()
	dir, b, m := t.TempDir(), r.learner.budget, r.learner.model
	champion := &adapter.Adapter{Config: adapter.Config{Rank: b.Rank, Alpha: b.Alpha, Modules: b.Modules}, Factors: map[arch.Target]adapter.Factors{}}
	rest := r.params
	for _, target := range r.learner.trainable.Targets {
		in, out, err := m.Base.Config.Dims(target.Module)
		if err != nil {
			t.Fatal(err)
		}
		champion.Factors[target] = adapter.Factors{A: rest[:in*b.Rank], B: rest[in*b.Rank : (in+out)*b.Rank]}
		rest = rest[(in+out)*b.Rank:]
	}
	if err := champion.Write(filepath.Join(dir, "champion")); err != nil {
		t.Fatal(err)
	}
	job := work.Job{ModelDir: m.Checkpoint.Dir(), CacheDir: t.TempDir(), Threads: 1, Track: "default", Seed: rand.New(rand.NewPCG(r.seed, 1)).Uint64(), Champion: "champion", Reference: "champion",
		Train: work.Train{Rank: b.Rank, Alpha: b.Alpha, Modules: b.Modules, Rate: b.Rate, Epochs: 1000, MaxSteps: b.Steps, Warmup: b.Warmup, Clip: b.Clip,
			Rows: b.Rows, Columns: b.Columns, Micro: 1, Rehearsal: r.settings.Ratio, Teacher: train.TeacherTokens, Methods: r.settings.Settings}}
	if shapes, err := r.learner.trainable.Parameters(m.Base.Config); err != nil {
		t.Fatal(err)
	} else if r.settings.Carries() {
		data, err := r.importances.Encode(shapes)
		if err != nil {
			t.Fatal(err)
		}
		job.Importances = "importances"
		if err := os.WriteFile(filepath.Join(dir, job.Importances), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var items bytes.Buffer
	out := json.NewEncoder(&items)
	put := func(use string, list []train.Sequence) {
		for _, q := range list {
			text, err := m.Tokenizer.Decode(nil, q.Tokens[q.Prompt:len(q.Tokens)-1]...)
			if err != nil {
				t.Fatal(err)
			}
			it := selection.Item{Use: use, Weight: 1, Example: replaystore.Example{ID: q.ID, Kind: replaystore.SFT, PromptTokens: q.Tokens[:q.Prompt], Completion: string(text)}}
			if err := out.Encode(it); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(selection.New, m.Sequences(p.Learn))
	put(selection.Rehearsal, r.memory)
	put(selection.HeldOut, m.Sequences(p.Learn)[:1])
	if err := os.WriteFile(filepath.Join(dir, work.SelectionFile), items.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, work.JobFile), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// flat is an adapter in the order of training.
func flat(a *adapter.Adapter, r *run) []float32 {
	var params []float32
	for _, target := range r.learner.trainable.Targets {
		f := a.Factors[target]
		params = append(append(params, f.A...), f.B...)
	}
	return params
}
