package night

import (
	"context"
	"fmt"
	"testing"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/longtest"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/sampling"
	"nightshift/models/adapter"
	"nightshift/models/demo"
	"nightshift/models/quantize"
	"nightshift/models/template"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
)

// desk is the model that ships, as it is served.
type desk struct {
	*testing.T
	dir    string
	engine *engine.Engine
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t}
	var err error
	if d.dir, err = demo.Dir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	m, err := engine.LoadModel(d.dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if d.engine, err = engine.New(m, engine.Config{Threads: 1, BankRows: 8}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.engine.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done; d.engine.Close() })
	return d
}

// ask has a version answer a question greedily, and records it as a server does.
func (d *desk) ask(version, question string) replaystore.Interaction {
	d.Helper()
	m := d.engine.Model()
	prompt, err := m.ChatTokens([]template.Message{{Role: demo.User, Content: question}})
	if err != nil {
		d.Fatal(err)
	}
	pin, ok := d.engine.Bank().Pin(version)
	if !ok {
		d.Fatalf("version %q is not in the bank", version)
	}
	stream, err := d.engine.Submit(d.Context(), engine.Request{Prompt: prompt, Pin: pin, MaxTokens: 48, Sampling: sampling.Params{}})
	if err != nil {
		d.Fatal(err)
	}
	in := replaystore.Interaction{ID: replaystore.NewID(), Track: registry.Default, Version: version, Messages: []replaystore.Message{{Role: demo.User, Content: question}},
		PromptTokens: prompt, Weights: quantize.Float32, TemplateHash: m.Template.Digest()}
	for p := range stream.Pieces {
		in.Answer += p.Text
		if p.HasToken {
			in.AnswerTokens, in.LogProbs = append(in.AnswerTokens, p.Token), append(in.LogProbs, p.LogProb)
		}
	}
	r := stream.Result()
	if r.Err != nil {
		d.Fatal(r.Err)
	}
	in.Finish = string(r.Finish)
	return in
}

// right is the share of a fact's questions, none of which anybody has asked, that a version answers with a value.
func (d *desk) right(version string, f demo.Fact, value string) float64 {
	d.Helper()
	list := f.Questions(demo.Demo)
	n := 0
	for _, q := range list {
		if f.RightFor(d.ask(version, q).Answer, value) {
			n++
		}
	}
	return float64(n) / float64(len(list))
}

// told stores an answer and what a person says of it, two hours old.
func (s *shop) told(in replaystore.Interaction, person int, rating float64, correction string) {
	s.Helper()
	number := s.Count()
	in.Time = s.Now.Add(-2*time.Hour + time.Duration(number)*time.Second)
	in.Subject = fmt.Sprintf("person%02d", person)
	f := replaystore.Feedback{ID: fmt.Sprintf("f%d", number), Interaction: in.ID, Track: in.Track, Time: in.Time, Subject: in.Subject, Rating: &rating}
	if correction != "" {
		f.Correction = &correction
	}
	if err := s.Store.Append(s.Context(), replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &f}); err != nil {
		s.Fatal(err)
	}
}

// complaints are what people say of the model that ships when some facts have changed: most correct its answers, and with
// ratings every third only calls them bad. Each approves a right answer, too.
func (s *shop) complaints(d *desk, changes []demo.Change, ratings bool) {
	s.Helper()
	facts, turn := demo.Facts(), 0
	for p := range 40 {
		for range 3 {
			c := changes[turn%len(changes)]
			f, _ := demo.FactByID(c.Fact)
			questions, corrections := f.Questions(demo.Correction), c.Corrections()
			correction := corrections[turn%len(corrections)]
			if ratings && turn%3 == 0 {
				correction = ""
			}
			s.told(d.ask("", questions[turn/len(changes)%len(questions)]), p, -1, correction)
			turn++
		}
		f := facts[(p*7+20)%len(facts)]
		questions := f.Questions(demo.Correction)
		if in := d.ask("", questions[p%len(questions)]); f.Right(in.Answer) {
			s.told(in, p, 1, "")
		}
	}
}

