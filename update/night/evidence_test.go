package night

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
)

// TestBadRatingLeavesTheCorrection: whoever corrects an answer and rates it down says one thing, also when a night runs
// in between.
func TestBadRatingLeavesTheCorrection(t *testing.T) {
	item := func(id string, change func(*replaystore.Example)) replaystore.MemoryItem {
		m := replaystore.MemoryItem{Example: replaystore.Example{ID: id, Kind: replaystore.SFT, Prompt: nighttest.Raw(id), Completion: "x", Interaction: id}}
		if change != nil {
			change(&m.Example)
		}
		return m
	}
	memory := replaystore.Rehearsal{Recent: []replaystore.MemoryItem{item("approved", nil), item("kept", nil), item("corrected", func(e *replaystore.Example) {
		e.Kind, e.Chosen, e.Rejected, e.Completion = replaystore.Preference, "right", "wrong", ""
	})}}
	var c chosen
	kept := c.remember(recalled(memory, nil, false), nil, nil, map[string]bool{"approved": true, "corrected": true})
	if len(kept) != 2 || kept[0].ID != "corrected" || kept[0].Completion != "right" || kept[1].ID != "kept" || len(c.retire) != 1 || c.retire[0] != "approved" {
		t.Errorf("kept %+v, retired %v", kept, c.retire)
	}
}

// TestAnchorsAreNotRehearsed: the same example in both files of a model measures, and is not trained on.
func TestAnchorsAreNotRehearsed(t *testing.T) {
	model := t.TempDir()
	both, own := `{"messages":[{"role":"prompt","content":"a"}],"completion":"b"}`, `{"messages":[{"role":"prompt","content":"c"}],"completion":"d"}`
	for name, text := range map[string]string{starterFile: both + "\n" + own, anchorFile: both} {
		if err := os.WriteFile(filepath.Join(model, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := newShop(t, model)
	n := s.nights().night(Request{Track: registry.Default})
	c, err := n.choose(t.Context(), gathered{}, history.Past{}, bytes.Repeat([]byte("k"), replaystore.SecretSize))
	if err != nil {
		t.Fatal(err)
	}
	if rehearsed := selection.Using(c.items, selection.Rehearsal); len(rehearsed) != 1 || rehearsed[0].Completion != "d" || c.counts.Anchors != 1 {
		t.Errorf("rehearsed %+v, %d anchors", rehearsed, c.counts.Anchors)
	}
}

// TestOnePersonDoesNotFillTheMemory: night after night one person brings what may be brought in a night, and others a little. What is
// remembered and rehearsed of that person stays below the cap, and what is not kept is drawn by lot, the same after a kill.
func TestOnePersonDoesNotFillTheMemory(t *testing.T) {
	const limit, nights = 5, 8
	s := newShop(t, "model")
	s.config.Settings.Memory.PerSubject = limit
	n := s.nights().night(Request{Night: "a", Track: registry.Default})
	offered := 0
	for night := range nights {
		var items []selection.Item
		for i := range 4 {
			who := "loud"
			if i == 3 {
				who = fmt.Sprintf("other%d", night)
			}
			id := fmt.Sprintf("i%d-%d", night, i)
			items = append(items, selection.Item{Example: replaystore.Example{ID: id, Kind: replaystore.SFT, Prompt: nighttest.Raw(id), Completion: "x", Interaction: id, Subject: who,
				Time: time.Date(2026, 3, 1+night, 0, 0, i, 0, time.UTC)}, Use: selection.New, Weight: 1, Why: "correction"})
			offered++
		}
		var before []string
		for range 2 { // the second time as after a kill
			if err := n.memorize(t.Context(), items); err != nil {
				t.Fatal(err)
			}
			if ids := s.Memory(); before != nil && !slices.Equal(ids, before) {
				t.Errorf("night %d: repeated, it leaves %v, before %v", night, ids, before)
			} else {
				before = ids
			}
		}
	}
	r, err := s.Store.Rehearsal(t.Context(), registry.Default)
	if err != nil {
		t.Fatal(err)
	}
	count, early := map[string]int{}, 0
	for _, m := range r.Items() {
		count[m.Subject]++
		if m.Subject == "loud" && m.Time.Day() <= nights/2 {
			early++
		}
	}
	if count["loud"] != limit || len(count) != nights+1 || early == 0 || early == limit {
		t.Errorf("of %d examples offered are remembered, by person, %v; %d of the loud one's are from the first half", offered, count, early)
	}
	n.settings.Memory.PerSubject = 2 // lower than what is there
	c, err := n.choose(t.Context(), gathered{}, history.Past{}, bytes.Repeat([]byte("k"), replaystore.SecretSize))
	if err != nil {
		t.Fatal(err)
	}
	rehearsed := 0
	for _, it := range selection.Using(c.items, selection.Rehearsal) {
		if it.Subject == "loud" {
			rehearsed++
		}
	}
	if rehearsed != 2 || c.counts.Rehearsal != nights+2 {
		t.Errorf("%d of %d rehearsed examples are the loud one's, want 2 of %d", rehearsed, c.counts.Rehearsal, nights+2)
	}
}

func TestExampleFilesAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{"messages":[{"role":"user","content":"a"}],"completion":"b"`: "line 1", "\n{}": "line 2: want messages",
		`{"messages":[{"role":"user","content":"a"}],"completion":" "}`: "want messages and a completion", `{"prompt":"a"}`: "unknown field",
	} {
		path := filepath.Join(t.TempDir(), "x.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readExamples(path, selection.Anchor); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestRehearsalIsSharedBetweenMemoryAndStarter(t *testing.T) {
	list := func(prefix string, n int) []selection.Item {
		var items []selection.Item
		for i := range n {
			items = append(items, selection.Item{Example: replaystore.Example{ID: fmt.Sprintf("%s%03d", prefix, i)}})
		}
		return items
	}
	for _, c := range []struct{ memory, starter, limit, fromMemory, fromStarter int }{
		{0, 0, 10, 0, 0}, {100, 100, 10, 5, 5}, {100, 2, 10, 8, 2}, {2, 100, 10, 2, 8}, {3, 4, 10, 3, 4}, {100, 100, 0, 0, 0}, {100, 100, 7, 4, 3},
	} {
		count := map[byte]int{}
		for _, it := range rehearsal(list("m", c.memory), list("s", c.starter), c.limit, selection.RandomSample) {
			count[it.ID[0]]++
		}
		if count['m'] != c.fromMemory || count['s'] != c.fromStarter {
			t.Errorf("%+v: %d from the memory, %d from the starter", c, count['m'], count['s'])
		}
	}
}
