package work

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/models/quantize"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/train"
	"nightshift/update/train/method"
)

// feedback are the settings that the tests learn preferences and ratings with.
func feedback(j *Job, objective string) {
	j.Train.Objective, j.Train.Preferences, j.Train.Ratings = objective, Preferences{Share: 1, Beta: 0.3, ChangedOnly: true}, Ratings{Share: 1, Beta: 0.3}
}

// say makes items of a question and what is said of an answer to it.
func say(kind replaystore.ExampleKind, id, prompt, answer string, change func(*selection.Item)) selection.Item {
	it := selection.Item{Use: selection.New, Weight: 1, Example: replaystore.Example{ID: id, Kind: kind, Completion: answer,
		Prompt: []replaystore.Message{{Role: replaystore.RolePrompt, Content: prompt}}}}
	if change != nil {
		change(&it)
	}
	return it
}

// opinions are a correction of each fact, and for objectives with ratings a good and a bad answer of each as well.
func opinions(objective string) []selection.Item {
	var items []selection.Item
	for i, f := range facts {
		wrong := []string{"who knows", "ask him", "quack quack", "bah"}[i]
		items = append(items, say(replaystore.Preference, "pair of "+f[0], "price of "+f[0], "", func(it *selection.Item) { it.Chosen, it.Rejected = f[1], wrong }))
		if objective != selection.DPO {
			items = append(items, say(replaystore.Unpaired, "good "+f[0], "cost of "+f[0], f[1], func(it *selection.Item) { it.Good = true }),
				say(replaystore.Unpaired, "bad "+f[0], "cost of "+f[0], wrong, nil))
		}
	}
	return items
}

// objectiveJob is a job that learns opinions in place of the facts.
func objectiveJob(t *testing.T, objective string, items []selection.Item, change func(*Job)) string {
	t.Helper()
	dir := job(t, func(j *Job) {
		feedback(j, objective)
		if change != nil {
			change(j)
		}
	})
	var j Job
	must(t, read(dir, JobFile, &j))
	old, _, err := readSelection(dir)
	must(t, err)
	for _, it := range old {
		if it.Use != selection.New {
			items = append(items, it)
		}
	}
	put(t, dir, j, items)
	return dir
}

// losses are the nats per token of plain items with the candidate of a run, or with the base model for "".
func losses(t *testing.T, from, candidate string, items []selection.Item) []float64 {
	t.Helper()
	var j Job
	must(t, read(from, JobFile, &j))
	dir := t.TempDir()
	j.Measure = &Measures{Losses: true}
	if candidate != "" {
		j.Champion = "champion"
		must(t, os.CopyFS(filepath.Join(dir, "champion"), os.DirFS(filepath.Join(candidate, CandidateDir))))
	}
	put(t, dir, j, items)
	must(t, Run(t.Context(), dir, &bytes.Buffer{}))
	data, err := os.ReadFile(filepath.Join(dir, MeasuresFile))
	must(t, err)
	var list []float64
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var m selection.Measure
		must(t, json.Unmarshal(line, &m))
		list = append(list, m.Loss)
	}
	return list
}

// TestObjectives: with each objective corrections gain on what they correct and bad answers become less likely, as another pass
// over both versions measures too; and a run that is killed and run again comes to the same candidate.
func TestObjectives(t *testing.T) {
	for _, objective := range []string{selection.DPO, selection.KTO, selection.APO} {
		t.Run(objective, func(t *testing.T) {
			items := opinions(objective)
			dir := objectiveJob(t, objective, items, nil)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if err := Run(ctx, dir, &stopAt{3, stop}); !errors.Is(err, context.Canceled) {
				t.Fatalf("killed: %v", err)
			}
			var out bytes.Buffer
			must(t, Run(t.Context(), dir, &out))
			e := evaluation(t, dir)
			again := copyJob(t, dir, func(*Job) {})
			must(t, Run(t.Context(), again, &bytes.Buffer{}))
			if got := evaluation(t, again).Candidate; got != e.Candidate {
				t.Errorf("run again it made %s, the first time %s", got, e.Candidate)
			}
			checkLearned(t, objective, e.Learned)
			checkFigures(t, dir, out.Bytes(), objective)

			var better, worse, bad []selection.Item
			for _, it := range items {
				switch {
				case it.Kind == replaystore.Preference:
					better = append(better, selection.Plain(it))
					it.Kind, it.Completion = replaystore.SFT, it.Rejected
					worse = append(worse, it)
				case !it.Good:
					it.Kind = replaystore.SFT
					bad = append(bad, it)
				}
			}
			before, after := losses(t, dir, "", slices.Concat(better, worse, bad)), losses(t, dir, dir, slices.Concat(better, worse, bad))
			gained := func(i int) float64 { return before[i] - after[i] }
			n := len(facts)
			for i := range n {
				if gained(i) < 0.5 || gained(i) < gained(n+i)+0.5 {
					t.Errorf("correction %d gained %.3f nats per token, what it corrects %.3f", i, gained(i), gained(n+i))
				}
				if len(bad) > 0 && gained(2*n+i) >= 0 {
					t.Errorf("bad answer %d gained %.3f nats per token", i, gained(2*n+i))
				}
			}
		})
	}
}

