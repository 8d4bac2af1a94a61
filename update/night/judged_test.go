package night

import (
	"testing"
	"time"

	"nightshift/internal/registry"
	"nightshift/update/history"
)

// TestJudgedNights counts what the error of the gate is shared out over.
func TestJudgedNights(t *testing.T) {
	s := newShop(t, t.TempDir())
	ns := s.nights()
	at := func(hour int) time.Time { return s.Now.Add(time.Duration(hour) * time.Hour) }
	for id, done := range map[string]history.Completion{
		"n1": {Track: "default", Completed: at(1), Digest: "old", Published: true},
		"n2": {Track: "default", Completed: at(10), Digest: "now", Published: true}, // made the champion
		"n3": {Track: "default", Completed: at(11), Digest: "a"},
		"n4": {}, // a dry run, or nothing to do
		"n5": {Track: "support", Completed: at(14), Digest: "c"},
		"n6": {Track: "default", Completed: at(15), Digest: "d", Published: true}, // rolled back from its trial
	} {
		if err := s.Registry.CreateNight(id); err != nil {
			t.Fatal(err)
		}
		if done.Track == "" {
			continue
		}
		if err := ns.history.Write(id, history.CursorFile, done); err != nil {
			t.Fatal(err)
		}
	}
	list := []registry.Activation{{Digest: "old", Time: at(1)}, {Digest: "now", Time: at(10)}, {Digest: "now", Held: true, Time: at(11)},
		{Digest: "now", Candidate: "d", Share: 0.1, Time: at(14)}, {Digest: "now", Time: at(16)}}
	if since := history.Reign(list); !since.Equal(at(10)) {
		t.Errorf("the champion serves since %s", since)
	}
	if n, err := ns.history.Judged("default", "now", history.Reign(list)); err != nil || n != 2 {
		t.Errorf("%d nights judged against the champion, %v", n, err)
	}
	if since := history.Reign([]registry.Activation{{Digest: "x", Time: at(2)}, {Digest: "", Time: at(3)}}); !since.Equal(at(3)) {
		t.Errorf("the base model serves again since %s", since)
	}
	for _, list := range [][]registry.Activation{nil, {{Digest: "", Held: true, Time: at(4)}}} {
		if n, err := ns.history.Judged("default", "", history.Reign(list)); err != nil || n != 4 {
			t.Errorf("%d nights judged against the base model that always served, %v", n, err)
		}
	}
}
