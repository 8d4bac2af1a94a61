package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/internal/redact"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
	"nightshift/replaystore"
	"nightshift/serve/api"
	"nightshift/serve/api/wire"
	"nightshift/serve/console"
)

// Config of the serving side. Zero values mean the defaults.
type Config struct {
	API    api.Config
	Listen string   // host:port, unless Deps brings a listener
	Tracks []string // that exist whatever the registry says

	Poll      time.Duration // of the registry (1 s)
	Name      string        // of this server in the control stream (made of machine, process and chance)
	ModelDir  string        // where generation_config.json may be
	ModelName string        // for /v1/status; the base name of ModelDir where empty
	Updater   string        // in-process, remote or none (none)
	Schedule  string        // of nights, for /v1/status
	Slots     int           // of the engine, for the load signal (16)
	Router    Router
}

// Deps are the opened parts. Whoever opened them closes them, after Run has returned.
type Deps struct {
	Engine   *engine.Engine // not running: Run runs it
	Registry *registry.Registry
	Store    replaystore.Store
	Secret   []byte // of the store, the same on every server
	Redactor *redact.Redactor
	Metrics  *telemetry.Metrics
	Log      *slog.Logger
	Listener net.Listener                     // nil: Config.Listen
	Plan     Plan                             // says what nights would find; nil where nobody learns
	Waited   func(time.Duration, CacheResult) // is told what each request waited for its version; nil: nobody
}

// Plan says what the next night of a track would find if it were started now. Whoever learns knows: serving does not.
type Plan func(ctx context.Context, track string) (nightrecord.Plan, error)

// Server is the serving side. Create it with New, then Run.
type Server struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	versions *versions
	router   *router
	forgets  *forgetting
	nights   *nights
	ledger   *ledger
	api      *api.Server
	started  time.Time
	ready    atomic.Bool
	address  atomic.Pointer[string]
	hints    chan struct{}
	itl      interToken
}

func (c Config) withDefaults() Config {
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.Name == "" {
		c.Name = uniqueName()
	}
	if c.ModelName == "" && c.ModelDir != "" {
		c.ModelName = filepath.Base(c.ModelDir)
	}
	if c.Updater == "" {
		c.Updater = updaterNone
	}
	if c.Slots == 0 {
		c.Slots = 16
	}
	return c
}

// uniqueName tells servers apart, also those of one machine and those of containers that call themselves the same.
func uniqueName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "server"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:6]))
}

