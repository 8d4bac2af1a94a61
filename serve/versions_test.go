package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"nightshift/internal/registry"
	"nightshift/replaystore/localstore"
	"nightshift/serve/api"
)

// TestRefusedVersionIsNotTriedAgainAtOnce asks for a version that was refused a moment ago: without an engine behind it, any
// try to load it would end the test.
func TestRefusedVersionIsNotTriedAgainAtOnce(t *testing.T) {
	r, err := registry.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := r.Put(t.Context(), "default", registry.Version{Config: []byte("{}"), Weights: []byte("w")})
	if err != nil {
		t.Fatal(err)
	}
	store, err := localstore.Open(localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // nothing was written
	v := &versions{registry: r, control: store.Control(), log: slog.New(slog.DiscardHandler), base: context.Background()}
	lines := map[string]line{"default": {champion: registry.Ref{Track: "default"}}}
	v.lines.Store(&lines)
	v.loaded.Store(true)
	cause := fmt.Errorf("self-test 0 of version %s: %w", ref.Digest, api.ErrRefused)
	for wait, n := firstRetry, 0; n < 10; n++ {
		v.mark(ref.Digest, cause)
		if n > 0 {
			wait = min(2*wait, lastRetry)
		}
		kept, ok := v.unsound.Load(ref.Digest)
		if !ok || kept.(*refusal).wait != wait || time.Until(kept.(*refusal).at) > wait {
			t.Fatalf("after %d refusals: %+v, want a wait of %s", n+1, kept, wait)
		}
	}
	if _, err := v.Pin(t.Context(), ref.String(), ""); !errors.Is(err, api.ErrUnavailable) || !errors.Is(err, api.ErrRefused) {
		t.Errorf("asked for a refused version: %v", err)
	}
	v.mark(ref.Digest, errors.New("the bank is full"))
	if v.refused(ref) == nil {
		t.Error("another error has made the version sound")
	}
	v.mark(ref.Digest, nil)
	if err := v.refused(ref); err != nil {
		t.Errorf("a version that was loaded is still refused: %v", err)
	}
}
