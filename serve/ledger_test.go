package serve

import (
	"context"
	"testing"
	"time"

	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
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
