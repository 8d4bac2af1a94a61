package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/config"
	"nightshift/internal/engine"
	"nightshift/internal/redact"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/replaystore"
	"nightshift/serve"
	"nightshift/update"
	"nightshift/update/work"
)

// parts are what serving and learning share: opened once, closed by close.
type parts struct {
	config   config.Config
	role     string
	log      *slog.Logger
	cache    string
	modelDir string
	model    *engine.Model
	learning checkpoint.Learning // of the model
	store    replaystore.Store
	secret   []byte
	registry *registry.Registry
}

// Roles of processes that share a data directory.
const (
	roleServe  = "serve"
	roleUpdate = "update"
	roleOnce   = "once" // a command that ends by itself
)

// open loads the configuration and opens the runtime, the model, the store and the registry.
func (s *settings) open(cmd *cobra.Command, role string) (*parts, error) {
	c, err := s.load(cmd)
	if err != nil {
		return nil, err
	}
	p := &parts{config: c, role: role}
	if p.log, err = telemetry.Log(os.Stderr, c.Log.Level, c.Log.Format); err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		p.log.Warn("configuration", "warning", w)
	}
	if err := p.openModel(cmd.Context()); err != nil {
		return nil, err
	}
	if role != roleOnce {
		for _, note := range p.model.Notes() {
			p.log.Info("model", "note", note)
		}
		for _, doubt := range p.model.Doubts() {
			p.log.Warn("model", "warning", doubt)
		}
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if p.store, p.secret, err = openStore(cmd.Context(), c, role, p.log); err != nil {
		return nil, err
	}
	if p.registry, err = registry.Open(c.RegistryDir(), serve.Verify(p.model)); err == nil {
		err = p.registry.Declare(c.TrackNames()...)
	}
	if err != nil {
		return nil, errors.Join(err, p.store.Close())
	}
	return p, nil
}

// openModel opens the runtime and the configuration's model.
func (p *parts) openModel(ctx context.Context) (err error) {
	if err := openRuntime(ctx, p.config); err != nil {
		return err
	}
	if p.modelDir, p.cache, err = modelDir(p.config); err != nil {
		return err
	}
	if p.model, err = engine.LoadModelAs(p.modelDir, p.cache, p.config.Weights); err != nil {
		return err
	}
	p.learning, err = checkpoint.LearningOf(p.modelDir, p.model.Config.Width)
	return err
}

// close closes the store.
func (p *parts) close() error {
	if p.role == roleOnce {
		shipLast(p.store, p.log)
	}
	return p.store.Close()
}

// server wires the serving side. updater says where nights are run: in-process, remote or none; plan, which may be nil, what they would find.
func (p *parts) server(updater string, plan serve.Plan) (*serve.Server, *engine.Engine, error) {
	c := p.config
	redactor, err := redact.New(redactConfig(c.Redact))
	if err != nil {
		return nil, nil, err
	}
	e, err := engine.New(p.model, engineConfig(c, p.model))
	if err != nil {
		return nil, nil, err
	}
	cfg := serve.FromConfig(c)
	cfg.ModelDir, cfg.Updater, cfg.API.Weights = p.modelDir, updater, p.model.Weights()
	if c.Model == "" {
		cfg.ModelName = "the model that ships"
	}
	s, err := serve.New(cfg, serve.Deps{Engine: e, Registry: p.registry, Store: p.store, Secret: p.secret, Redactor: redactor, Metrics: telemetry.New(), Log: p.log, Plan: plan})
	if err != nil {
		e.Close()
		return nil, nil, err
	}
	return s, e, nil
}

// engineConfig turns the configuration into the engine's.
func engineConfig(c config.Config, model *engine.Model) engine.Config {
	return engine.Config{Threads: c.Threads, Slots: c.Engine.Slots, Queue: c.Engine.Queue, QueueTokens: c.Engine.QueueTokens, BankRows: bankRows(c.Engine, model),
		Chunk: c.Engine.Chunk, PrefixCache: c.Engine.PrefixBytes(), MaxRank: c.Engine.MaxRank, Spin: c.Engine.Spin, Lookup: c.Engine.Lookup}
}

// bankRows is the size of the adapter bank, which depends on the model where nothing is configured.
func bankRows(c config.Engine, model *engine.Model) int {
	if c.BankRows == 0 {
		return engine.BankRows(model)
	}
	return c.BankRows
}

// redactConfig turns the configuration's rules into the redactor's.
func redactConfig(c config.Redact) redact.Config {
	r := redact.Config{Disable: c.Disable}
	for _, x := range c.Extra {
		r.Extra = append(r.Extra, redact.Rule{Name: x.Name, Pattern: x.Pattern})
	}
	return r
}

// updater wires the learning side.
func (p *parts) updater(deps update.Deps) (*update.Updater, error) {
	if err := checkLayers(p.config, p.model.Config); err != nil {
		return nil, err
	}
	deps.Store, deps.Registry, deps.Log = p.store, p.registry, p.log
	return update.New(p.updateConfig(), deps)
}

// checkLayers refuses layers and modules to learn in that the model does not have.
func checkLayers(c config.Config, shape arch.Shape) error {
	check := func(u config.Update, at string) error {
		if list, _ := u.Train.LayerNumbers(); len(list) > 0 && slices.Max(list) >= shape.Layers {
			return fmt.Errorf("configuration: %s.train.layers: the model's layers are 0-%d, not %d", at, shape.Layers-1, slices.Max(list))
		}
		for i, m := range u.Train.Modules {
			if known := append(shape.Modules(), feedForward, work.Auto); !slices.Contains(known, m) {
				return fmt.Errorf("configuration: %s.train.modules[%d]: want one of %s, not %q", at, i, strings.Join(known, ", "), m)
			}
		}
		return nil
	}
	err := check(c.Update, "update")
	for track := range c.Tracks {
		err = errors.Join(err, check(c.UpdateOf(track), "tracks."+track+".update"))
	}
	return err
}

