package night

import (
	"bytes"
	"fmt"
	"maps"
	"testing"
	"time"

	"nightshift/replaystore"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// TestRotation runs a year of nights for people who come and go: within a window the same people are held out, from window to window
// others, and nobody who was ever learned from is.
func TestRotation(t *testing.T) {
	const month = 30 * 24 * time.Hour
	s := newShop(t, t.TempDir())
	ns := s.nights()
	key := bytes.Repeat([]byte("k"), replaystore.SecretSize)
	if !bytes.Equal(windowKey(key, s.Now, 0), key) || bytes.Equal(windowKey(key, s.Now, month), key) {
		t.Fatal("without windows the key is the key, with them it is another")
	}
	learned, before, changes := map[string]bool{}, map[string]bool{}, 0
	var nights []string
	for night := range 24 {
		now := s.Now.Add(time.Duration(night) * month / 2)
		var events []replaystore.Event
		for p := range 60 {
			who, text := fmt.Sprintf("person-%d", p+10*night), "forty"
			in := replaystore.Interaction{ID: fmt.Sprintf("%d-%d", night, p), Track: "default", Time: now, Subject: who, Messages: nighttest.Raw(fmt.Sprint("what is a ", who)), Answer: "no"}
			events = append(events, replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &replaystore.Feedback{ID: "f", Interaction: in.ID, Track: "default", Time: now, Subject: who, Correction: &text}})
		}
		trained := map[string]bool{}
		if err := ns.history.AddLearned(nights, trained); err != nil || !maps.Equal(trained, learned) {
			t.Fatalf("%d people are known to be learned from, want %d (%v)", len(trained), len(learned), err)
		}
		selected, err := selection.CandidatesOf(events, selection.Options{Now: now.Add(time.Hour), HeldOut: 0.3, HeldOutKey: windowKey(key, now, month), Correction: 1, Trained: trained}).Select(nil)
		if err != nil {
			t.Fatal(err)
		}
		list := selected.Items
		held := map[string]bool{}
		for _, it := range selection.Using(list, selection.HeldOut) {
			held[it.Subject] = true
			if learned[it.Subject] {
				t.Errorf("night %d: %s was learned from and is held out", night, it.Subject)
			}
		}
		for _, it := range selection.Using(list, selection.New) {
			if before[it.Subject] {
				changes++ // held out in the last night, learned from now
				if windowOf(now, month) == windowOf(now.Add(-month/2), month) {
					t.Errorf("night %d: %s is held out no more within one window", night, it.Subject)
				}
			}
			learned[it.Subject] = true
		}
		if len(held) == 0 {
			t.Errorf("night %d has nobody to measure with", night)
		}
		before = held
		id := fmt.Sprintf("20260302-0000%02d-night", night)
		data, err := selection.EncodeItems(list)
		if err == nil {
			err = s.Registry.CreateNight(id)
		}
		if err == nil {
			err = s.Registry.WriteNightFile(id, work.SelectionFile, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		nights = append(nights, id)
	}
	if changes < 5 {
		t.Errorf("%d people were held out first and learned from later", changes)
	}
}

func windowOf(at time.Time, window time.Duration) int64 { return at.UnixNano() / int64(window) }
