package night

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"nightshift/internal/anchors"
	"nightshift/internal/config"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/arch"
	"nightshift/replaystore"
	"nightshift/update/runner"
	"nightshift/update/work"
)

// Config says what nights need of the configuration. The zero values of durations are replaced by the defaults that their comments name.
type Config struct {
	ModelDir    string // directory of the base model in Hugging Face layout
	ModelDigest string // of the base model: the work of a night refuses another one; "" takes any
	// Place is where the model's starter memory and anchors are. Nights make them where they are missing, if the place names the model that
	// answers (Base). Without one they are read beside the model.
	Place        anchors.Place
	CacheDir     string     // for converted weights
	Weights      string     // format of the weights that are served, with which versions are judged: f32, also where empty, int8 or int4
	LearningRate float64    // of the base model, for settings that name none
	Shape        arch.Shape // of the base model

	ShipWait time.Duration // how long a night waits for servers that are behind, 1 min
	Alive    time.Duration // servers that were silent for longer are not waited for, 30 s
	Keep     int64         // events of a track that a store keeps which has no room for all (Redis), 1,000,000; never fewer than nights have not read

	Settings                     // of every track; Threads may be 0 for all cores
	Tracks   map[string]Settings // of the tracks that differ, each complete

	sizes sizes
}

// sizes are how many examples a night takes for what has no key of the configuration. Tests take fewer.
type sizes struct {
	rehearsal int // examples to rehearse, from the memory and the model's starter memory (RehearsalLimit)
	selfTests int // prompts that replicas check a version with (4)
	answers   int // prompts that champion and candidate answer, for behaviour (32)
}

// RehearsalLimit is how many examples a night rehearses at most.
const RehearsalLimit = 512

// anchorLimit is how many anchor examples a night measures with at most.
const anchorLimit = 256

// Runner runs the work of a directory, see package work. tell gets its progress.
type Runner interface {
	Run(ctx context.Context, dir string, tell func(context.Context, work.ProgressLine) error) error
}

// Deps are the things that nights work with.
type Deps struct {
	Store    replaystore.Store
	Registry *registry.Registry
	Runner   Runner // nil: child processes of this machine, by Command
	// Command starts a night's child process; the work directory is added as its last argument. Nil: this program with
	// "night work".
	Command []string
	Log     *slog.Logger
	Now     func() time.Time
	// Progress is told every change of a running night, from the goroutine that runs it. It must not keep it waiting.
	Progress func(nightrecord.Night)
	// At is told the steps that a night goes through, for tests that stop the world there.
	At func(step string)
}

// complete fills what was left out and checks the rest.
func (c *Config) complete() error {
	c.ShipWait = positive(c.ShipWait, time.Minute)
	c.Alive = positive(c.Alive, 30*time.Second)
	if c.Keep <= 0 {
		c.Keep = 1_000_000
	}
	c.sizes = sizes{cmp.Or(c.sizes.rehearsal, RehearsalLimit), cmp.Or(c.sizes.selfTests, 4), cmp.Or(c.sizes.answers, 32)}
	if c.ModelDir == "" {
		return fmt.Errorf("configure updater: the model's directory is missing")
	}
	if c.Place.Model == "" {
		c.Place.Model = c.ModelDir
	}
	err := c.check("update", c.Settings)
	for _, track := range slices.Sorted(maps.Keys(c.Tracks)) {
		err = errors.Join(err, registry.CheckTrack(track), c.check("tracks."+track+".update", c.Tracks[track]))
	}
	if err != nil {
		return fmt.Errorf("configure updater: %w", err)
	}
	return nil
}

// check refuses settings that no night could work with on the base model.
func (c *Config) check(key string, s Settings) error {
	err := config.Check(key, s)
	report := func(below, format string, args ...any) {
		err = errors.Join(err, fmt.Errorf("configuration: %s.train.%s: %s", key, below, fmt.Sprintf(format, args...)))
	}
	s.Train.fits(c.Shape, report)
	if s.Train.LearningRate == 0 && !(c.LearningRate > 0) {
		report("learning_rate", "want one: the model has none")
	}
	return err
}

func positive(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Of returns the settings of a track.
func (c *Config) Of(track string) Settings {
	if s, ok := c.Tracks[track]; ok {
		return s
	}
	return c.Settings
}

// complete fills what was left out; s are the settings of child processes.
func (d *Deps) complete(s Settings) error {
	if d.Store == nil || d.Registry == nil {
		return fmt.Errorf("make updater: it needs a store and a registry")
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.At == nil {
		d.At = func(string) {}
	}
	if len(d.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program for a night's work: %w", err)
		}
		d.Command = []string{self, "night", "work"}
	}
	if d.Runner == nil {
		d.Runner = runner.New(runner.Config{Command: d.Command, Deadline: s.Deadline, Nice: s.Nice, MemoryLimit: s.MemoryLimit, Governor: s.Governor},
			runner.Deps{Control: d.Store.Control(), Log: d.Log, Now: d.Now})
	}
	return nil
}
