package gate

import (
	"math"
	"strings"
	"testing"
	"time"
)

// set makes a set of n examples of ten tokens each whose scores are before and before+change(i).
func set(name string, n int, before float64, change func(i int) float64) Paired {
	p := Paired{Name: name}
	for i := range n {
		p.Tokens = append(p.Tokens, 10)
		p.Champion = append(p.Champion, before)
		p.Reference = append(p.Reference, before)
		p.Candidate = append(p.Candidate, before+change(i))
	}
	return p
}

// good is an evaluation, evidence and limits with which every check passes.
func good() (Evaluation, Evidence, Limits) {
	behaviour := Behaviour{Answers: 40, Repetition: 0.05, MeanLength: 20, EndRate: 0.95}
	return Evaluation{
			Gain:               set("heldout", 30, 20, func(i int) float64 { return -5 - float64(i%3) }),
			Anchors:            []Paired{set("anchor", 50, 10, func(i int) float64 { return 0.1 * float64(i%3-1) })},
			Drift:              Drift{Top: 8, Tried: []Scaled{{Scale: 1, Tokens: []int{10, 20}, Nats: []float64{0.2, 1.6}}}},
			ChampionBehaviour:  behaviour,
			CandidateBehaviour: behaviour,
		}, Evidence{Examples: 100, Subjects: 12, Youngest: 2 * time.Hour, LargestShare: 0.2},
		Defaults()
}

func TestJudgeAccepts(t *testing.T) {
	v := Judge(good())
	if !v.Pass {
		t.Fatalf("verdict %+v", v)
	}
	names := map[string]int{}
	for _, c := range v.Checks {
		names[c.Name]++
		if c.Detail == "" || c.Low > c.Value || c.Value > c.High {
			t.Errorf("check %+v: its value lies outside its interval, or it has no sentence", c)
		}
	}
	if names["gain"] != 1 || names["retention"] != 2 || names["drift"] != 1 || names["behaviour"] != 4 || names["evidence"] != 4 {
		t.Errorf("checks %v", names)
	}
}

