package night

import (
	"strings"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/update/history"
)

// reviewed has a person vouch for a rejected night: the next one takes its evidence up again, once, and the gate judges.
func (s *shop) reviewed(ns *Nights, first, rejected nightrecord.Night) {
	s.Helper()
	for night, why := range map[string]string{first.ID: "has learned from it", "20260101-000000-none": "there is no night"} {
		if _, _, err := history.Review(s.Registry, night, "ann", s.Now); err == nil || !strings.Contains(err.Error(), why) {
			s.Errorf("reviewed night %s: %v", night, err)
		}
	}
	s.Now = s.Now.Add(time.Hour)
	want := rejected.Selected.New + rejected.Selected.HeldOut
	if track, n, err := history.Review(s.Registry, rejected.ID, "ann", s.Now); err != nil || track != registry.Default || n != want {
		s.Errorf("reviewed %d examples of track %s, %v; want %d", n, track, err, want)
	}
	s.Now = s.Now.Add(time.Hour)
	again, err := s.begin(s.Context(), ns, Request{})
	if err != nil || again.Verdict == nil {
		s.Fatalf("the night after the review: %s %s, %v", again.State, again.Reason, err)
	}
	if got := again.Selected; got.New != rejected.Selected.New || got.HeldOut != rejected.Selected.HeldOut {
		s.Errorf("selected %+v, want what the reviewed night had: %+v", got, rejected.Selected)
	}
	if after := s.run(ns, Request{}, nightrecord.Skipped); after.Selected.New != 0 {
		s.Errorf("the reviewed evidence is taken a third time: %+v", after.Selected)
	}
}
