package nightrecord

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	at := time.Date(2026, 3, 2, 3, 4, 5, 0, time.UTC)
	n := Night{ID: "20260302-030405-00ff", Track: "support", State: Rejected, Reason: "the gate said no", By: "schedule", Started: at, Finished: at.Add(95 * time.Second),
		Selected: &Selected{New: 30, Subjects: 12, Rehearsal: 60, HeldOut: 9, Anchors: 40, Rejected: 2, Waiting: 1}, Curve: []CurvePoint{{Step: 1, Loss: 2.5}, {Step: 9, Loss: 0.75}},
		Verdict: &Verdict{Checks: []Check{{"gain", true, 0.5, 0.25, 0.75, 0, "better"}, {"retention", true, 0.01, -0.01, 0.02, 0.03, "kept"}, {"retention", false, 0.05, 0.02, 0.08, 0.05, "forgot"},
			{"evidence", true, 30, 30, 30, 20, "enough"}}}, Candidate: &Candidate{Version: 7, Digest: "sha256:00", Scale: 0.5},
		Linears: []Linear{{0, "mlp.c_fc", 100, 0.0625, false}, {0, "mlp.c_proj", 100, 0.25, true}, {1, "mlp.c_fc", 100, 0.6875, true}}}
	trial := &Trial{Steps: []TrialStep{{Began: at, Ended: at.Add(24 * time.Hour), Share: 0.05, People: 31, Decision: Widened,
		Tests: []TrialTest{{Name: "complaints", Pass: true, Events: 12, Candidate: 1, Expected: 0.6, P: 0.61, Limit: 0.025}, {Name: "latency", Events: 3, Candidate: 2, Expected: 0.15, P: 0.02, Limit: 0.025}}}}}
	n.Learned = &Learned{Objective: "kto", Imitated: 28, Preferences: 20, LeftOut: 1, Margin: 4.25, Accuracy: 0.95, Good: 8, Bad: 3, GoodReward: 1, BadReward: -2.5,
		Recorded: 30, Computed: 22, Apart: 2e-5, Reasons: map[string]int{"another version answered": 2}}
	sparsity := 0.6254
	n.Sparsity = &sparsity
	var b strings.Builder
	if err := n.Table(&b, trial); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"night         20260302-030405-00ff\n", "took          1m35s\n", "30 new examples of 12 people, 60 rehearsed", "2.5 at first, 0.75 at the end", "candidate     support@7 sha256:00, 0.5 of what was trained\n",
		"adapts 2 of 3 linears, marked *, with 200 parameters and 93.8 % of the new examples' squared gradients:\n", "  0      6.3 %     25 % *\n", "  1      68.8 % *  \n",
		"objective     kto: 28 examples imitated; 20 preferences, margin 4.25 nats, 95 % the right way round; 1 corrections make no pair; 8 good answers, +1.00 nats; 3 bad answers, -2.50 nats\n",
		"references    30 as recorded when served, 22 computed; those that were checked are at most 2e-05 nats per token apart; 2: another version answered\n",
		"sparsity      62.5 % of the trained parameters are exactly as before\n", "verdict: rejected\n", "  pass  gain       0.5    0.25 … 0.75   0      is it better on feedback that it never saw?\n",
		"  FAIL  retention  0.05   0.02 … 0.08   0.05   \n", "  pass  evidence   30                   20     did enough people say enough?\n", "  FAIL  retention: forgot\n",
		"  5 %    2026-03-02 03:04:05 UTC  24h0m0s  31      pass complaints  12      1            0.6       0.61  0.025  widened\n", "FAIL latency", "0.1",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Count(b.String(), "does it still know") != 1 {
		t.Errorf("a question is asked twice:\n%s", b.String())
	}
	b.Reset()
	if err := (Night{ID: "x", Track: "default", State: Queued, DryRun: true}).Table(&b, nil); err != nil || strings.Contains(b.String(), "verdict") || strings.Contains(b.String(), "took") || strings.Contains(b.String(), "objective") || strings.Contains(b.String(), "sparsity") {
		t.Errorf("a queued night (%v):\n%s", err, b.String())
	}
}

func TestTableOfAWarmStart(t *testing.T) {
	var b strings.Builder
	made := Night{ID: "a", Track: "warm-start", State: Published, WarmStart: &WarmStart{Tracks: []string{"x", "y"}, Rounds: 25, Asked: 8, Steps: []int{0, 30}, Zero: []float64{3, 2}, Reached: []float64{2.5, 0.75}}}
	if err := made.Table(&b, nil); err != nil {
		t.Fatal(err)
	}
	if err := (Night{ID: "b", Track: "x", State: Published, From: "warm-start@1"}).Table(&b, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"of 2 tracks in 25 rounds; 8 questions about answers that it has not seen, in nats per token: after 0 steps 2.5, without it 3; after 30 steps 0.75, without it 2\n", "warm-start@1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if !made.WarmStart.Helps() || (WarmStart{Steps: []int{3}, Zero: []float64{1}, Reached: []float64{1}}).Helps() || (WarmStart{}).Helps() {
		t.Error("a warm start helps if what begins with it knows more in the end, and not otherwise")
	}
}

// TestTableOfEditors says who was behind a night, how it held out, and what the gain was measured on.
func TestTableOfEditors(t *testing.T) {
	for _, c := range []struct {
		s    Selected
		want []string
	}{
		{Selected{New: 1, Editors: 1}, []string{"1 new examples by editors, ", "is it better on what the editors corrected?"}},
		{Selected{New: 15, Editors: 2, Subjects: 5, HeldOut: 6, HeldOutBy: ByQuestions}, []string{"15 new examples of 5 people and editors, who gave 2, ", "6 held out by questions and", "on feedback that it never saw?"}},
	} {
		var b strings.Builder
		if err := (Night{Selected: &c.s, Verdict: &Verdict{Checks: []Check{{Name: "gain", Pass: true}}}}).Table(&b, nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the table lacks %q:\n%s", want, b.String())
			}
		}
	}
}

func TestPlanTable(t *testing.T) {
	var b strings.Builder
	p := Plan{Track: "support", Needs: []Need{{Text: "1 of 20 examples"}, {Text: "3 of 3 people", Met: true}}, Sentences: []string{"It waits."}, Help: []string{"Say more."}}
	if err := p.Table(&b); err != nil || b.String() != "track support: a night started now would be skipped\n  It waits.\nwhat helps:\n  Say more.\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
	if got := p.Unmet(); len(got) != 1 || got[0] != "1 of 20 examples" {
		t.Errorf("unmet: %q", got)
	}
}
