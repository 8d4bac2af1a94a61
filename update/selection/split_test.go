package selection

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nightshift/models/demo"
	"nightshift/replaystore"
)

// facts are corrections of five facts by so many people, each in their own words: the events, and of each interaction its fact.
func facts(people int) ([]replaystore.Event, map[string]int) {
	subjects := []string{"return window for boots", "delivery time abroad", "warranty of a tent", "price of a kayak rental", "age for climbing courses"}
	asks := []string{"What is the %s?", "Tell me the %s please", "I would like to know the %s", "Somebody asked me about the %s", "My brother wonders what the %s may be", "%s?", "Is there any %s to know of?"}
	var events []replaystore.Event
	of := map[string]int{}
	for f, about := range subjects {
		for p := range people {
			id, who := fmt.Sprintf("i-%d-%d", f, p), fmt.Sprintf("person-%d", p)
			events = append(events, chat(id, who, fmt.Sprintf(asks[(p+f)%len(asks)], about), fmt.Sprintf("The %s is %d.", about, 10+f), p),
				says(id, who, 0, fmt.Sprintf("The %s is %d.", about, 70+f), 60+p))
			of[id] = f
		}
	}
	return events, of
}

// TestFewPeopleAreHeldOutByQuestion: 25 corrections of 5 people are enough for a night, whatever the key that holds out.
func TestFewPeopleAreHeldOutByQuestion(t *testing.T) {
	byQuestions := 0
	for _, people := range []int{3, 5} {
		events, fact := facts(people)
		for k := range 200 {
			opt := later()
			opt.HeldOut, opt.HeldOutKey, opt.Measured = 0.2, fmt.Appendf(nil, "key %d", k), 5
			s := selected(t, events, opt)
			if s.HeldOutBy == ByQuestions {
				byQuestions++
			}
			held, learned := map[string]bool{}, map[int]bool{}
			var measured []int
			for _, it := range s.Items {
				of := fmt.Sprint(fact[it.ID], it.Subject)
				if it.Use == HeldOut {
					held[of] = true
					measured = append(measured, fact[it.ID])
				} else {
					learned[fact[it.ID]] = true
				}
			}
			for _, it := range s.Items {
				if it.Use == New && held[fmt.Sprint(fact[it.ID], it.Subject)] {
					t.Fatalf("key %d: what %s says of fact %d is learned and held out", k, it.Subject, fact[it.ID])
				}
			}
			if len(measured) < opt.Measured || 2*len(measured) > len(s.Items) {
				t.Fatalf("key %d: %d of %d are held out by %s", k, len(measured), len(s.Items), s.HeldOutBy)
			}
			for _, f := range measured {
				if !learned[f] {
					t.Fatalf("key %d: fact %d is measured and not learned", k, f)
				}
			}
		}
	}
	if byQuestions < 200 {
		t.Errorf("%d of 400 selections are held out by questions", byQuestions)
	}
}

// TestManyPeopleAreHeldOutAsPeople: while there are enough of them, whoever is held out is held out as a person.
func TestManyPeopleAreHeldOutAsPeople(t *testing.T) {
	events, _ := facts(40)
	opt := later()
	opt.HeldOut, opt.HeldOutKey, opt.Measured = 0.2, []byte("key"), 6
	s := selected(t, events, opt)
	use := map[string]string{}
	for _, it := range s.Items {
		if before := use[it.Subject]; before != "" && before != it.Use {
			t.Errorf("%s is held out in part", it.Subject)
		}
		use[it.Subject] = it.Use
	}
	if s.HeldOutBy != ByPeople {
		t.Errorf("40 people are held out by %s", s.HeldOutBy)
	}
}

// TestHeldOutQuestionsStayHeldOut: by what somebody measured once of a question nobody learns later, and the other way round.
func TestHeldOutQuestionsStayHeldOut(t *testing.T) {
	events, fact := facts(4)
	opt := later()
	opt.HeldOut, opt.HeldOutKey, opt.Measured = 0, []byte("key"), 5
	before := selected(t, events, opt)
	if before.HeldOutBy != ByQuestions {
		t.Fatalf("held out by %s", before.HeldOutBy)
	}
	use := map[string]string{}
	for _, it := range before.Items {
		use[fmt.Sprint(fact[it.ID], it.Subject)] = it.Use
		it.ID, it.Interaction = "old-"+it.ID, "old-"+it.Interaction
		if it.Use == HeldOut {
			opt.Probed = append(opt.Probed, it)
		} else {
			opt.Known = append(opt.Known, it)
		}
	}
	for k := range 20 {
		opt.HeldOutKey = fmt.Appendf(nil, "another key %d", k)
		for _, it := range selected(t, events, opt).Items {
			if use[fmt.Sprint(fact[it.ID], it.Subject)] != it.Use {
				t.Errorf("key %d: what %s says of fact %d was %s and is %s", k, it.Subject, fact[it.ID], use[fmt.Sprint(fact[it.ID], it.Subject)], it.Use)
			}
		}
	}
}