// checkLearned holds what a run says of itself to what it was given.
func checkLearned(t *testing.T, objective string, l *ObjectiveReport) {
	t.Helper()
	n := len(facts)
	if l == nil || l.Objective != objective || l.Preferences != n || l.LeftOut != 0 || l.End.Margin < 3 || l.End.Accuracy != 1 {
		t.Fatalf("learned %+v", l)
	}
	imitated, rated, answers := n, 0, 2*n
	if objective != selection.DPO {
		imitated, rated, answers = 2*n, n, 4*n
		if l.End.GoodReward < 1 || l.End.BadReward > -1 {
			t.Errorf("rewards %+v", l.End)
		}
	}
	if objective == selection.KTO {
		answers += 2 * n // completions of other prompts
	}
	if l.Imitated != imitated || l.Good != rated || l.Bad != rated || l.References.Recorded != 0 || l.References.Computed != answers {
		t.Errorf("learned %+v, want %d imitated, %d good and bad, %d references", l, imitated, rated, answers)
	}
}

// checkFigures looks for the objective's figures in the curve and in the lines of progress.
func checkFigures(t *testing.T, dir string, out []byte, objective string) {
	t.Helper()
	curve, err := os.ReadFile(filepath.Join(dir, CurveFile))
	must(t, err)
	var first, last struct {
		train.Step
		Objective *train.ObjectiveStep
	}
	points := bytes.Split(bytes.TrimSpace(curve), []byte("\n"))
	must(t, json.Unmarshal(points[0], &first))
	must(t, json.Unmarshal(points[len(points)-1], &last))
	if last.Objective == nil || !(last.Objective.Margin > first.Objective.Margin+3) || last.Step.Step != len(points) || last.Objective.Loss > last.Loss {
		t.Errorf("the curve goes from %+v to %+v", first, last)
	}
	want := map[string]bool{"margin": true, "accuracy": true, "preference_loss": true}
	for _, key := range []string{"good_reward", "bad_reward", "baseline", "rated_loss"} {
		want[key] = objective != selection.DPO
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var p ProgressLine
		must(t, json.Unmarshal(lines.Bytes(), &p))
		for key, there := range want {
			if _, ok := p.Values[key]; p.Stage == "train" && ok != there {
				t.Fatalf("%s in a line of progress: %t; %s", key, ok, lines.Text())
			}
		}
	}
}

// prepared is a worker of a job without the work.
func prepared(t *testing.T, dir string) (*worker, []selection.Item) {
	t.Helper()
	ort.ForTest(t)
	var j Job
	must(t, read(dir, JobFile, &j))
	items, _, err := readSelection(dir)
	must(t, err)
	m, err := engine.LoadModelAs(j.ModelDir, j.CacheDir, j.Weights)
	must(t, err)
	j.Train.Columns = min(j.Train.Columns, m.Config.Context)
	return &worker{dir: dir, job: j, model: m, bad: bad(items), lines: json.NewEncoder(&bytes.Buffer{})}, items
}

