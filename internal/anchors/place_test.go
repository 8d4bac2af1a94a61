package anchors

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/replaystore"
)

// answersTo are made-up answers, all of them but those left out.
func answersTo(questions []Question, chat bool, leave int) (list []Answer) {
	for i, q := range questions {
		a := Answer{Example: Example{Messages: q.asked(chat), Completion: fmt.Sprintf("answer %d.", i), Open: i%3 == 0}}
		if i < leave {
			a = Answer{Example: Example{Messages: a.Messages}, Left: Empty}
		}
		list = append(list, a)
	}
	return list
}

// keep plans and keeps made-up answers.
func keep(t *testing.T, p Place, leave int) (Plan, Record) {
	t.Helper()
	plan, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.Keep(answersTo(plan.Ask, p.Template != "", leave), "f32")
	if err != nil {
		t.Fatal(err)
	}
	return plan, r
}

// stands wants a place in a state.
func stands(t *testing.T, p Place, want State) Record {
	t.Helper()
	state, r, err := p.Look()
	if err != nil || state != want {
		t.Fatalf("the anchors are %s, %v; want %s", state, err, want)
	}
	return r
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestPlace takes a place through its states: nothing, made, more questions, another template, another model.
func TestPlace(t *testing.T) {
	p := Place{Model: t.TempDir(), Base: "sha256:a", Template: "sha256:t"}
	stands(t, p, Missing)
	all := len(Shipped())
	plan, r := keep(t, p, 20)
	if len(plan.Ask) != all || r.Asked != all || r.Left[Empty] != 20 || r.Anchors+r.Rehearsal != all-20 || !strings.Contains(r.Sentence(), "left out: 20 empty") {
		t.Errorf("of %d questions %d are asked: %+v, %s", all, len(plan.Ask), r, r.Sentence())
	}
	if got := stands(t, p, Current); got.Files[AnchorsFile] != r.Files[AnchorsFile] {
		t.Errorf("the record has %+v", got)
	}
	before := read(t, p.File(AnchorsFile)) + read(t, p.File(RehearsalFile))
	if strings.Count(before, "\n") != all-20 || !strings.Contains(before, `"open":true`) || strings.Count(before, `"role":"prompt"`) > 0 {
		t.Error("the files do not hold what was answered")
	}

	added, err := p.AddQuestions([]Question{{Kind: "size", Messages: []replaystore.Message{{Role: "user", Content: "How big?"}}}, Shipped()[0]})
	if err != nil || added != 1 {
		t.Fatalf("%d questions are new, %v", added, err)
	}
	stands(t, p, More)
	if plan, r = keep(t, p, 20); len(plan.Ask) != 21 || r.Asked != all+1 || r.Anchors+r.Rehearsal != all-20+1 {
		t.Errorf("%d questions are asked again: %+v", len(plan.Ask), r)
	}
	after := read(t, p.File(AnchorsFile)) + read(t, p.File(RehearsalFile))
	for line := range strings.Lines(before) {
		if !strings.Contains(after, line) {
			t.Errorf("lost: %s", line)
		}
	}
	kinds, err := p.Kinds()
	if i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == "size" }); err != nil || i < 0 || kinds[i].Anchors+kinds[i].Rehearsal != 1 || kinds[i].From != p.File(QuestionsFile) {
		t.Errorf("kinds %+v, %v", kinds, err)
	}

	p.Template = ""
	stands(t, p, Outdated)
	if plan, _ = keep(t, p, 0); len(plan.Ask) != all+1 || !strings.Contains(read(t, p.File(AnchorsFile)), `{"messages":[{"role":"prompt","content":"`) {
		t.Errorf("%d questions are asked of a model without a template", len(plan.Ask))
	}
	p.Base = "sha256:b"
	stands(t, p, Outdated)
	keep(t, p, 0)
	stands(t, p, Current)
}

// TestOwnFilesStay: what somebody brought or changed is never written over.
func TestOwnFilesStay(t *testing.T) {
	const mine = `{"messages":[{"role":"user","content":"a"}],"completion":"b"}` + "\n"
	p := Place{Model: t.TempDir(), Base: "a", Template: "t"}
	write(t, p.Model, RehearsalFile, mine)
	if _, r := keep(t, p, 0); r.Rehearsal != 0 || r.Anchors == 0 {
		t.Errorf("beside a starter memory that is there: %+v", r)
	}
	stands(t, p, Current)
	if read(t, p.File(RehearsalFile)) != mine {
		t.Error("the starter memory was written over")
	}
	write(t, p.Model, AnchorsFile, mine)
	stands(t, p, Theirs)
	if _, err := p.Plan(); err == nil || !strings.Contains(err.Error(), p.File(AnchorsFile)) {
		t.Errorf("a plan for anchors that somebody brought: %v", err)
	}
	kinds, err := p.Kinds()
	if err != nil || len(kinds) != 2 || kinds[0] != (Kind{"–", 1, 0, p.File(AnchorsFile)}) || kinds[1].Rehearsal != 1 {
		t.Errorf("kinds %+v, %v", kinds, err)
	}
	write(t, p.Model, RecordFile, "{")
	if _, _, err := p.Look(); err == nil || !strings.Contains(err.Error(), RecordFile) {
		t.Errorf("a broken record: %v", err)
	}
}

// TestSpare has what a model's directory cannot take elsewhere.
func TestSpare(t *testing.T) {
	p := Place{Model: filepath.Join(t.TempDir(), "nowhere"), Spare: filepath.Join(t.TempDir(), "anchors", "a"), Base: "a"}
	if p.File(AnchorsFile) != filepath.Join(p.Model, AnchorsFile) {
		t.Errorf("a file that is not there is looked for at %s", p.File(AnchorsFile))
	}
	keep(t, p, 0)
	stands(t, p, Current)
	if p.Where() != p.Spare || filepath.Dir(p.File(RehearsalFile)) != p.Spare {
		t.Errorf("the files are in %s", p.Where())
	}
	p.Model = t.TempDir()
	write(t, p.Model, AnchorsFile, "{}\n")
	stands(t, p, Theirs)
	stands(t, Place{}, Missing)
}

// TestTooFew: a model that answers hardly anything gets no anchors.
func TestTooFew(t *testing.T) {
	p := Place{Model: t.TempDir(), Base: "a"}
	plan, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	var few *TooFewError
	if _, err := plan.Keep(answersTo(plan.Ask, false, len(plan.Ask)-5), "f32"); !errors.As(err, &few) || few.Usable != 5 || !strings.Contains(err.Error(), "5 usable answers") {
		t.Errorf("five answers: %v", err)
	}
	stands(t, p, Missing)
}

// TestInterrupted: a crash between two files leaves something that is made again, and nothing that counts as somebody's own.
func TestInterrupted(t *testing.T) {
	p := Place{Model: t.TempDir(), Base: "a"}
	keep(t, p, 0)
	for _, gone := range []string{AnchorsFile, RehearsalFile} { // they come last, in the order that is the other way round
		if err := os.Remove(filepath.Join(p.Model, gone)); err != nil {
			t.Fatal(err)
		}
		stands(t, p, Missing)
	}
	if plan, r := keep(t, p, 3); len(plan.Ask) != len(Shipped()) || r.Rehearsal == 0 {
		t.Errorf("made again: %d questions, %+v", len(plan.Ask), r)
	}
	stands(t, p, Current)
}