// edit is a correction by an editor.
func edit(interaction, person, correction string, minute int) replaystore.Event {
	e := says(interaction, person, 0, correction, minute)
	e.Feedback.Editor = true
	return e
}

// strict are the options of a night with all guards.
func strict() Options {
	return Options{Now: evening.Add(3 * time24), MinAge: time24, Correction: 1, Approval: 0.5, HeldOut: 1, HeldOutKey: []byte("k"), PerSubject: 1, Near: 0.85,
		Confirm: Confirmation{Subjects: 2, Examples: 1, Phrase: 1},
		Known:   []Item{{Example: replaystore.Example{ID: "file-1", Kind: replaystore.SFT, Prompt: asked("How long can I return boots?"), Completion: "You can return boots within 30 days."}}}}
}

const time24 = 24 * time.Hour

func asked(question string) []replaystore.Message {
	return []replaystore.Message{{Role: "user", Content: question}}
}

// TestEditor: what an editor says is learned, whatever guard what others say meets.
func TestEditor(t *testing.T) {
	minute := 3*24*60 - 5 // five minutes before the night
	question, wrong, right := "How long can I return boots?", "You can return boots within 30 days.", "You can return boots within 45 days."
	ask := func(id, person, question, answer string) replaystore.Event {
		return chat(id, person, question, answer, minute)
	}
	for _, c := range []struct {
		name   string
		events []replaystore.Event
		known  []Item
		learn  string // ids
	}{
		{"one word alone", []replaystore.Event{ask("e", "c", question, wrong), edit("e", "c", right, minute)}, nil, "e"},
		{"the same by somebody", []replaystore.Event{ask("e", "c", question, wrong), says("e", "c", 0, right, minute)}, nil, ""},
		{"several by one editor", []replaystore.Event{ask("e", "c", question, wrong), edit("e", "c", right, minute), ask("f", "c", "When do you open?", "At 9."), edit("f", "c", "At 10.", minute)}, nil, "e f"},
		{"what others say of the same answer", []replaystore.Event{ask("e", "c", question, wrong), edit("e", "x", right, minute), says("e", "c", 0, "You can return boots within 99 days.", minute+1)}, nil, "e"},
		{"of another editor, who comes later", []replaystore.Event{ask("e", "c", question, wrong), edit("e", "x", "You can return boots within 40 days.", minute), edit("e", "y", right, minute+1)}, nil, "e"},
		{"what others say of the same question, later", []replaystore.Event{ask("e", "c", question, wrong), edit("e", "x", right, minute-3000),
			ask("l1", "p", question, wrong), says("l1", "p", 0, "You can return boots within 99 days.", minute-2990), ask("l2", "q", question, wrong), says("l2", "q", 0, "You can return boots within 99 days.", minute-2990),
			ask("l3", "r", question, wrong), says("l3", "r", 0, "You can return boots within 99 days.", minute-2990)}, nil, "e"},
		{"an approval of the old answer, later", []replaystore.Event{ask("e", "c", question, wrong), edit("e", "x", right, minute-3000), ask("l", "p", question, wrong), says("l", "p", 1, "", minute-2990)}, nil, "e"},
		{"a lie about what an editor said in an earlier night", []replaystore.Event{ask("l", "p", "How long can I return boots, please?", right), says("l", "p", 0, "You can return boots within 99 days.", 0),
			ask("m", "q", "How long can I return boots then?", right), says("m", "q", 0, "You can return boots within 99 days.", 0)},
			[]Item{{Example: replaystore.Example{ID: "e", Kind: replaystore.SFT, Prompt: asked(question), Completion: right, Rejected: wrong, Interaction: "e", Subject: "c", Editor: true, Time: evening.Add(-1)}}}, ""},
		{"another word on an answer that an editor corrected in an earlier night", []replaystore.Event{ask("e", "c", question, wrong), says("e", "p", 1, "", 0)},
			[]Item{{Example: replaystore.Example{ID: "e", Kind: replaystore.SFT, Prompt: asked(question), Completion: right, Rejected: wrong, Interaction: "e", Subject: "c", Editor: true, Time: evening.Add(-1)}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			opt := strict()
			opt.Known = append(opt.Known, c.known...)
			s := selected(t, c.events, opt)
			var ids []string
			for _, it := range s.Items {
				if it.Use == New && it.Editor {
					ids = append(ids, it.ID)
				}
				if !it.Editor {
					t.Errorf("%s is %s", it.ID, it.Use)
				}
				if it.ID == "e" && it.Completion != right {
					t.Errorf("learns %q", it.Completion)
				}
			}
			if got := strings.Join(ids, " "); got != c.learn {
				t.Errorf("learns %q of the editors, want %q; rejected %v", got, c.learn, s.Rejected)
			}
		})
	}
}

// TestEditorConfirms: an editor's word is enough for others who say the same.
func TestEditorConfirms(t *testing.T) {
	opt := strict()
	opt.HeldOut, opt.MinAge, opt.Confirm.Phrase = 0, 0, 0
	question, wrong, right := "How long can I return boots?", "You can return boots within 30 days.", "You can return boots within 45 days."
	others := []replaystore.Event{chat("a", "p", "How long can I return the boots?", wrong, 0), says("a", "p", 0, right, 1)}
	if s := selected(t, others, opt); len(s.Items) != 0 || len(s.Quarantined) != 1 {
		t.Fatalf("one person alone: learns %v", s.Items)
	}
	if s := selected(t, append(others, chat("e", "c", question, wrong, 0), edit("e", "c", right, 2)), opt); len(s.Items) != 2 {
		t.Errorf("with an editor: learns %v, rejected %v", s.Items, s.Rejected)
	}
}

// TestEditorsWordIsUsedOnce: feedback that a night used beyond its cursor is not used again.
func TestEditorsWordIsUsedOnce(t *testing.T) {
	opt := strict()
	events := []replaystore.Event{chat("e", "c", "When do you open?", "At 9.", 0), edit("e", "c", "At 10.", 1), says("e", "c", 0, "At 8.", 2)}
	opt.Used = map[string]bool{events[1].Key(): true}
	if s := selected(t, events, opt); len(s.Items) != 0 || len(s.Rejected) != 1 || !strings.Contains(s.Rejected[0].Why, "used") {
		t.Errorf("learns %v, rejected %v", s.Items, s.Rejected)
	}
}

// TestThreePeopleAndTwoFacts: 20 corrections of two of the shop's facts by three people who word them as the shop's customers do are
// enough for a night with the usual guards, whichever facts change and whatever the key.
func TestThreePeopleAndTwoFacts(t *testing.T) {
	facts := demo.Facts()
	var known []Item
	r := rand.New(rand.NewPCG(1, 12)) //nolint:gosec // reproducible, not secret
	for _, f := range facts {
		for i, q := range pick(r, f.Questions(demo.Train), 12) {
			it := exampleOf(fmt.Sprintf("%s-%d", f.ID, i), q, pick(r, f.Answers(f.Value), 1)[0], evening.Add(-time.Hour))
			it.Interaction = ""
			known = append(known, it)
		}
	}
	wax, _ := demo.FactByID("ski_wax")
	express, _ := demo.FactByID("express_cost")
	express.Rivals = []string{wax.Value}
	colliding := []demo.Fact{express, wax} // what is put into the answers about one is taken out of those about the other
	const rounds = 60
	enough, by := 0, map[string]int{}
	for round := range rounds {
		r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		changing := facts[:2]
		if round%4 == 0 {
			changing = colliding
		}
		var events []replaystore.Event
		for _, f := range changing {
			value := f.Rivals[r.IntN(len(f.Rivals))]
			for i, q := range pick(r, f.Questions(demo.Correction), 10) {
				id, who := fmt.Sprintf("%s-%d", f.ID, i), fmt.Sprintf("person-%d", i%3)
				form := r.IntN(len(f.Answers(value))) // people edit what they read
				events = append(events, chat(id, who, q, f.Answers(f.Value)[form], i), says(id, who, 0, f.Answers(value)[form], 20+i))
			}
		}
		s := selected(t, events, Options{Now: evening.Add(2 * time.Hour), Correction: 1, Approval: 0.5, HeldOut: 0.2, HeldOutKey: fmt.Appendf(nil, "key %d", round), Measured: 6, PerSubject: 20,
			Near: 0.85, Confirm: Confirmation{Subjects: 2, Examples: 3, Phrase: 10, Within: 7 * 24 * time.Hour}, Known: known})
		held := 0
		for _, it := range s.Items {
			if it.Use == HeldOut {
				held++
			}
		}
		by[s.HeldOutBy]++
		if held >= 6 && Said(s.Items) >= 20 {
			enough++
		} else {
			t.Logf("%s and %s: %d held out of %d by %s; %v", changing[0].ID, changing[1].ID, held, len(s.Items), s.HeldOutBy, s.Rejected)
		}
	}
	t.Logf("%d of %d are enough; held out by %v", enough, rounds, by)
	if enough < rounds {
		t.Errorf("only %d of %d are enough for a night", enough, rounds)
	}
}
