package night

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/arch"
	"nightshift/update/nighttest"
)

func TestMain(m *testing.M) { nighttest.Main(m) }

// shop is a shop and what its nights are made of.
type shop struct {
	*nighttest.Shop
	config Config
	deps   Deps
}

func newShop(t *testing.T, model string) *shop {
	t.Helper()
	s := &shop{Shop: nighttest.New(t)}
	s.config = Config{ModelDir: model, CacheDir: t.TempDir(), Shape: arch.GPT2(arch.Shape{Layers: 1, Context: 64}), Settings: Defaults(), sizes: sizes{answers: 4, selfTests: 2}}
	nighttest.Tune(t, &s.config.Settings)
	s.config.Gate.Resamples = 400 // there is no key for it
	s.deps = Deps{Store: s.Store, Registry: s.Registry, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.Now }}
	return s
}

func (s *shop) nights() *Nights {
	s.Helper()
	ns, err := New(s.config, s.deps)
	if err != nil {
		s.Fatal(err)
	}
	return ns
}

// begin runs a night, where the request does not say otherwise one of the default track with an id of now.
func (s *shop) begin(ctx context.Context, ns *Nights, req Request) (nightrecord.Night, error) {
	s.Helper()
	if req.Track == "" {
		req.Track = registry.Default
	}
	if req.Night == "" {
		req.Night = nightrecord.NewID(s.Now)
	}
	return ns.Run(ctx, req)
}
