package update

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// TestBadRatingLeavesTheCorrection: whoever corrects an answer and rates it down says one thing, also when a night runs
// in between.
func TestBadRatingLeavesTheCorrection(t *testing.T) {
	item := func(id string, change func(*replaystore.Example)) replaystore.MemoryItem {
		m := replaystore.MemoryItem{Example: replaystore.Example{ID: id, Kind: replaystore.SFT, Prompt: raw(id), Completion: "x", Interaction: id}}
		if change != nil {
			change(&m.Example)
		}
		return m
	}
	memory := replaystore.Rehearsal{Recent: []replaystore.MemoryItem{item("approved", nil), item("kept", nil), item("corrected", func(e *replaystore.Example) {
		e.Kind, e.Chosen, e.Rejected, e.Completion = replaystore.Preference, "right", "wrong", ""
	})}}
	var c chosen
	kept := c.remember(recalled(memory, nil), nil, nil, map[string]bool{"approved": true, "corrected": true})
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
	n := s.updater().night(Request{Track: registry.Default})
	c, err := n.choose(t.Context(), gathered{}, past{}, bytes.Repeat([]byte("k"), replaystore.SecretSize))
	if err != nil {
		t.Fatal(err)
	}
	if rehearsed := use(c.items, selection.Rehearsal); len(rehearsed) != 1 || rehearsed[0].Completion != "d" || c.counts.Anchors != 1 {
		t.Errorf("rehearsed %+v, %d anchors", rehearsed, c.counts.Anchors)
	}
}
