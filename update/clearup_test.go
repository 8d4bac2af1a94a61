package update

import (
	"context"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/night"
)

// TestNightThatCannotBeClearedUp stops its own track and nothing else.
func TestNightThatCannotBeClearedUp(t *testing.T) {
	s := newShop(t, t.TempDir())
	broken := nightrecord.Night{ID: nightrecord.NewID(s.Now), Track: registry.Default, State: nightrecord.Gating}
	if err := s.Registry.CreateNight(broken.ID); err != nil {
		t.Fatal(err)
	}
	data, err := broken.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Registry.WriteNightFile(broken.ID, nightrecord.File, data); err != nil {
		t.Fatal(err)
	}
	// It was activated, and its frozen files are gone.
	if _, err := s.Registry.Activate(t.Context(), registry.Default, registry.Activation{Actor: registry.Updater, Night: broken.ID}); err != nil {
		t.Fatal(err)
	}
	s.CreateTrack("other")
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	ended := make(chan nightrecord.Night, 1)
	s.deps.Progress = func(n nightrecord.Night) {
		if n.State.Final() {
			ended <- n
		}
	}
	u := s.updater()
	go func() { stopped <- u.Run(ctx) }()
	s.Send(replaystore.NightRequest{Night: "20260302-010000-other", Track: "other", By: "api"})
	select {
	case n := <-ended:
		if n.Track != "other" || n.State != nightrecord.Skipped {
			t.Errorf("the other track's night is %s: %s", n.State, n.Reason)
		}
	case err := <-stopped:
		t.Fatalf("one night stopped the updater: %v", err)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Errorf("run: %v", err)
	}
	if _, err := u.RunNight(t.Context(), night.Request{}); err == nil {
		t.Error("the track's evidence would be used twice")
	}
}