// TestNothingBadIsImitated: not an answer that was called bad, not one that others call good or correct to, and not what is
// rehearsed; in no source, and so not by the teacher or by importances, which take the same lists. Nor is what was corrected.
func TestNothingBadIsImitated(t *testing.T) {
	items := slices.Concat(opinions(selection.KTO), []selection.Item{
		say(replaystore.Unpaired, "bad one", "who are you", "a robot", nil),
		say(replaystore.Unpaired, "good to others", "who are you", "a robot", func(it *selection.Item) { it.Good = true }),
		say(replaystore.SFT, "approved by others", "who are you", "a robot", nil),
		say(replaystore.Preference, "corrected to it", "who are you", "", func(it *selection.Item) { it.Chosen, it.Rejected = "a robot", "a desk" }),
		say(replaystore.SFT, "remembered", "who are you", "a robot", func(it *selection.Item) { it.Use = selection.Rehearsal }),
		say(replaystore.SFT, "remembered otherwise", "who are you", "a shop", func(it *selection.Item) { it.Use = selection.Rehearsal }),
	})
	for name, methods := range map[string]method.Settings{"mixed": {}, "rounds": {RoundSteps: 2, RoundShare: 0.5}, "projection": {Project: true}} {
		dir := objectiveJob(t, selection.KTO, items, func(j *Job) { j.Train.Methods = methods })
		w, all := prepared(t, dir)
		l, err := w.lessons(all)
		must(t, err)
		text := func(s train.Sequence) string {
			decoded, err := w.model.Tokenizer.Decode(nil, s.Tokens...)
			must(t, err)
			return string(decoded)
		}
		forbidden := map[string]bool{}
		for _, r := range l.rated {
			if !r.Good {
				forbidden[text(r.Sequence)] = true
			}
		}
		for _, p := range l.preferences {
			forbidden[text(p.Rejected.Sequence)] = true
		}
		if len(forbidden) != 2*len(facts)+2 || len(l.rated) != 2*len(facts)+2 || len(l.preferences) != len(facts)+1 || len(l.rehearsed) != 2 || len(l.fresh) != 2*len(facts) {
			t.Fatalf("%d forbidden, %d rated, %d preferences, %d rehearsed, %d fresh", len(forbidden), len(l.rated), len(l.preferences), len(l.rehearsed), len(l.fresh))
		}
		trainable, err := w.trainable()
		must(t, err)
		start, err := w.start(trainable)
		must(t, err)
		r, err := w.prepare(t.Context(), trainable, start, l)
		must(t, err)
		sources := []train.Source{r.Source}
		if r.Options.Projection != nil {
			sources = append(sources, r.Options.Projection.Source)
		}
		random, drawn := rand.New(rand.NewPCG(1, 2)), map[string]bool{} //nolint:gosec // a test
		for range 200 {
			for _, source := range sources {
				for _, s := range source(random, 2, 32) {
					drawn[text(s)] = true
					if forbidden[text(s)] {
						t.Fatalf("%s imitates %q", name, text(s))
					}
				}
			}
		}
		if want := len(l.fresh) + len(l.rehearsed); len(drawn) != want {
			t.Errorf("%s imitates %d examples, want %d", name, len(drawn), want)
		}
		unchanged, err := w.unchanged(all)
		must(t, err)
		for _, s := range unchanged {
			if forbidden[text(s)] {
				t.Errorf("drift counts it if %q changes", text(s))
			}
		}
	}
}

// TestOnlyBadAnswers: a night of complaints alone has nothing to imitate; every method runs, with rehearsal and without, and what
// importances there are is carried on.
func TestOnlyBadAnswers(t *testing.T) {
	var items []selection.Item
	for _, it := range opinions(selection.APO) {
		if it.Kind == replaystore.Unpaired && !it.Good {
			items = append(items, it)
		}
	}
	for name, methods := range map[string]method.Settings{"plain": {}, "rounds": {RoundSteps: 2, RoundShare: 0.5}, "project": {Project: true}, "auto": {},
		"carried": {EWC: 1, EWCOn: method.OnFactors, EWCKeep: 0.5, SI: 1, SIDamping: 1e-2}} {
		for _, rehearse := range []bool{true, false} {
			dir := objectiveJob(t, selection.APO, items, func(j *Job) {
				j.Train.Methods, j.Train.Epochs, j.Drift = methods, 100, DriftBound{Limit: 100, Prompts: 4}
				if name == "auto" {
					j.Train.Modules = []string{Auto}
				}
			})
			if !rehearse {
				rewrite(t, dir, func(*Job) {}, selection.Rehearsal)
			}
			must(t, Run(t.Context(), dir, &bytes.Buffer{}))
			if l := evaluation(t, dir).Learned; l == nil || l.Imitated != 0 || l.Preferences != 0 || l.Good != 0 || l.Bad != len(facts) || l.End.BadReward > -0.1 {
				t.Errorf("%s, with rehearsal %t: learned %+v", name, rehearse, l)
			}
			if name != "carried" {
				continue
			}
			next := copyJob(t, dir, func(j *Job) { j.Champion, j.Importances = CandidateDir, ImportancesFile })
			must(t, os.CopyFS(filepath.Join(next, CandidateDir), os.DirFS(filepath.Join(dir, CandidateDir))))
			data, err := os.ReadFile(filepath.Join(dir, ImportancesFile))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(next, ImportancesFile), data, 0o600))
			must(t, Run(t.Context(), next, &bytes.Buffer{}))
		}
	}
}

