package work

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nightshift/models/adapter"
	"nightshift/update/train/method"
)

// after runs a job that goes on from the candidate of another directory.
func after(t *testing.T, first string, change func(*Job)) (dir string, candidate *adapter.Adapter) {
	t.Helper()
	dir = copyJob(t, first, func(j *Job) {
		j.Champion, j.Seed = "champion", 9
		change(j)
	})
	must(t, os.CopyFS(filepath.Join(dir, "champion"), os.DirFS(filepath.Join(first, CandidateDir))))
	if _, err := os.Stat(filepath.Join(first, FastDir)); err == nil {
		must(t, os.CopyFS(filepath.Join(dir, "earlier"), os.DirFS(filepath.Join(first, FastDir))))
	}
	must(t, Run(t.Context(), dir, &bytes.Buffer{}))
	return dir, reading(t, dir, CandidateDir)
}

func reading(t *testing.T, dir, name string) *adapter.Adapter {
	t.Helper()
	a, err := adapter.Read(filepath.Join(dir, name))
	must(t, err)
	return a
}

// TestOrthogonalBlocks: a night beside a champion leaves its factors to the bit, adds a block that reads other directions, and
// learns. What is wider than it may be is cut to its best approximation, and what drifts keeps a part of the block.
func TestOrthogonalBlocks(t *testing.T) {
	first := job(t, nil)
	must(t, Run(t.Context(), first, &bytes.Buffer{}))
	champion := reading(t, first, CandidateDir)
	blocks := func(strength float64, maxRank int, change func(*Job)) (string, *adapter.Adapter) {
		return after(t, first, func(j *Job) {
			j.Train.Rank, j.Train.Alpha = 3, 6
			j.Train.Methods = method.Settings{Orthogonal: strength, OrthogonalRank: maxRank}
			if change != nil {
				change(j)
			}
		})
	}
	overlap := func(a *adapter.Adapter) (sum float64) { // ‖EᵀA‖² of the champion's and the block's A
		for _, target := range a.Targets() {
			in, _ := a.Dims(target)
			f := a.Factors[target].A
			for x := range 4 {
				for k := 4; k < 7; k++ {
					product := 0.0
					for i := range in {
						product += float64(f[i*7+x]) * float64(f[i*7+k])
					}
					sum += product * product
				}
			}
		}
		return sum
	}
	dir, wide := blocks(20, 7, nil)
	e := evaluation(t, dir)
	if c := wide.Config; c.Rank != 7 || c.Scale() != champion.Config.Scale() || e.Cut != nil {
		t.Fatalf("the candidate has rank %d and scale %g, the champion scale %g; cut %+v", c.Rank, c.Scale(), champion.Config.Scale(), e.Cut)
	}
	for target, f := range champion.Factors {
		g := wide.Factors[target]
		in, out := champion.Dims(target)
		if !slices.Equal(f.B, g.B[:4*out]) {
			t.Errorf("%s: the champion's B changed", target)
		}
		for i := range in {
			if !slices.Equal(f.A[i*4:(i+1)*4], g.A[i*7:][:4]) {
				t.Fatalf("%s: row %d of the champion's A changed", target, i)
			}
		}
		if !slices.ContainsFunc(g.B[4*out:], func(v float32) bool { return v != 0 }) {
			t.Errorf("%s: the block learned nothing", target)
		}
	}
	sum := func(list []float64) (s float64) {
		for _, v := range list {
			s += v
		}
		return s
	}
	if sum(e.Gain.Candidate) >= sum(e.Gain.Champion) {
		t.Errorf("held-out loss %g, the champion's %g", sum(e.Gain.Candidate), sum(e.Gain.Champion))
	}
	_, free := blocks(1e-12, 7, nil)
	if held, without := overlap(wide), overlap(free); held > without/4 {
		t.Errorf("the block overlaps the champion by %g, without a penalty by %g", held, without)
	}

	dir, cut := blocks(20, 5, nil)
	want, lost, err := adapter.Merge(wide.Config.Ranked(5), adapter.Part{Adapter: wide, Weight: 1})
	must(t, err)
	if c := evaluation(t, dir).Cut; c == nil || *c != (Cut{7, 5, lost}) || lost <= 0 || lost >= 1 || digest(t, cut) != digest(t, want) {
		t.Errorf("cut %+v to rank %d, want to rank 5 with %g lost", c, cut.Config.Rank, lost)
	}

	_, part := blocks(20, 7, func(j *Job) { j.Drift = DriftBound{Limit: 1e-9, Prompts: 8} })
	for target, f := range wide.Factors {
		_, out := champion.Dims(target)
		g := part.Factors[target]
		if !slices.Equal(f.A, g.A) || !slices.Equal(f.B[:4*out], g.B[:4*out]) {
			t.Errorf("%s: a part of the change moves more than B of the block", target)
		}
		for i := 4 * out; i < 7*out; i++ {
			if g.B[i] != 0.25*f.B[i] {
				t.Fatalf("%s: %g of %g is left", target, g.B[i], f.B[i])
			}
		}
	}
}

