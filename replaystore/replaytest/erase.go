package replaytest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"nightshift/replaystore"
)

// AssertGone fails when a file below dir holds the text.
func AssertGone(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && bytes.Contains(data, []byte(text)) {
			t.Errorf("%s still holds %q", path, text)
		}
		return err
	})
	must(t, err)
}

func testErase(t *testing.T, env Env) {
	s := open(t, env)
	for n := range 12 {
		e := Interaction("default", n)
		e.Interaction.Answer = fmt.Sprintf("ANSWER-OF-%s", e.Interaction.Subject)
		must(t, s.Append(t.Context(), e))
	}
	own, others := Feedback("default", 2, "own"), Feedback("default", 1, "by-somebody-else")
	own.Feedback.Subject = "subject-1"
	others.Feedback.Subject = ""
	others.Feedback.Comment = "COMMENT-ON-IT"
	must(t, s.Append(t.Context(), own, others, Feedback("default", 2, "stays"), Interaction("untouched", 0)))
	_, cursor, err := s.Scan(t.Context(), "default", "", 3)
	must(t, err)

	report, err := s.Erase(t.Context(), "subject-1")
	must(t, err)
	wantIDs := []string{"int-0001", "int-0004", "int-0007", "int-0010"}
	if report.Interactions != 4 || report.Feedback != 2 || !slices.Equal(report.IDs, wantIDs) || !slices.Equal(report.Tracks, []string{"default"}) {
		t.Errorf("report %+v", report)
	}
	want := []string{"i:int-0000", "i:int-0002", "i:int-0003", "i:int-0005", "i:int-0006", "i:int-0008", "i:int-0009", "i:int-0011", "f:int-0002/stays", "e:" + report.Erasure.ID}
	check := func(s replaystore.Store) {
		t.Helper()
		for _, step := range []int{1, 4, 100} {
			if got := ScanAll(t, s, "default", step); !slices.Equal(got, want) {
				t.Errorf("step %d: got %v", step, got)
			}
		}
		if got := ScanAll(t, s, "untouched", 10); len(got) != 1 {
			t.Errorf("another track: %v", got)
		}
		if _, ok, err := s.Interaction(t.Context(), "default", "int-0004"); ok || err != nil {
			t.Errorf("erased interaction: %t %v", ok, err)
		}
		events, _, err := s.Scan(t.Context(), "default", cursor, 100)
		must(t, err)
		e := events[len(events)-1].Erasure
		if e == nil || !slices.Equal(e.Interactions, wantIDs) || e.Subject != "subject-1" {
			t.Errorf("erasure in the track: %+v", e)
		}
	}
	check(s)
	AssertGone(t, env.Dir, "ANSWER-OF-subject-1")
	AssertGone(t, env.Dir, "COMMENT-ON-IT")
	closeStore(t, s)
	s = open(t, env)
	check(s)
	if again, err := s.Erase(t.Context(), "subject-1"); err != nil || again.Interactions+again.Feedback+again.MemoryItems != 0 {
		t.Errorf("erased twice: %+v %v", again, err)
	}
}

// testEraseLateCopies: what is covered by an erasure is accepted and does not come back; what is newer is kept.
func testEraseLateCopies(t *testing.T, env Env) {
	s := open(t, env)
	must(t, s.Append(t.Context(), Interaction("default", 1), Interaction("default", 2)))
	_, err := s.Erase(t.Context(), "subject-1")
	must(t, err)
	late := Interaction("default", 4)
	newer := Interaction("default", 7)
	newer.Interaction.Time = time.Now().Add(time.Hour)
	check := func(s replaystore.Store) {
		t.Helper()
		must(t, s.Append(t.Context(), Interaction("default", 1), late, newer))
		must(t, s.Append(t.Context(), Interaction("new-track", 4)))
		if got := ScanAll(t, s, "default", 10); len(got) != 3 || got[0] != "i:int-0002" || got[2] != "i:int-0007" {
			t.Errorf("got %v", got)
		}
		if got := ScanAll(t, s, "new-track", 10); len(got) != 0 {
			t.Errorf("a late copy entered another track: %v", got)
		}
	}
	check(s)
	closeStore(t, s)
	check(open(t, env))
}

func testEraseMemory(t *testing.T, env Env) {
	s := open(t, env)
	must(t, s.Append(t.Context(), Interaction("default", 1), Interaction("default", 2)))
	bySubject, byInteraction := Item(4, "a"), Item(1, "a")
	bySubject.Completion = "COMPLETION-GONE"
	byInteraction.Subject, byInteraction.Completion = "", "COMPLETION-GONE"
	byAuthor := Item(5, "b")
	byAuthor.Author, byAuthor.Completion = "subject-1", "COMPLETION-GONE"
	must(t, s.Admit(t.Context(), "default", bySubject, byInteraction, byAuthor, Item(2, "a"), Item(3, "b")))
	report, err := s.Erase(t.Context(), "subject-1")
	must(t, err)
	if report.MemoryItems != 3 || report.Interactions != 1 {
		t.Errorf("report %+v", report)
	}
	r := rehearsal(t, s, "default")
	if got := itemIDs(r.Items()); !slices.Equal(got, []string{"item-0002", "item-0003"}) {
		t.Errorf("left: %v", got)
	}
	AssertGone(t, env.Dir, "COMPLETION-GONE")
	closeStore(t, s)
	if again := rehearsal(t, open(t, env), "default"); !reflect.DeepEqual(r, again) {
		t.Errorf("after reopening: %+v\nwant %+v", again, r)
	}
}