// TestObjectiveGoesOnFromAChampion: what answers are worth is measured from the version that serves, also where training begins
// elsewhere or in a block beside its factors.
func TestObjectiveGoesOnFromAChampion(t *testing.T) {
	first := objectiveJob(t, selection.DPO, opinions(selection.DPO), nil)
	must(t, Run(t.Context(), first, &bytes.Buffer{}))
	before := losses(t, first, first, []selection.Item{selection.Plain(opinions(selection.DPO)[0])})[0]
	for name, methods := range map[string]method.Settings{"alone": {}, "slow": {Slow: 0.5}, "block": {Orthogonal: 1, OrthogonalRank: 8}} {
		dir := copyJob(t, first, func(j *Job) { j.Champion, j.Train.Methods, j.Train.Rate = "champion", methods, 1e-9 })
		must(t, os.CopyFS(filepath.Join(dir, "champion"), os.DirFS(filepath.Join(first, CandidateDir))))
		must(t, Run(t.Context(), dir, &bytes.Buffer{}))
		if l := evaluation(t, dir).Learned; l.Preferences != len(facts) || math.Abs(l.End.Margin) > 1e-2 {
			t.Errorf("%s: without any step to speak of, learned %+v", name, l)
		}
		if name == "block" { // of more rank than the job that measures asks for
			continue
		}
		if after := losses(t, first, dir, []selection.Item{selection.Plain(opinions(selection.DPO)[0])}); math.Abs(after[0]-before) > 1e-2 {
			t.Errorf("%s: the candidate's loss is %g, the champion's %g", name, after[0], before)
		}
	}
}

// TestHowServedAnswersAreRead: tokens as they were said where they spell the text, and an end only where there was one.
func TestHowServedAnswersAreRead(t *testing.T) {
	w, _ := prepared(t, objectiveJob(t, selection.DPO, opinions(selection.DPO), nil))
	tok := w.model.Tokenizer
	one := func(text string) (ids []int32) { // a byte at a time, as no encoder would
		for _, b := range []byte(text) {
			ids = append(ids, tok.Encode(nil, string(b))...)
		}
		return ids
	}
	whole, end := tok.Encode(nil, "forty"), tok.EOS()
	user, _ := tok.ID("<|user|>")
	w.model.Ends = append(w.model.Ends, whole[0]) // no special token, and not the one that is taught
	if slices.Equal(whole, one("forty")) {
		t.Fatal("the vocabulary has no merge for forty")
	}
	for _, c := range []struct {
		name   string
		served *selection.Served
		want   []int32
	}{
		{"not recorded", nil, append(slices.Clone(whole), end)},
		{"as it was said", &selection.Served{Answer: append(one("forty"), end), Finish: "stop"}, append(one("forty"), end)},
		{"cut off", &selection.Served{Answer: one("forty"), Finish: "length"}, one("forty")},
		{"ended by a stop string", &selection.Served{Answer: one("forty."), Finish: "stop"}, append(slices.Clone(whole), end)},
		{"without tokens", &selection.Served{Finish: "cancelled"}, whole},
		{"without anything", &selection.Served{}, append(slices.Clone(whole), end)},
		{"with a special token in it", &selection.Served{Answer: append(slices.Insert(one("forty"), 2, user), end), Finish: "stop"}, append(slices.Clone(whole), end)},
		{"ended by another end", &selection.Served{Answer: append(one("forty"), whole[0]), Finish: "stop"}, append(one("forty"), whole[0])},
		{"of another vocabulary", &selection.Served{Answer: []int32{1 << 20}, Finish: "stop"}, append(slices.Clone(whole), end)},
	} {
		got, served := w.answered(say(replaystore.Preference, "x", "p", "", func(it *selection.Item) { it.Served = c.served }), "forty")
		if !slices.Equal(got, c.want) || (served == nil) != (c.served == nil) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, served, c.want)
		}
	}
}

