package update

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
)

// background runs an updater until the test ends, and returns it with the final records of its nights. sleep is how it waits, nil for really.
func (s *shop) background(sleep func(context.Context, time.Time) error) (*Updater, <-chan nightrecord.Night) {
	s.Helper()
	ended := make(chan nightrecord.Night, 100)
	watched := *s
	watched.deps.Progress = func(n nightrecord.Night) {
		if n.State.Final() {
			ended <- n
		}
	}
	u := watched.updater()
	if sleep != nil {
		u.sleep = sleep
	}
	ctx, stop := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	s.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.Errorf("run: %v", err)
		}
	})
	return u, ended
}

func TestRequestsOverTheControlStream(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.CreateTrack("support")
	s.Send(replaystore.NightRequest{Night: "20260302-010000-early", Track: "default", By: "api", Options: []byte(`{"dry_run":true}`)}) // before there is an updater
	s.Send(replaystore.NightRequest{Night: "20260302-010000-early", Track: "default", By: "api"})                                      // once is enough
	s.Send(replaystore.NightRequest{Night: "../../etc", Track: "default"})
	s.Send(replaystore.NightRequest{Night: "20260302-010001-track", Track: "no such track!"})
	s.Send(replaystore.NightRequest{Night: "20260302-010002-option", Track: "default", Options: []byte(`{"dry_run":"maybe"}`)})
	_, ended := s.background(nil)
	if n := <-ended; n.ID != "20260302-010000-early" || n.State != nightrecord.Skipped || !n.DryRun || n.By != "api" {
		t.Errorf("first night %+v", n)
	}
	s.Send(replaystore.NightRequest{Night: "20260302-010003-next", Track: "support", By: "api"})
	if n := <-ended; n.ID != "20260302-010003-next" || n.Track != "support" || n.DryRun {
		t.Errorf("second night %+v", n)
	}
	if ids, err := s.Registry.ListNights(); err != nil || len(ids) != 2 {
		t.Errorf("nights %v, %v", ids, err)
	}
	signals, err := s.Store.Control().Read(t.Context(), "", 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	var stages []string
	for _, sig := range signals {
		if sig.Kind == replaystore.KindProgress {
			p, err := replaystore.Decode[replaystore.ProgressSignal](sig)
			if err != nil {
				t.Fatal(err)
			}
			if p.Track == "support" {
				stages = append(stages, p.Stage)
			}
		}
	}
	if got := strings.Join(stages, " "); got != "wait select done" {
		t.Errorf("announced stages %q", got)
	}
}

func TestTwoUpdatersRunANightOnce(t *testing.T) {
	s := newShop(t, t.TempDir())
	_, ended := s.background(nil)
	_, other := s.background(nil)
	for i := range 5 {
		s.Send(replaystore.NightRequest{Night: fmt.Sprintf("20260302-01000%d-n", i), Track: "default"})
	}
	seen := map[string]int{}
	for range 5 {
		select {
		case n := <-ended:
			seen[n.ID]++
		case n := <-other:
			seen[n.ID]++
		}
	}
	if len(seen) != 5 {
		t.Errorf("nights %v", seen)
	}
}
