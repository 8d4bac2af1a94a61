// Package app wires the parts of a program out of the configuration: the model, the store, the registry, the server and the updater, and says
// how commands find a server that runs on their data directory.
//
// It decides nothing that a part could decide itself, and prints nothing but what a server that is ready says of itself.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/anchors"
	"nightshift/internal/engine"
	"nightshift/internal/redact"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
	"nightshift/models/checkpoint"
	"nightshift/replaystore"
	"nightshift/serve"
	"nightshift/update/night"
)

// Parts are what serving and learning share: opened once, closed by Close.
type Parts struct {
	Config   Config
	Log      *slog.Logger
	Cache    string // the directory of what can be made again
	ModelDir string
	Model    *engine.Model
	Store    replaystore.Store
	Secret   []byte // of the store
	Registry *registry.Registry
	Anchors  anchors.Place // of the model

	role     Role
	learning checkpoint.Learning // of the model
}

// Role is what a process does with a data directory that several share.
type Role string

// The roles of processes.
const (
	Serving  Role = "serve"
	Learning Role = "update"
	Once     Role = "once" // a command that ends by itself
)

// Open loads the configuration and opens the runtime, the model, the store and the registry.
func (s *Flags) Open(cmd *cobra.Command, role Role) (*Parts, error) {
	c, err := s.Load(cmd)
	if err != nil {
		return nil, err
	}
	p := &Parts{Config: c, role: role}
	if p.Log, err = telemetry.Log(os.Stderr, c.Log.Level, c.Log.Format); err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		p.Log.Warn("configuration", "warning", w)
	}
	if err := p.OpenModel(cmd.Context()); err != nil {
		return nil, err
	}
	if role != Once {
		for _, note := range p.Model.Notes() {
			p.Log.Info("model", "note", note)
		}
		for _, doubt := range p.Model.Doubts() {
			p.Log.Warn("model", "warning", doubt)
		}
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if p.Store, p.Secret, err = openStore(cmd.Context(), c, role, p.Log); err != nil {
		return nil, err
	}
	if p.Registry, err = registry.Open(c.RegistryDir(), serve.Verify(p.Model)); err == nil {
		err = p.Registry.Declare(c.TrackNames()...)
	}
	if err != nil {
		return nil, errors.Join(err, p.Store.Close())
	}
	return p, nil
}

// OpenModel opens the runtime and the configuration's model.
func (p *Parts) OpenModel(ctx context.Context) (err error) {
	if err := OpenRuntime(ctx, p.Config); err != nil {
		return err
	}
	if p.ModelDir, p.Cache, err = ModelDir(p.Config); err != nil {
		return err
	}
	if p.Model, err = engine.LoadModelAs(p.ModelDir, p.Cache, p.Config.Weights); err != nil {
		return err
	}
	p.Anchors = p.Config.Anchors(p.ModelDir, p.Model)
	p.learning, err = checkpoint.LearningOf(p.ModelDir, p.Model.Config.Width)
	return err
}

// Close closes the store.
func (p *Parts) Close() error {
	if p.role == Once {
		shipLast(p.Store, p.Log)
	}
	return p.Store.Close()
}

// NewServer wires the serving side. updater says where nights are run: in-process, remote or none; plan, which may be nil, what they would find.
func (p *Parts) NewServer(updater string, plan serve.Plan) (*serve.Server, *engine.Engine, error) {
	c := p.Config
	redactor, err := redact.New(c.Redact)
	if err != nil {
		return nil, nil, err
	}
	e, err := engine.New(p.Model, engineConfig(c, p.Model))
	if err != nil {
		return nil, nil, err
	}
	cfg := c.Serve()
	cfg.ModelDir, cfg.Updater, cfg.API.Weights = p.ModelDir, updater, p.Model.Weights()
	if c.Model == "" {
		cfg.ModelName = "the model that ships"
	}
	s, err := serve.New(cfg, serve.Deps{Engine: e, Registry: p.Registry, Store: p.Store, Secret: p.Secret, Redactor: redactor, Metrics: telemetry.New(), Log: p.Log, Plan: plan})
	if err != nil {
		e.Close()
		return nil, nil, err
	}
	return s, e, nil
}

// Serve is what the serving side needs of the configuration.
func (c Config) Serve() serve.Config {
	cfg := serve.Config{Listen: c.Listen, Schedule: c.Update.Schedule, Slots: c.Engine.Slots}
	cfg.API.Keys, cfg.API.Origins = c.Keys, c.CORS.Origins
	cfg.API.Defaults.Limit, cfg.API.MaxWait = c.Engine.MaxTokens, c.Engine.Wait
	cfg.Tracks, cfg.Router = c.TrackNames(), c.Router
	return cfg
}

// engineConfig turns the configuration into the engine's.
func engineConfig(c Config, model *engine.Model) engine.Config {
	return engine.Config{Threads: c.Threads, Slots: c.Engine.Slots, Queue: c.Engine.Queue, QueueTokens: c.Engine.QueueTokens, BankRows: bankRows(c.Engine, model),
		Chunk: c.Engine.Chunk, PrefixCache: c.Engine.PrefixBytes(), MaxRank: c.Engine.MaxRank, Spin: c.Engine.Spin, Lookup: c.Engine.Lookup}
}

// bankRows is the size of the adapter bank, which depends on the model where nothing is configured.
func bankRows(c Engine, model *engine.Model) int {
	if c.BankRows == 0 {
		return engine.BankRows(model)
	}
	return c.BankRows
}

// Anchors is where the starter memory and the anchors of a model in dir are. A model whose directory cannot be written to has them in the
// data directory, by its digest.
func (c Config) Anchors(dir string, m *engine.Model) anchors.Place {
	p := anchors.Place{Model: dir, Base: m.Checkpoint.Digest()}
	p.Spare = filepath.Join(c.Data, "anchors", strings.TrimPrefix(p.Base, "sha256:"))
	if m.Template != nil {
		p.Template = m.Template.Digest()
	}
	return p
}

// NightConfig is what nights need of the configuration.
func (p *Parts) NightConfig() night.Config {
	c := p.Config
	u := night.Config{ModelDir: p.ModelDir, ModelDigest: p.Model.Checkpoint.Digest(), Place: p.Anchors, CacheDir: p.Cache, Weights: p.Model.Weights(), Shape: p.Model.Config,
		LearningRate: p.learning.LearningRate, Settings: c.Update, Tracks: map[string]night.Settings{}}
	u.Threads = cmp.Or(c.Update.Threads, c.Threads, runtime.GOMAXPROCS(0)) // frozen with the night: a replay computes with as many
	for track := range c.Tracks {
		u.Tracks[track] = c.UpdateOf(track)
	}
	return u
}

// NewNights wires the learning side.
func (p *Parts) NewNights(deps night.Deps) (*night.Nights, error) {
	deps.Store, deps.Registry, deps.Log = p.Store, p.Registry, p.Log
	return night.New(p.NightConfig(), deps)
}

// Closing joins the error of closing the parts to err.
func (p *Parts) Closing(err error) error { return errors.Join(err, p.Close()) }

// quiet drops the error of a command that was asked to stop.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