// feedForward stands in a configuration for the modules of a model's feed-forward part.
const feedForward = "mlp"

// modules are the names that a model has for what the configuration names.
func modules(names []string, shape arch.Shape) (list []string) {
	for _, name := range names {
		if name == feedForward {
			list = append(list, shape.FeedForward()...)
			continue
		}
		list = append(list, name)
	}
	return list
}

// updateConfig turns the configuration into the updater's.
func (p *parts) updateConfig() update.Config {
	c := p.config
	threads := cmp.Or(c.Update.Threads, c.Threads, runtime.GOMAXPROCS(0)) // frozen with the night: a replay computes with as many
	u := update.Config{ModelDir: p.modelDir, CacheDir: p.cache, Weights: p.model.Weights(), Threads: threads, Deadline: c.Update.Deadline, Nice: c.Update.Nice,
		Governor: update.Governor{Target: c.Update.Governor.Target, Least: c.Update.Governor.Least},
		Settings: p.settings(c.Update), Tracks: map[string]update.Settings{}}
	if c.Update.MemoryLimit > 0 {
		u.MemoryLimit = fmt.Sprintf("%dMiB", c.Update.MemoryLimit)
	}
	for track := range c.Tracks {
		u.Tracks[track] = p.settings(c.UpdateOf(track))
	}
	return u
}

// microTokens bounds a microbatch, and with it the memory of training.
const microTokens = 1024

// settings turns one track's learning configuration into the updater's.
func (p *parts) settings(u config.Update) update.Settings {
	s := update.Defaults()
	s.Schedule, s.TimeZone, s.Anchors, s.Probes, s.Forgetting = u.Schedule, u.TimeZone, u.Anchors, u.Probes, u.Forgetting
	e, t, g := u.Evidence, u.Train, u.Gate
	s.MinNew, s.MinAge, s.HeldOut, s.PerSubject, s.MaxExamples = e.MinNewExamples, e.Quarantine, e.HeldOut, e.PerSubject, e.MaxExamples
	s.Rotation = e.Rotation
	s.Guard = update.Guard{Near: e.NearDuplicates, Subjects: e.ClusterSubjects, Cluster: e.ClusterExamples, Phrase: e.PhraseExamples, Within: e.ConfirmWithin,
		OutlierLoss: e.OutlierLoss, OutlierGradient: e.OutlierGradient}
	s.Objective, s.Memory = t.Objective, update.Memory{Rehearse: t.RehearsalPolicy, Replace: t.RehearsalReplacement, Uniform: t.RehearsalUniform, PerSubject: u.Memory.PerSubject}
	s.Correction, s.Approval, s.Seed = t.CorrectionWeight, t.ApprovalWeight, t.Seed
	columns := min(t.RowTokens, p.model.Config.Context)
	rows := max(1, min(t.BatchTokens, microTokens)/columns)
	s.Train.Rank, s.Train.Alpha, s.Train.RSLoRA, s.Train.Modules, s.Train.Budget = t.Rank, t.Alpha, t.RSLoRA, modules(t.Modules, p.model.Config), t.ModuleBudget
	s.Train.Layers, _ = t.LayerNumbers() // checked when it was loaded
	s.Train.Rate, s.Train.Epochs, s.Train.Warmup, s.Train.Decay, s.Train.Clip = cmp.Or(t.LearningRate, p.learning.LearningRate), float64(t.Epochs), t.Warmup, t.WeightDecay, t.Clip
	s.Train.Learned, s.Train.MaxSteps, s.Train.MaxTime = t.Learned, t.MaxSteps, t.MaxTime
	s.Train.Columns, s.Train.Rows, s.Train.Micro = columns, rows, max(1, t.BatchTokens/(rows*columns))
	s.Train.Rehearsal, s.Train.KL, s.Train.Methods = t.RehearsalRatio, t.KLShare, work.Methods(t.Methods)
	s.Train.KLNew, s.Train.StoredTeachers = t.KLShareNew, t.Teacher == "stored"
	s.Train.Preferences, s.Train.Ratings = work.Preferences(t.Preferences), work.Ratings(t.Ratings)
	s.Gate.RetentionChampion, s.Gate.RetentionReference, s.Gate.SignTest = g.RetentionChampion, g.RetentionReference, g.SignTest
	s.Gate.Drift, s.Gate.Taught = g.Drift, g.Taught
	s.Canary = update.Canary(u.Canary)
	s.Initial = update.Initial{Track: u.Initial.Track, Initial: work.Initial{Rounds: u.Initial.Rounds, Steps: u.Initial.Steps, Share: u.Initial.Share}}
	s.Gate.Repetition, s.Gate.Length, s.Gate.EndRate, s.Gate.Resamples = g.Repetition, g.Length, g.EndOfText, g.Bootstrap
	s.Blocked = g.Blocked
	s.Gate.MinExamples, s.Gate.MinSubjects, s.Gate.MinAge, s.Gate.MaxSubjectShare = e.MinNewExamples, e.MinSubjects, e.Quarantine, e.LargestShare
	return s
}

// address is how other commands find the server that uses a data directory.
type address struct {
	URL string `json:"url"`
	PID int    `json:"pid"`
}

// addressFile is the name of that file in the data directory.
func addressFile(c config.Config) string { return filepath.Join(c.Data, "address.json") }

// write replaces the file in one step: whoever reads it finds all of it.
func (a address) write(file string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".address-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// closing joins the error of closing p to err.
func closing(p *parts, err error) error { return errors.Join(err, p.close()) }

// quiet drops the error of a command that was asked to stop.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