// TestPromptsWithSpecialTokens are taught by their tokens, which their text does not spell, for as long as the vocabulary has them.
func TestPromptsWithSpecialTokens(t *testing.T) {
	w, _ := prepared(t, objectiveJob(t, selection.DPO, opinions(selection.DPO), nil))
	tok := w.model.Tokenizer
	it := selection.Item{Example: replaystore.Example{ID: "x", Kind: replaystore.SFT, Prompt: []replaystore.Message{{Role: replaystore.RolePrompt, Content: "the"}}, Completion: " tent"}}
	text := tok.Encode(nil, "the")
	for name, c := range map[string]struct{ tokens, want []int32 }{
		"text": {nil, text}, "special": {append([]int32{tok.EOS()}, text...), append([]int32{tok.EOS()}, text...)}, "of another vocabulary": {[]int32{1 << 20}, text},
	} {
		it.PromptTokens = c.tokens
		s, err := w.sequence(it)
		if err != nil || !slices.Equal(s.Tokens[:s.Prompt], c.want) || s.Tokens[len(s.Tokens)-1] != w.model.End {
			t.Errorf("%s: %d, prompt %d, %v; want the prompt %d", name, s.Tokens, s.Prompt, err, c.want)
		}
		s.Tokens[0] = -1 // the sequence's own
		if len(c.tokens) > 0 && c.tokens[0] == -1 {
			t.Errorf("%s: the sequence shares the example's tokens", name)
		}
	}
}

// TestReferencesAreReported takes recorded log-probabilities where they agree with the champion, and says why not where they do not.
func TestReferencesAreReported(t *testing.T) {
	items := opinions(selection.DPO)
	dir := objectiveJob(t, selection.DPO, items, nil)
	w, _ := prepared(t, dir)
	l, err := w.lessons(items)
	must(t, err)
	trainable, start, base, err := w.champions()
	must(t, err)
	scorer, err := train.NewScorer(base, trainable, 1, 2, 32, 1)
	must(t, err)
	defer scorer.Close()
	for i, p := range l.preferences {
		q := p.Rejected.Sequence
		q.Prompt = len(w.model.Tokenizer.Encode(nil, items[i].Prompt[0].Content))
		known, err := scorer.LogProbs(start, []train.Sequence{q})
		must(t, err)
		items[i].Served = &selection.Served{Prompt: q.Tokens[:q.Prompt], Answer: q.Tokens[q.Prompt:], LogProbs: known[0], Weights: quantize.Float32, Finish: "stop"}
	}
	items[0].Served.Version = "sha256:other"
	put(t, dir, w.job, items)
	must(t, Run(t.Context(), dir, &bytes.Buffer{}))
	n := len(facts)
	if r := evaluation(t, dir).Learned.References; r.Recorded != n-1 || r.Computed != n+1 || r.Reasons["another version answered"] != 1 || len(r.Reasons) != 1 {
		t.Errorf("references %+v", r)
	}
}

// TestCorrectionsThatMakeNoPair are imitated alone.
func TestCorrectionsThatMakeNoPair(t *testing.T) {
	items := append(opinions(selection.DPO), say(replaystore.Preference, "from nothing", "", "", func(it *selection.Item) { it.Chosen, it.Rejected = "forty", "ninety" }),
		say(replaystore.Preference, "the same", "price", "", func(it *selection.Item) { it.Chosen, it.Rejected = "forty", "forty" }))
	w, _ := prepared(t, objectiveJob(t, selection.DPO, items, nil))
	l, err := w.lessons(items)
	must(t, err)
	if l.leftOut != 2 || len(l.preferences) != len(facts) || len(l.fresh) != len(facts)+2 {
		t.Errorf("%d left out, %d preferences, %d imitated", l.leftOut, len(l.preferences), len(l.fresh))
	}
}

