// Package seasons proves the nights on simulated customers: it lets people who know the facts of the demo shop correct, approve
// and mislead, runs real nights over what they say, and asks afterwards what was learned and what was lost.
//
// Invariants. Everything that decides is the program's own: the local store, the registry, the updater with its child process, the
// selection and the gate with the settings that are handed in, and the engine that answers. Only people and the clock are simulated.
// The same seed gives the same people saying the same things. What was measured is kept, so that a run which was interrupted goes on.
//
// It trains and judges nothing itself.
package seasons

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/demo"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/serve"
	"nightshift/update"
	"nightshift/update/night"
)

// Setup is what all nights of a simulation share.
type Setup struct {
	Model  *engine.Model // the model that ships
	Update night.Config  // of the nights
	Clerk  *Clerk        // answers the customers
	// Work is the command that does a night's work; flags that spoil its candidate and the work directory are added.
	Work []string
	Log  *slog.Logger
}

// shop is one installation of the program on the demo shop, with a clock of its own.
type shop struct {
	setup    Setup
	store    *localstore.Store
	registry *registry.Registry
	now      time.Time
}

// opening is the first day of every simulation; nights begin at two in the morning.
var opening = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)

// openShop opens a directory's installation. Who is held out depends on the seed.
func openShop(dir string, seed uint64, setup Setup) (*shop, error) {
	s := &shop{setup: setup, now: opening}
	secret := bytes.Repeat([]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1}, replaystore.SecretSize/4)
	for _, file := range []string{filepath.Join("store", "secret"), filepath.Join("registry", night.HeldOutKeyFile)} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("open the simulated shop: %w", err)
		}
		if _, err := replaystore.LoadSecret(path, secret); err != nil {
			return nil, fmt.Errorf("open the simulated shop: %w", err)
		}
	}
	var err error
	if s.registry, err = registry.Open(filepath.Join(dir, "registry"), serve.Verify(setup.Model)); err != nil {
		return nil, err
	}
	s.store, err = localstore.Open(localstore.Config{Dir: filepath.Join(dir, "store"), Log: setup.Log, Now: func() time.Time { return s.now }})
	return s, err
}

func (s *shop) close() error { return s.store.Close() }

// visit is one question of a person and what they say of the answer.
type visit struct {
	id         string
	person     string
	at         time.Time // of question and answer
	about      demo.Fact
	question   string
	answer     string
	version    string // digest of what answered
	told       time.Time
	approval   bool   // a thumb up
	correction string // what the answer should have been, "" for none
	editor     bool   // by somebody who answers for it
}

// events are a visit as the store keeps it.
func (v visit) events() (replaystore.Interaction, replaystore.Feedback) {
	in := replaystore.Interaction{ID: v.id, Track: registry.Default, Time: v.at, Subject: v.person, Answer: v.answer, Finish: "stop", Version: v.version,
		Messages: []replaystore.Message{{Role: demo.User, Content: v.question}}}
	rating := -1.0
	if v.approval {
		rating = 1
	}
	f := replaystore.Feedback{ID: v.id + "-f", Interaction: v.id, Track: registry.Default, Time: v.told, Subject: v.person, Rating: &rating, Editor: v.editor}
	if v.correction != "" {
		f.Correction = &v.correction
	}
	return in, f
}

// tell stores visits with their feedback, as servers would have. What is there already is not stored again.
func (s *shop) tell(ctx context.Context, visits []visit) error {
	if len(visits) == 0 {
		return nil
	}
	var events []replaystore.Event
	for _, v := range visits {
		in, f := v.events()
		events = append(events, replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &f})
	}
	if err := s.store.Append(ctx, events...); err != nil {
		return fmt.Errorf("store what customers said: %w", err)
	}
	return nil
}

// night runs one night with an id of its own, or returns the record of one that is over; tampering spoils its candidate.
func (s *shop) night(ctx context.Context, id string, tampering ...string) (nightrecord.Night, error) {
	deps := night.Deps{Store: s.store, Registry: s.registry, Log: s.setup.Log, Now: func() time.Time { return s.now }}
	deps.Command = append(slices.Clone(s.setup.Work), tampering...)
	nights, err := night.New(s.setup.Update, deps)
	if err != nil {
		return nightrecord.Night{}, err
	}
	n, err := update.New(nights).RunNight(ctx, night.Request{Night: id, By: "simulation"})
	if err != nil && ctx.Err() == nil && n.State == nightrecord.Failed { // a broken candidate is a result
		err = nil
	}
	return n, err
}

// champion is the digest of the version that serves, "" the base model.
func (s *shop) champion() (string, error) {
	a, err := s.registry.Champion(registry.Default)
	return a.Digest, err
}

// files reads a version's files, nil for the base model.
func (s *shop) files(digest string) (config, weights []byte, err error) {
	if digest == "" {
		return nil, nil, nil
	}
	config, weights, _, err = s.registry.Load(digest)
	return config, weights, err
}

// closing joins the error of closing to another.
func closing(err error, s *shop) error { return errors.Join(err, s.close()) }
