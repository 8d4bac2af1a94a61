package update

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/schedule"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Config of an updater. The zero values of durations are replaced by the defaults that their comments name.
type Config struct {
	ModelDir string // directory of the base model in Hugging Face layout
	CacheDir string // for converted weights
	Weights  string // format of the weights that are served, with which versions are judged: f32, also where empty, int8 or int4
	Threads  int    // inside one operator, 0 for all cores; part of what a replay reproduces

	Deadline    time.Duration // of a night's child process, 6 h
	ShipWait    time.Duration // how long a night waits for servers that are behind, 1 min
	Alive       time.Duration // servers that were silent for longer are not waited for, 30 s
	Nice        int           // niceness of the child process, 0 that of this one
	MemoryLimit string        // GOMEMLIMIT of the child process, "" for none
	Keep        int64         // events of a track that a store keeps which has no room for all (Redis), 1,000,000; never fewer than nights have not read

	Governor Governor // of the child process

	Settings                     // of every track
	Tracks   map[string]Settings // of the tracks that differ, each complete
}

// Settings say when and how a track learns, and what a candidate must prove. Start from Defaults.
type Settings struct {
	Schedule string `json:"schedule"`  // cron: minute, hour, day of month, month, day of week; "" only on request
	TimeZone string `json:"time_zone"` // of the schedule, "" for local time

	MinNew         int           `json:"min_new"`            // new examples without which a night is skipped; Gate.MinExamples counts too
	MinAge         time.Duration `json:"min_age"`            // younger feedback waits for the next night
	HeldOut        float64       `json:"held_out"`           // share of people whose feedback measures and is not learned
	Rotation       time.Duration `json:"rotation,omitempty"` // after which others are held out, of those who were never learned from; 0: never
	MaxExamples    int           `json:"max_examples"`       // of one night, the newest; 0 for no bound
	PerSubject     int           `json:"per_subject"`        // new examples of one person, 0 for no cap
	Correction     float64       `json:"correction"`         // weight of a correction
	Approval       float64       `json:"approval"`           // weight of an approved answer
	Objective      string        `json:"objective"`          // what is learned from: selection.SFT, DPO, KTO or APO; Train takes it over
	RehearsalLimit int           `json:"rehearsal_limit"`    // examples to rehearse, from the memory and the model's starter memory
	Anchors        string        `json:"anchors"`            // file of anchor examples, "" for anchors.jsonl of the model
	AnchorLimit    int           `json:"anchor_limit"`
	Probes         string        `json:"probes,omitempty"`     // file of questions that are scored each night, "" for none
	Forgetting     float64       `json:"forgetting,omitempty"` // nats per token that a set of probes may fall from its best without an alarm, 0 for any number
	Guard          Guard         `json:"guard"`
	Initial        Initial       `json:"initial"` // where a track begins that has no champion
	Memory         Memory        `json:"memory"`

	Seed      uint64      `json:"seed"`
	Train     work.Train  `json:"train"`
	SelfTests int         `json:"self_tests"`        // prompts that replicas check a version with
	Blocked   []string    `json:"blocked,omitempty"` // phrases that no answer may hold
	Answers   int         `json:"answers"`           // prompts that champion and candidate answer, for behaviour
	Gate      gate.Limits `json:"gate"`
	Canary    Canary      `json:"canary"`
}

// Defaults are the settings of a production track.
func Defaults() Settings {
	limits := gate.Defaults()
	return Settings{MinNew: limits.MinExamples, MinAge: limits.MinAge, HeldOut: 0.2, MaxExamples: 5000, PerSubject: 50, Correction: 1, Approval: 0.5,
		Objective: selection.SFT, Guard: defaultGuard(), Initial: Initial{Initial: work.Initial{Rounds: 25, Steps: 60, Share: 1}}, Memory: Memory{Rehearse: selection.Random, Replace: selection.Random, Uniform: 0.2, PerSubject: 50},
		RehearsalLimit: 512, AnchorLimit: 256, Forgetting: 0.1, Seed: 1, SelfTests: 4, Answers: 32, Gate: limits,
		Canary: Canary{Step: 24 * time.Hour, People: 20, Patience: 7 * 24 * time.Hour, Error: 0.05},
		Train: work.Train{Rank: 8, Alpha: 16, Modules: []string{"mlp.c_fc", "mlp.c_proj"}, Rate: 2e-4, Epochs: 5, Learned: 0.98, MaxSteps: 1000, Warmup: 0.05, Clip: 1,
			Rows: 4, Columns: 256, Micro: 1, Rehearsal: 4, KL: 0.5, Teacher: 8,
			Preferences: work.Preferences{Share: 1, Beta: 0.5, ChangedOnly: true}, Ratings: work.Ratings{Share: 1, Beta: 0.5}}}
}

