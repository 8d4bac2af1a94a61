package serve

import (
	"context"
	"testing"
	"time"

	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/replaytest"
)

// silent is a store whose history cannot be read now: whoever tries waits.
type silent struct {
	replaystore.Store
	t *testing.T
}

func (s silent) Stats(context.Context) (replaystore.Stats, error) {
	return replaystore.Stats{Degraded: "it does not answer"}, nil
}

func (s silent) Scan(_ context.Context, _ string, after replaystore.Cursor, _ int) ([]replaystore.Event, replaystore.Cursor, error) {
	s.t.Error("the history of a store that does not answer is read")
	return nil, after, context.DeadlineExceeded
}

// TestFeedbackWhileTheStoreIsDown takes feedback without waiting for a store that is known to be down.
func TestFeedbackWhileTheStoreIsDown(t *testing.T) {
	store, err := localstore.Open(localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // nothing was written
	l := newLedger(silent{store, t})
	rating := 1.0
	f := replaystore.Feedback{ID: "f1", Interaction: "i1", Track: "default", Time: time.Now(), Rating: &rating}
	if _, err := l.reserve(context.Background(), []replaystore.Event{{Feedback: &f}}); err != nil {
		t.Fatal(err)
	}
	again := f
	again.Rating = new(float64)
	if _, err := l.reserve(context.Background(), []replaystore.Event{{Feedback: &again}}); err == nil {
		t.Error("another content under the same id was taken, though this server has seen the first")
	}
}

// forgetful is a store that shows everything again from the beginning when it is told to, as Redis does after a loss.
type forgetful struct {
	replaystore.Store
	lost bool
}

func (s *forgetful) Scan(ctx context.Context, track string, after replaystore.Cursor, limit int) ([]replaystore.Event, replaystore.Cursor, error) {
	if s.lost {
		s.lost, after = false, ""
	}
	return s.Store.Scan(ctx, track, after, limit)
}

// TestCountsAfterALoss counts an event once, however often the store shows it.
func TestCountsAfterALoss(t *testing.T) {
	store, err := localstore.Open(localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // its directory goes
	f := &forgetful{Store: store}
	l := newLedger(f)
	for n := range 5 {
		feedback := replaytest.Feedback("default", n, "f")
		if n == 0 { // reserved by this server before it is read
			if _, err := l.reserve(t.Context(), []replaystore.Event{feedback}); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Append(t.Context(), replaytest.Interaction("default", n), feedback); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		interactions, feedback, err := l.counts(t.Context(), "default")
		if err != nil || interactions != 5 || feedback != 5 {
			t.Errorf("%d interactions and %d items of feedback, %v; want 5 of each", interactions, feedback, err)
		}
		f.lost = true
	}
}

func TestWindow(t *testing.T) {
	var w window
	for n := range 10 {
		if id := fingerprintOf(string(rune('a' + n))); !w.add(id, 4) || w.add(id, 4) || len(w.members) > 4 {
			t.Fatalf("member %d: %+v", n, w)
		}
	}
	if w.add(fingerprintOf("j"), 4) || !w.add(fingerprintOf("a"), 4) {
		t.Error("the newest are not in the window, or the oldest still are")
	}
}
