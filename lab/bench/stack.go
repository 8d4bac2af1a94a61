package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"nightshift/internal/app"
	"nightshift/internal/engine"
	"nightshift/internal/redact"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
	"nightshift/models/adapter"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/serve"
)

// stack is a whole server in this process, on a loopback port, with a local store in a directory of its own, as the command
// serve makes it from an empty configuration; and a way past it, to its engine.
type stack struct {
	engine   *engine.Engine
	registry *registry.Registry
	url      string
	dir      string
	store    *localstore.Store
	stop     func() error
}

// stackOptions are how a server differs from that of an empty configuration.
type stackOptions struct {
	slots    int
	bankRows int
	waited   func(time.Duration, serve.CacheResult) // is told what each request waited for its version

	unrecorded bool // interactions are neither redacted nor kept
}

// forgetful is a store that drops interactions, as if they were written.
type forgetful struct{ replaystore.Store }

// AppendAsync implements replaystore.Store.
func (forgetful) AppendAsync(replaystore.Event) bool { return true }

// startStack makes a server of a random model and waits until it is ready.
func startStack(ctx context.Context, opt Options, weights string, own stackOptions) (s *stack, err error) {
	model, err := servedModel(opt.Shape, weights, opt.CacheDir)
	if err != nil {
		return nil, err
	}
	opt.say("start a server of %s in %s", opt.Shape, weights)
	s = &stack{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "nightshift-bench-"); err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	c := app.Defaults()
	c.Data, c.Threads, c.Engine.Wait = s.dir, opt.Threads, 0
	log := slog.New(slog.DiscardHandler)
	storeDir := filepath.Join(s.dir, "store")
	if s.store, err = localstore.Open(localstore.Config{Dir: storeDir, Log: log}); err != nil {
		return nil, err
	}
	secret, err := replaystore.LoadSecret(filepath.Join(storeDir, "secret"), nil)
	if err != nil {
		return nil, err
	}
	if s.registry, err = registry.Open(c.RegistryDir(), serve.Verify(model)); err != nil {
		return nil, err
	}
	var rules redact.Config
	var store replaystore.Store = s.store
	if own.unrecorded {
		rules.Disable, store = redact.Builtin(), forgetful{s.store}
	}
	redactor, err := redact.New(rules)
	if err != nil {
		return nil, err
	}
	s.engine, err = engine.New(model, engine.Config{Threads: c.Threads, Slots: own.slots, Queue: c.Engine.Queue, QueueTokens: 1024 * model.Config.Context,
		BankRows: cmp.Or(own.bankRows, engine.BankRows(model)), Chunk: c.Engine.Chunk, PrefixCache: c.Engine.PrefixBytes(), MaxRank: c.Engine.MaxRank, Spin: c.Engine.Spin})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	cfg := c.Serve()
	cfg.API.Weights = model.Weights()
	server, err := serve.New(cfg, serve.Deps{Engine: s.engine, Registry: s.registry, Store: store, Secret: secret, Redactor: redactor,
		Metrics: telemetry.New(), Log: log, Listener: listener, Waited: own.waited})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.url = "http://" + listener.Addr().String()
	s.stop = running(ctx, server.Run)
	return s, waitReady(ctx, s.url, time.Minute)
}

// waitReady asks until the server says that it is ready.
func waitReady(ctx context.Context, url string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("wait for the server: %w", err)
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server at %s: %w", url, ctx.Err())
		case <-tick.C:
		}
	}
}

// close stops the server and removes what it wrote.
func (s *stack) close() error {
	var err error
	if s.stop != nil {
		err = s.stop()
	}
	if s.engine != nil {
		s.engine.Close()
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// publish stores an adapter as a version of the default track.
func (s *stack) publish(ctx context.Context, a *adapter.Adapter) (registry.Ref, error) {
	config, weights, err := a.Files()
	if err != nil {
		return registry.Ref{}, err
	}
	v := registry.Version{Config: config, Weights: weights, Manifest: registry.Manifest{BaseDigest: s.engine.Model().Checkpoint.Digest()}}
	return s.registry.Put(ctx, registry.Default, v)
}

// questions makes questions of new prompts, each of exactly prompt tokens.
func (s *stack) questions(random *rand.Rand, prompt, tokens int) func() question {
	number := 0
	return func() question {
		number++
		return s.question(random, number, prompt, tokens)
	}
}

// question is one of letters, each of which is a token.
func (s *stack) question(random *rand.Rand, number, prompt, tokens int) question {
	text := make([]byte, prompt)
	for i := range text {
		text[i] = byte('a' + random.IntN(26))
	}
	return question{number: number, model: registry.Default, text: string(text), ids: s.engine.Model().Tokenizer.Encode(nil, string(text)), tokens: tokens}
}
