package update

import (
	"log/slog"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/models/arch"
	"nightshift/update/night"
	"nightshift/update/nighttest"
)

func TestMain(m *testing.M) { nighttest.Main(m) }

// shop is a shop and what an updater of it is made of.
type shop struct {
	*nighttest.Shop
	config night.Config
	deps   night.Deps
}

func newShop(t *testing.T, model string) *shop {
	t.Helper()
	s := &shop{Shop: nighttest.New(t)}
	s.config = night.Config{ModelDir: model, CacheDir: t.TempDir(), Shape: arch.GPT2(arch.Shape{Layers: 1, Context: 64}), Settings: night.Defaults()}
	nighttest.Tune(t, &s.config.Settings)
	s.config.Gate.Resamples = 400 // there is no key for it
	s.deps = night.Deps{Store: s.Store, Registry: s.Registry, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.Now }}
	return s
}

func (s *shop) updater() *Updater {
	s.Helper()
	ns, err := night.New(s.config, s.deps)
	if err != nil {
		s.Fatal(err)
	}
	return New(ns)
}

// run runs a night that must end in a state.
func (s *shop) run(u *Updater, req night.Request, want nightrecord.State) nightrecord.Night {
	s.Helper()
	n, err := u.RunNight(s.Context(), req)
	if err != nil {
		s.Fatal(err)
	}
	if n.State != want {
		s.Fatalf("the night was %s: %s; selection %+v; want %s", n.State, n.Reason, n.Selected, want)
	}
	stored, found, err := u.history.Record(n.ID)
	if err != nil || !found || stored.State != n.State || stored.Finished.IsZero() {
		s.Errorf("stored record %+v, %v, %v", stored, found, err)
	}
	return n
}
