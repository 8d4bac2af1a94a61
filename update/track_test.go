package update

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/night"
	"nightshift/update/nighttest"
)

// TestNightsOfTracksThatAreNot refuses a night of a mistyped track without a trace, fails one that was asked for before its track was
// deleted, and leaves that track out of the schedule.
func TestNightsOfTracksThatAreNot(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.CreateTrack("support")
	in := replaystore.Interaction{ID: replaystore.NewID(), Track: "support", Time: s.Now, Messages: nighttest.Raw("?"), Answer: "!"}
	if err := s.Store.Append(t.Context(), replaystore.Event{Interaction: &in}); err != nil {
		t.Fatal(err)
	}
	u := s.updater()
	if got := u.due(t.Context(), ""); !slices.Contains(got, "support") {
		t.Errorf("due are %v", got)
	}
	if _, err := u.RunNight(t.Context(), night.Request{Track: "suppor"}); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "did you mean support?") {
		t.Errorf("a mistyped track: %v", err)
	}
	if _, err := u.RunNight(t.Context(), night.Request{Track: "a b"}); err == nil {
		t.Error("a track's name with a space was accepted")
	}
	if ids, err := s.Registry.ListNights(); err != nil || len(ids) != 0 {
		t.Errorf("nights %v, %v", ids, err)
	}
	if _, err := s.Registry.DeleteTrack(t.Context(), "support", "ann", ""); err != nil {
		t.Fatal(err)
	}
	if got := u.due(t.Context(), ""); slices.Contains(got, "support") {
		t.Errorf("due are %v", got)
	}
	_, ended := s.background(nil)
	s.Send(replaystore.NightRequest{Night: "20260302-010000-asked", Track: "support", By: "api"})
	if n := <-ended; n.State != nightrecord.Failed || n.Reason != "there is no track support" {
		t.Errorf("the night is %s: %s", n.State, n.Reason)
	}
}