// New wires the serving side. It starts nothing.
func New(cfg Config, deps Deps) (*Server, error) {
	cfg = cfg.withDefaults()
	if len(deps.Secret) < 16 {
		return nil, errors.New("make the server: the store's secret has fewer than 16 bytes")
	}
	if err := deps.Registry.Declare(cfg.Tracks...); err != nil {
		return nil, fmt.Errorf("make the server: %w", err)
	}
	if len(cfg.API.Keys) == 0 && deps.Listener == nil && !Loopback(cfg.Listen) {
		return nil, fmt.Errorf("listen on %s: without API keys the server only binds to a loopback address; configure keys or listen on 127.0.0.1", cfg.Listen)
	}
	s := &Server{cfg: cfg, deps: deps, log: deps.Log, started: time.Now(), hints: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.versions = newVersions(deps, s.log)
	s.router = newRouter(cfg.Router, deps, cfg.ModelDir, s.log)
	if err := s.router.check(); err != nil {
		return nil, err
	}
	s.forgets = newForgetting(deps.Registry, deps.Metrics, s.log)
	s.nights = newNights(deps.Registry, deps.Store.Control(), cfg.Updater)
	s.nights.catchUp = s.versions.catchUp
	s.ledger = newLedger(deps.Store)
	model := deps.Engine.Model()
	defaults, err := modelDefaults(cfg.ModelDir, cfg.API.Defaults)
	if err != nil {
		return nil, err
	}
	cfg.API.Defaults, cfg.API.Secret = defaults, deps.Secret
	for _, f := range console.Files() {
		cfg.API.Static = append(cfg.API.Static, api.StaticFile{Path: f.Path, Headers: f.Headers(), ETag: f.ETag, Body: f.Body})
	}
	cfg.API.Open = api.OpenModel{Name: s.router.model, Tracks: s.router.tracks}
	s.api, err = api.New(cfg.API, api.Deps{
		Model: model, Generator: generator{deps.Engine}, Versions: answering{s.versions, s.router},
		Recorder: &recorder{store: deps.Store, redactor: deps.Redactor, secret: deps.Secret, ledger: s.ledger, known: &known{store: deps.Store}},
		Admin: admin{s, &tracks{versions: s.versions, registry: deps.Registry, ledger: s.ledger, plan: deps.Plan},
			&changes{versions: s.versions, router: s.router}, s.nights},
		InterToken: s.itl.add, Metrics: deps.Metrics, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	s.observe(deps.Metrics)
	return s, nil
}

// Loopback reports whether an address can only be reached from this machine.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Run serves until ctx is done. Then it takes no new requests, lets running answers finish within the drain time, and
// returns once everything recorded is on disk.
func (s *Server) Run(ctx context.Context) error {
	listener := s.deps.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", s.cfg.Listen); err != nil {
			return fmt.Errorf("listen on %s: %w; stop what uses the address, or choose another one with --listen", s.cfg.Listen, err)
		}
	}
	address := listening(s.cfg.Listen, listener.Addr())
	s.address.Store(&address)
	inner, stop := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx by the drain time
	defer stop()
	s.versions.start(inner)
	group, inner := errgroup.WithContext(inner)
	group.Go(func() error { return s.deps.Engine.Run(inner) })
	group.Go(func() error {
		defer stop() // all else ends when the API has
		return s.api.Serve(ctx, listener)
	})
	group.Go(func() error { return s.follow(inner) })
	group.Go(func() error { return s.listen(inner) })
	group.Go(func() error { s.ledger.begin(inner); return nil })
	err := group.Wait()
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if serr := s.deps.Store.Sync(last); serr != nil && !errors.Is(serr, replaystore.ErrClosed) {
		s.log.Warn("the store did not take everything before the server stopped; its journal ships it later", "error", serr)
	}
	return err
}

// listening is the configured address with the port that was found for it, where that is 0.
func listening(configured string, found net.Addr) string {
	host, port, err := net.SplitHostPort(configured)
	if err != nil {
		return found.String()
	}
	if tcp, ok := found.(*net.TCPAddr); ok {
		port = strconv.Itoa(tcp.Port)
	}
	return net.JoinHostPort(host, port)
}

// Address is host:port on which the server listens, "" until it does.
func (s *Server) Address() string {
	if at := s.address.Load(); at != nil {
		return *at
	}
	return ""
}

// follow loads every track's champion, then keeps up with the registry.
func (s *Server) follow(ctx context.Context) error {
	if err := s.versions.loadAll(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.router.refresh(*s.versions.lines.Load())
	s.ready.Store(true)
	s.log.Info("serving", "model", s.cfg.ModelName, "tracks", len(s.versions.Models()))
	ticker := time.NewTicker(s.cfg.Poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-s.hints:
		}
		s.versions.poll(ctx)
		s.router.refresh(*s.versions.lines.Load())
		s.forgets.refresh(*s.versions.lines.Load())
	}
}

// Ready implements api.Admin.
func (s *Server) Ready(ctx context.Context) (reasons, degraded []string) {
	if !s.ready.Load() {
		return []string{"the model and the champions are being loaded"}, nil
	}
	degraded = s.versions.problems()
	stats, err := s.deps.Store.Stats(ctx)
	switch {
	case err != nil:
		degraded = append(degraded, "store: "+err.Error())
	case stats.Degraded != "":
		degraded = append(degraded, "store: "+stats.Degraded)
	}
	return nil, degraded
}

// Status implements api.Admin.
func (s *Server) Status(ctx context.Context) wire.Status {
	st := wire.Status{Version: telemetry.BuildInfo().Version, Model: s.cfg.ModelName, UptimeSeconds: time.Since(s.started).Seconds(),
		Updater: s.cfg.Updater, Schedule: s.cfg.Schedule}
	stats, err := s.deps.Store.Stats(ctx)
	st.Store = wire.StoreStatus{Kind: stats.Kind, Degraded: err != nil || stats.Degraded != "", Detail: stats.Degraded}
	if err != nil {
		st.Store.Detail = err.Error()
	}
	return st
}

// observe registers what is read from the parts when metrics are collected.
func (s *Server) observe(m *telemetry.Metrics) {
	st := func() replaystore.Stats {
		stats, _ := s.deps.Store.Stats(context.Background()) // an error leaves zeros, and /readyz tells it
		return stats
	}
	observeEngine(m, s.deps.Engine)
	m.Func("resident_versions", "Versions in the adapter bank.", func() float64 { return float64(len(s.deps.Engine.Bank().Resident())) })
	m.Func("ready", "1 when the server answers.", func() float64 {
		if s.ready.Load() {
			return 1
		}
		return 0
	})
	m.Func("store_pending", "Records that are durable here and not yet shipped.", func() float64 { return float64(st().Pending) })
	m.CounterFunc("store_events_total", "Events in the journal.", func() float64 { return float64(st().Events) })
	m.CounterFunc("store_lost_total", "Interactions that could not be kept.", func() float64 { return float64(st().Lost) })
	m.Func("store_dead_letters", "Records that Redis refuses for good; they are in dead-letters.jsonl beside the journal.", func() float64 { return float64(st().DeadLetters) })
	m.Func("store_degraded", "1 while the store works with less than all of itself.", func() float64 {
		if st().Degraded != "" {
			return 1
		}
		return 0
	})
}
