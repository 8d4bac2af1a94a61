package serve

import (
	"context"
	"errors"
	"testing"

	"nightshift/serve/api"
)

// TestTracksThatAreNotLoadedYet asks for a track while only another one has been loaded: it may well exist.
func TestTracksThatAreNotLoadedYet(t *testing.T) {
	v := &versions{}
	v.lines.Store(&map[string]line{"default": {}})
	if _, err := v.Pin(context.Background(), "support", ""); !errors.Is(err, api.ErrNotReady) {
		t.Errorf("while loading: %v, want %v", err, api.ErrNotReady)
	}
	v.loaded.Store(true)
	if _, err := v.Pin(context.Background(), "support", ""); !errors.Is(err, api.ErrUnknownModel) {
		t.Errorf("afterwards: %v, want %v", err, api.ErrUnknownModel)
	}
}