func digest(t *testing.T, a *adapter.Adapter) string {
	t.Helper()
	d, err := a.Digest()
	must(t, err)
	return d
}

// apartBy is the norm of Σ weight·addition of the parts, and that of what is left of it when a's is taken away.
func apartBy(a *adapter.Adapter, parts ...adapter.Part) (difference, whole float64) {
	for _, target := range a.Targets() {
		in, out := a.Dims(target)
		for i := range in {
			for j := range out {
				sum := 0.0
				for _, p := range parts {
					f, r := p.Adapter.Factors[target], p.Adapter.Config.Rank
					for k := range r {
						sum += p.Weight * p.Adapter.Config.Scale() * float64(f.A[i*r+k]) * float64(f.B[k*out+j])
					}
				}
				got, f, r := 0.0, a.Factors[target], a.Config.Rank
				for k := range r {
					got += a.Config.Scale() * float64(f.A[i*r+k]) * float64(f.B[k*out+j])
				}
				difference, whole = difference+(sum-got)*(sum-got), whole+sum*sum
			}
		}
	}
	return math.Sqrt(difference), math.Sqrt(whole)
}

// TestSlowLearner goes through three nights: the first has one learner, the second goes on from it twice, and the third goes on from the
// second's fast learner and not from its candidate, which is the slow one.
func TestSlowLearner(t *testing.T) {
	plain := job(t, nil)
	must(t, Run(t.Context(), plain, &bytes.Buffer{}))
	first := copyJob(t, plain, func(j *Job) { j.Train.Methods.Slow = 0.75 })
	must(t, Run(t.Context(), first, &bytes.Buffer{}))
	begin := reading(t, first, CandidateDir)
	if d := digest(t, reading(t, plain, CandidateDir)); digest(t, begin) != d || digest(t, reading(t, first, FastDir)) != d {
		t.Error("the first night's two learners are not the one that it trained")
	}
	second, slow := after(t, first, func(j *Job) { j.Origin = "earlier" })
	fast := reading(t, second, FastDir)
	cut := evaluation(t, second).Cut
	difference, whole := apartBy(slow, adapter.Part{Adapter: begin, Weight: 0.75}, adapter.Part{Adapter: fast, Weight: 0.25})
	if cut == nil || slow.Config.Rank != 4 || math.Abs(difference-cut.Lost*whole) > 1e-5*whole {
		t.Errorf("the slow learner is %g away from three quarters of the champion and one of the fast one, which has norm %g; cut %+v", difference, whole, cut)
	}
	if moved, _ := apartBy(fast, adapter.Part{Adapter: begin, Weight: 1}); moved == 0 {
		t.Error("the fast learner stands still")
	}
	third, _ := after(t, second, func(j *Job) { j.Origin, j.Train.Rate = "earlier", 1e-9 })
	if moved, norm := apartBy(reading(t, third, FastDir), adapter.Part{Adapter: fast, Weight: 1}); moved > 1e-4*norm {
		t.Errorf("at no rate the fast learner moved by %g of %g", moved, norm)
	}
	tight, part := after(t, first, func(j *Job) { j.Origin, j.Drift = "earlier", DriftBound{Limit: 1e-9, Prompts: 8} })
	cut = evaluation(t, tight).Cut
	kept := evaluation(t, tight).Drift.Scale() * 0.25
	difference, whole = apartBy(part, adapter.Part{Adapter: begin, Weight: 1 - kept}, adapter.Part{Adapter: fast, Weight: kept})
	if kept == 0.25 || math.Abs(difference-cut.Lost*whole) > 1e-5*whole {
		t.Errorf("a part of the change is %g of %g away from where it should lie; cut %+v", difference, whole, cut)
	}
}