func TestJudgeRejects(t *testing.T) {
	for _, c := range []struct {
		name, check, detail string
		change              func(e *Evaluation, ev *Evidence, l *Limits)
	}{
		{"no held-out examples", "gain", "no examples", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Gain = Paired{Name: "heldout"} }},
		{"worse on held-out feedback", "gain", "nats per token better", func(e *Evaluation, _ *Evidence, _ *Limits) {
			e.Gain = set("heldout", 30, 20, func(i int) float64 { return 1 + float64(i%2) })
		}},
		{"no change", "gain", "must be above 0", func(e *Evaluation, _ *Evidence, _ *Limits) {
			e.Gain = set("heldout", 30, 20, func(int) float64 { return 0 })
		}},
		{"one great win among losses", "gain", "sign test", func(e *Evaluation, _ *Evidence, _ *Limits) {
			e.Gain = set("heldout", 30, 2000, func(i int) float64 {
				if i < 10 {
					return -900
				}
				return 0.1
			})
		}},
		{"too few to tell", "gain", "sign test p = 0.062", func(e *Evaluation, _ *Evidence, _ *Limits) {
			e.Gain = set("heldout", 4, 20, func(int) float64 { return -5 })
		}},
		{"one person among many gains", "gain", "of 5 people)", func(e *Evaluation, _ *Evidence, _ *Limits) {
			e.Gain = set("heldout", 30, 20, func(i int) float64 {
				if i < 26 {
					return -5
				}
				return 1
			})
			e.Gain.People = append(make([]int, 26), 1, 2, 3, 4)
		}},
		{"people missing", "gain", "30 examples and 1 people", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Gain.People = []int{1} }},
		{"scores missing", "gain", "30 examples and 29 scores", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Gain.Candidate = e.Gain.Candidate[1:] }},
		{"score is no number", "gain", "NaN", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Gain.Candidate[3] = math.NaN() }},
		{"score is infinite", "gain", "+Inf", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Gain.Champion[3] = math.Inf(1) }},
		{"no tokens", "gain", "0 scored tokens", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Gain.Tokens[3] = 0 }},
		{"no anchors", "retention", "no anchor set", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Anchors = nil }},
		{"empty anchors", "retention", "no examples", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Anchors[0] = Paired{Name: "anchor"} }},
		{"forgets against the champion", "retention", "against the champion", func(e *Evaluation, _ *Evidence, _ *Limits) {
			e.Anchors[0] = set("anchor", 50, 10, func(int) float64 { return 0.4 })
			for i := range e.Anchors[0].Reference {
				e.Anchors[0].Reference[i] = 12
			}
		}},
		{"ratchets away from the reference", "retention", "against the fixed reference", func(e *Evaluation, _ *Evidence, _ *Limits) {
			for i := range e.Anchors[0].Reference {
				e.Anchors[0].Reference[i] = 9.3
			}
		}},
		{"reference scores missing", "retention", "50 examples and 1 scores", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Anchors[0].Reference = []float64{1} }},
		{"no reference scores", "retention", "50 examples and 0 scores", func(e *Evaluation, _ *Evidence, _ *Limits) { e.Anchors[0].Reference = nil }},
		{"a second anchor set is forgotten", "retention", "anchor set other", func(e *Evaluation, _ *Evidence, _ *Limits) {
			e.Anchors = append(e.Anchors, set("other", 20, 10, func(int) float64 { return 2 }))
		}},
		{"nothing answered", "behaviour", "no prompt was answered", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.Answers = 0 }},
		{"repeats itself", "behaviour", "repetitive", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.Repetition = 0.08 }},
		{"repetition is no number", "behaviour", "not a number", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.Repetition = math.NaN() }},
		{"does not end", "behaviour", "end by themselves", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.EndRate = 0.8 }},
		{"answers fail", "behaviour", "failed answers: 1", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.NonFinite = 1 }},
		{"blocked phrase", "behaviour", "blocked phrase: 2", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.Blocked = 2 }},
		{"rambles", "behaviour", "mean answer length: 25.0", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.MeanLength = 25 }},
		{"curt", "behaviour", "mean answer length: 15.0", func(e *Evaluation, _ *Evidence, _ *Limits) { e.CandidateBehaviour.MeanLength = 15 }},
		{"the champion says nothing", "behaviour", "answers are empty", func(e *Evaluation, _ *Evidence, _ *Limits) { e.ChampionBehaviour.MeanLength = 0 }},
		{"few examples", "evidence", "new examples: 11", func(_ *Evaluation, ev *Evidence, _ *Limits) { ev.Examples = 11 }},
		{"no examples at all", "evidence", "new examples: 0", func(_ *Evaluation, ev *Evidence, l *Limits) { ev.Examples, l.MinExamples = 0, 0 }},
		{"few people", "evidence", "people behind them: 2", func(_ *Evaluation, ev *Evidence, _ *Limits) { ev.Subjects = 2 }},
		{"one loud person", "evidence", "share of one person: 60 %", func(_ *Evaluation, ev *Evidence, _ *Limits) { ev.LargestShare = 0.6 }},
		{"share is no number", "evidence", "not a number", func(_ *Evaluation, ev *Evidence, _ *Limits) { ev.LargestShare = math.NaN() }},
		{"too fresh", "evidence", "age of the newest", func(_ *Evaluation, ev *Evidence, _ *Limits) { ev.Youngest = time.Minute }},
		{"a limit is no number", "retention", "limit is not a number", func(_ *Evaluation, _ *Evidence, l *Limits) { l.RetentionChampion = math.NaN() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, ev, l := good()
			c.change(&e, &ev, &l)
			v := Judge(e, ev, l)
			if v.Pass {
				t.Fatal("the candidate passed")
			}
			for _, k := range v.Checks {
				if k.Name != c.check && !k.Pass {
					t.Errorf("%s failed as well: %s", k.Name, k.Detail)
				}
				if !finite(k.Value) || !finite(k.Low) || !finite(k.High) || !finite(k.Limit) {
					t.Errorf("check %+v holds what JSON cannot", k)
				}
				if k.Name == c.check && !k.Pass && strings.Contains(k.Detail, c.detail) {
					return
				}
			}
			t.Errorf("no failed check %s says %q: %+v", c.check, c.detail, v.Checks)
		})
	}
}
