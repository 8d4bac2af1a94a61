package night

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(c *Config, d *Deps)
	}{
		{"no model", "model's directory", func(c *Config, _ *Deps) { c.ModelDir = "" }},
		{"no store", "needs a store", func(_ *Config, d *Deps) { d.Store = nil }},
		{"schedule", `update.schedule: want minute, hour`, func(c *Config, _ *Deps) { c.Schedule = "at night" }},
		{"time zone", `update.time_zone: want Local, UTC or a name such as Europe/Berlin, not "Mars/Base"`, func(c *Config, _ *Deps) { c.Schedule, c.TimeZone = "30 2 * * *", "Mars/Base" }},
		{"held out", "update.evidence.held_out: want at least 0.01, not 0", func(c *Config, _ *Deps) { c.Evidence.HeldOut = 0 }},
		{"held out is no number", "update.evidence.held_out: want a number", func(c *Config, _ *Deps) { c.Evidence.HeldOut = math.NaN() }},
		{"rank", "update.train.rank: want at least 1, not 0", func(c *Config, _ *Deps) { c.Train.Rank = 0 }},
		{"rate", "update.train.learning_rate: want one: the model has none", func(c *Config, _ *Deps) { c.Train.LearningRate = 0 }},
		{"batch", "update.train.batch_tokens: want at least 16, not 0", func(c *Config, _ *Deps) { c.Train.BatchTokens = 0 }},
		{"methods", "update.train.methods.round_share: want at least 0.001", func(c *Config, _ *Deps) { c.Train.Methods.RoundShare = 0 }},
		{"KL", "update.train.kl_share: want at most 1, not 2", func(c *Config, _ *Deps) { c.Train.KLShare = 2 }},
		{"track's name", "is no name of a track", func(c *Config, _ *Deps) { c.Tracks = map[string]Settings{"a b": Defaults()} }},
		{"track's settings", "tracks.support.update.train.rank", func(c *Config, _ *Deps) { c.Tracks = map[string]Settings{"support": {}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, "model")
			c.change(&s.config, &s.deps)
			if _, err := New(s.config, s.deps); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestCanarySettings(t *testing.T) {
	good := Canary{Shares: []float64{0.05, 0.25}, Step: time.Hour, People: 1, Patience: time.Hour, Error: 0.05}
	for name, change := range map[string]func(c *Canary){
		"canary.shares: want shares that rise":                  func(c *Canary) { c.Shares = []float64{0.25, 0.05} },
		"canary.shares[1]: want at most 0.9999":                 func(c *Canary) { c.Shares = []float64{0.5, 1} },
		"canary.patience: want at least update.canary.step, 1h": func(c *Canary) { c.Patience = time.Minute },
		"canary.people: want at least 1":                        func(c *Canary) { c.People = 0 },
		"canary.error: want at most 0.5":                        func(c *Canary) { c.Error = 1 },
		"canary.error: want at least 0.0001":                    func(c *Canary) { c.Error = 0 },
	} {
		s := newShop(t, t.TempDir())
		s.config.Canary = good
		change(&s.config.Canary)
		if _, err := New(s.config, s.deps); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if good.Next(0) != 0.05 || good.Next(0.05) != 0.25 || good.Next(0.25) != 1 || good.Next(0.1) != 0.25 || (Canary{}).Next(0) != 1 {
		t.Error("the shares are not taken in turn")
	}
}