func TestStepsOfLessons(t *testing.T) {
	some := func(n, tokens int) (list []train.Sequence) {
		for range n {
			list = append(list, train.Sequence{Tokens: make([]int32, tokens), Prompt: 1, Weight: 1})
		}
		return list
	}
	rated := func(n, tokens int) (list []train.Rated) {
		for _, s := range some(n, tokens) {
			list = append(list, train.Rated{Answer: train.Answer{Sequence: s}, Weight: 1})
		}
		return list
	}
	run := Train{Epochs: 3, Rows: 2, Columns: 50, Micro: 1, Preferences: Preferences{Share: 2}, Ratings: Ratings{Share: 3}}
	for _, c := range []struct {
		name       string
		l          lessons
		rehearsal  float64
		steps      int
		ratio      float64
		rated      int
		ratedShare float64
	}{
		{"imitation", lessons{fresh: some(20, 10)}, 0, 6, 0, 0, 0},
		{"with rehearsal", lessons{fresh: some(20, 10)}, 1, 12, 1, 0, 0},
		{"long ones are cut", lessons{fresh: some(20, 100)}, 0, 30, 0, 0, 0},
		{"few ratings beside it", lessons{fresh: some(20, 10), rated: rated(5, 10)}, 1, 12, 1, 4, 0.75},
		{"as many", lessons{fresh: some(20, 10), rated: rated(20, 10)}, 1, 12, 1, 5, 3},
		{"many", lessons{fresh: some(2, 10), rated: rated(100, 10)}, 1, 30, 49, 10, 3},
		{"many without rehearsal", lessons{fresh: some(2, 10), rated: rated(100, 10)}, 0, 30, 0, 10, 3},
		{"ratings alone", lessons{rated: rated(3, 10)}, 1, 1, 1, 3, 3},
	} {
		steps, ratio := c.l.steps(run, c.rehearsal)
		o := (&worker{job: Job{Train: run}}).objectiveOptions(c.l, steps)
		if steps != c.steps || math.Abs(ratio-c.ratio) > 1e-9 || o.Rated != c.rated || c.rated > 0 && math.Abs(o.RatedShare-c.ratedShare) > 1e-9 || o.Preferences != 0 {
			t.Errorf("%s: %d steps, ratio %g, %+v; want %+v", c.name, steps, ratio, o, c)
		}
	}
}

func TestObjectiveRefuses(t *testing.T) {
	pair, rating := opinions(selection.DPO)[:1], opinions(selection.KTO)[1:2]
	remembered := slices.Clone(pair)
	remembered[0].Use = selection.Rehearsal
	for _, c := range []struct {
		want, objective string
		items           []selection.Item
		change          func(*Job)
	}{
		{`of kind preference, which objective "" does not learn`, "", pair, nil},
		{`of kind preference, which objective "sft" does not learn`, selection.SFT, pair, nil},
		{`of kind unpaired, which objective "dpo" does not learn`, selection.DPO, rating, nil},
		{"pair of a tent, rehearsal, is of kind preference", selection.KTO, append(remembered, rating...), nil},
		{"no new examples", selection.KTO, nil, nil},
		{"is none of", "ppo", pair, nil},
		{"preferences.share: want at least 0.000001, not 0", selection.DPO, pair, func(j *Job) { j.Train.Preferences.Share = 0 }},
		{"preferences.smoothing: want at most 0.49, not 0.5", selection.DPO, pair, func(j *Job) { j.Train.Preferences.Smoothing = 0.5 }},
		{"ratings.beta: want a number", "", pair, nil},
		{"ratings.desirable: want at least 0, not -1", selection.APO, pair, func(j *Job) { j.Train.Ratings.Desirable = -1 }},
		{"has weight -1", selection.DPO, []selection.Item{say(replaystore.Preference, "p", "q", "", func(it *selection.Item) { it.Chosen, it.Rejected, it.Weight = "a", "b", -1 })}, nil},
	} {
		if c.want == "ratings.beta: want a number" { // which no file can hold
			set := Train{Objective: selection.KTO, Preferences: Preferences{Share: 1, Beta: 1}, Ratings: Ratings{Share: 1, Beta: math.NaN()}}
			if err := set.checkObjective(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			continue
		}
		dir := objectiveJob(t, c.objective, c.items, c.change)
		if err := Run(t.Context(), dir, &bytes.Buffer{}); err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