// TestNightsOfTheDemoByObjective: the model that ships learns from pairs and from ratings what the gate lets pass, answers what
// changed with the new value and the rest as before, and takes what the server recorded for references.
func TestNightsOfTheDemoByObjective(t *testing.T) {
	longtest.Skip(t)
	ort.ForTest(t)
	d := newDesk(t)
	changes := demo.Changes()[:2]
	for _, objective := range []string{selection.DPO, selection.KTO} {
		t.Run(objective, func(t *testing.T) {
			s := newShop(t, d.dir)
			s.config.Settings, s.config.Shape, s.config.sizes = Defaults(), d.engine.Model().Config, sizes{}
			set := &s.config.Settings
			set.Threads, set.Nice, set.Governor.Target, set.Evidence.PerSubject = 2, 0, 0, 50
			set.Train.Objective, set.Evidence.HeldOut, set.Gate.Resamples = objective, 0.3, 1000
			set.Train.LearningRate, set.Train.Epochs, set.Train.RowTokens, set.Train.BatchTokens = 2e-3, 8, 128, 1024
			set.Train.Learned, set.Train.MaxTime = 0, 0 // nights of a known length
			s.complaints(d, changes, objective == selection.KTO)
			n := s.run(s.nights(), Request{}, nightrecord.Published)
			l := n.Learned
			if l == nil || l.Preferences == 0 || l.Margin < 5 || l.Accuracy < 0.99 || l.Recorded == 0 || l.Recorded+l.Computed < 2*l.Preferences || len(l.Reasons) != 0 || l.Apart > 1e-3 {
				t.Fatalf("learned %+v", l)
			}
			if kto := objective == selection.KTO; (l.Bad > 0) != kto || (l.Good > 0) != kto || l.BadReward > 0 || kto && l.BadReward > -3 || l.GoodReward < -1 {
				t.Errorf("learned %+v", l)
			}
			if last := n.Curve[len(n.Curve)-1]; last.Margin < 5 || n.Curve[0].Margin > 1 {
				t.Errorf("the curve goes from %+v to %+v", n.Curve[0], last)
			}
			if err := d.engine.Bank().Install(objective, s.load(n.Candidate.Digest)); err != nil {
				t.Fatal(err)
			}
			changed := map[string]bool{}
			for _, c := range changes {
				changed[c.Fact] = true
				f, _ := demo.FactByID(c.Fact)
				if before, after := d.right("", f, c.New), d.right(objective, f, c.New); before > 0 || after < 0.9 {
					t.Errorf("%s: %.2f of the answers are right, before %.2f", c.Fact, after, before)
				}
			}
			var before, after float64
			for i, f := range demo.Facts() {
				if i%6 == 1 && !changed[f.ID] {
					before, after = before+d.right("", f, f.Value), after+d.right(objective, f, f.Value)
				}
			}
			if after < 0.95*before {
				t.Errorf("of what has not changed %.2f facts are answered right, before %.2f", after, before)
			}
		})
	}
}

// load reads a stored version.
func (s *shop) load(digest string) *adapter.Adapter {
	s.Helper()
	config, weights, _, err := s.Registry.Load(digest)
	if err != nil {
		s.Fatal(err)
	}
	a, err := adapter.Parse(config, weights)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// TestObjectiveNightsGoOn runs two nights with corrections and ratings: the second goes on from the first and rehearses what that
// learned, of which nothing was called bad; and each can be replayed.
func TestObjectiveNightsGoOn(t *testing.T) {
	longtest.Skip(t)
	ort.ForTest(t)
	anotherNight(t)
	s := newShop(t, nighttest.Model(t))
	s.config.Train.Objective = selection.KTO
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference, s.config.Gate.Drift = 5, 5, 0 // three sentences hold little
	ns := s.nights()
	rate := func(p int) {
		for g := range nighttest.Goods {
			in := replaystore.Interaction{ID: replaystore.NewID(), Track: registry.Default, Messages: nighttest.Raw(nighttest.Question(p+g+1, g)), Answer: "ask somebody else", Finish: "stop"}
			rating := -1.0
			if p%2 == 0 {
				in.Answer, rating = nighttest.Answer(g), 1
			}
			s.told(in, p, rating, "")
		}
	}
	for night := range 2 {
		s.Correct(20*night, 20*night+14)
		for p := 20*night + 14; p < 20*night+20; p++ {
			rate(p)
		}
		want := nightrecord.Published
		n, err := s.begin(t.Context(), ns, Request{})
		if err != nil || night == 0 && n.State != want || n.Learned == nil {
			t.Fatalf("night %d: %s %s, %v", night+1, n.State, n.Reason, err)
		}
		if l := n.Learned; l.Preferences == 0 || l.Good == 0 || l.Bad == 0 || l.Imitated != l.Preferences+l.Good || l.Margin <= 0 || l.Computed == 0 || l.Recorded != 0 {
			t.Errorf("night %d learned %+v", night+1, l)
		}
		if m, err := s.Registry.Version(n.Candidate.Digest); err != nil || m.Figures["preference_margin"] != n.Learned.Margin || m.Figures["bad_reward"] != n.Learned.BadReward || m.Figures["bad_answers"] == 0 {
			t.Errorf("night %d: figures %v, %v", night+1, m.Figures, err)
		}
		for _, it := range s.Selected(n.ID) {
			text := it.Completion + it.Chosen
			if it.Use != selection.New && text == "ask somebody else" || it.Use != selection.New && it.Kind != replaystore.SFT || it.Use != selection.New && it.Served != nil {
				t.Errorf("night %d: %+v", night+1, it)
			}
		}
		r, err := ns.Replay(t.Context(), n.ID, nil)
		if err != nil || !r.Same || r.Changed {
			t.Errorf("night %d: replay %+v, %v", night+1, r, err)
		}
		s.Now = s.Now.Add(24 * time.Hour)
	}
	for _, m := range s.remembered() {
		if m.Kind == replaystore.Unpaired || m.Completion == "ask somebody else" {
			t.Errorf("remembered: %+v", m)
		}
	}
}

// remembered is what the rehearsal memory holds.
func (s *shop) remembered() []replaystore.MemoryItem {
	s.Helper()
	r, err := s.Store.Rehearsal(s.Context(), registry.Default)
	if err != nil {
		s.Fatal(err)
	}
	if len(r.Items()) == 0 {
		s.Error("nothing is remembered")
	}
	return r.Items()
}