// Deps are the things that an updater works with.
type Deps struct {
	Store    replaystore.Store
	Registry *registry.Registry
	// Command starts a night's child process; the work directory is added as its last argument. Nil: this program with
	// "night work".
	Command []string
	Env     []string // added to the child's environment
	Log     *slog.Logger
	Now     func() time.Time
	// Progress is told every change of a running night, from the goroutine that runs it. It must not keep it waiting.
	Progress func(nightrecord.Night)
}

// complete fills what was left out and checks the rest.
func (c *Config) complete() error {
	c.Deadline = positive(c.Deadline, 6*time.Hour)
	c.ShipWait = positive(c.ShipWait, time.Minute)
	c.Alive = positive(c.Alive, 30*time.Second)
	if c.Governor.Least <= 0 {
		c.Governor.Least = 0.1
	}
	if c.Keep <= 0 {
		c.Keep = 1_000_000
	}
	if c.ModelDir == "" {
		return fmt.Errorf("configure updater: the model's directory is missing")
	}
	if err := c.Settings.check(); err != nil {
		return fmt.Errorf("configure updater: %w", err)
	}
	for _, track := range slices.Sorted(maps.Keys(c.Tracks)) {
		if err := registry.CheckTrack(track); err != nil {
			return fmt.Errorf("configure updater: %w", err)
		}
		s := c.Tracks[track]
		if err := s.check(); err != nil {
			return fmt.Errorf("configure updater of track %s: %w", track, err)
		}
	}
	return nil
}

func positive(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// of returns the settings of a track.
func (c *Config) of(track string) Settings {
	if s, ok := c.Tracks[track]; ok {
		return s
	}
	return c.Settings
}

// check refuses settings that no night could work with.
func (s *Settings) check() error {
	if _, err := s.plan(); err != nil {
		return err
	}
	if math.IsNaN(s.HeldOut) || s.HeldOut <= 0 || s.HeldOut >= 1 {
		return fmt.Errorf("the share of people held out is %g, it must lie between 0 and 1: without them no gain can be measured", s.HeldOut)
	}
	if err := errors.Join(s.Guard.check(), s.Memory.check()); err != nil {
		return err
	}
	if err := errors.Join(s.Canary.check(), s.Initial.check(s.Train)); err != nil {
		return err
	}
	if s.Rotation < 0 {
		return fmt.Errorf("the people held out change every %s, that is no time", s.Rotation)
	}
	t := s.train()
	if err := errors.Join(t.Methods.Check(), t.CheckObjective()); err != nil {
		return err
	}
	switch {
	case t.Methods.Orthogonal > 0 && t.Methods.OrthogonalRank < t.Rank:
		return fmt.Errorf("candidates of orthogonal blocks have a rank of at most %d, a block has %d", t.Methods.OrthogonalRank, t.Rank)
	case s.Objective == "":
		return fmt.Errorf("there is no objective; it is one of %v", selection.Objectives())
	case t.Rank < 1 || len(t.Modules) == 0:
		return fmt.Errorf("an adapter needs a rank of at least 1 and some modules, not %d and %v", t.Rank, t.Modules)
	case !(t.Rate > 0) || !(t.Epochs > 0) || t.MaxSteps < 1:
		return fmt.Errorf("learning rate %g, epochs %g and %d steps must be positive", t.Rate, t.Epochs, t.MaxSteps)
	case !(t.Learned >= 0 && t.Learned <= 1) || t.MaxTime < 0:
		return fmt.Errorf("training until a share of %g is learned, for %s: the first must lie in 0 to 1, the second must not be negative", t.Learned, t.MaxTime)
	case t.Rows < 1 || t.Columns < 2 || t.Micro < 1:
		return fmt.Errorf("a batch of %d rows, %d columns and %d microbatches is none", t.Rows, t.Columns, t.Micro)
	case !(t.KL >= 0 && t.KL <= 1 && t.KLNew >= 0 && t.KLNew <= 1) || (t.KL > 0 || t.KLNew > 0 || t.StoredTeachers) && t.Teacher < 1:
		return fmt.Errorf("the teacher's shares of targets are %g and %g, they must lie in 0 to 1, and its distribution needs at least one token, not %d", t.KL, t.KLNew, t.Teacher)
	}
	return nil
}

// train are the settings of the run, with the objective that the selection is made for.
func (s *Settings) train() work.Train {
	t := s.Train
	t.Objective = s.Objective
	return t
}

// plan is the schedule, nil for none.
func (s *Settings) plan() (*schedule.Schedule, error) {
	if s.Schedule == "" {
		return nil, nil
	}
	zone, err := schedule.Zone(cmp.Or(s.TimeZone, "Local"))
	if err != nil {
		return nil, fmt.Errorf("time zone of the schedule: %w", err)
	}
	plan, err := schedule.Parse(s.Schedule, zone)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", s.Schedule, err)
	}
	return plan, nil
}

// complete fills what was left out.
func (d *Deps) complete() error {
	if d.Store == nil || d.Registry == nil {
		return fmt.Errorf("make updater: it needs a store and a registry")
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if len(d.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program for a night's work: %w", err)
		}
		d.Command = []string{self, "night", "work"}
	}
	return nil
}
