package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/engine"
	"nightshift/internal/telemetry"
)

// Config of the API. Zero values mean the defaults.
type Config struct {
	Keys    []Key    // none: only requests from this machine are answered, and they may do everything
	Origins []string // of pages that may call from a browser; "*" is every page
	Secret  []byte   // signs feedback tokens; the same on every server of an installation

	BodyLimit    int           // bytes of a request body (1 MiB)
	ReadTimeout  time.Duration // for a whole request to arrive (30 s)
	IdleTimeout  time.Duration // of a kept-alive connection (2 min)
	WriteTimeout time.Duration // of one write (30 s)
	KeepAlive    time.Duration // between comments in a stream without news (15 s)
	SocketPoll   time.Duration // between looks at whether a client without a stream is still there (100 ms)
	MaxWait      time.Duration // of a request for its turn, after which it is refused with 429 (0: as long as the client waits)
	Drain        time.Duration // for running answers at shutdown (30 s)

	Defaults Defaults
	Open     OpenModel
	Weights  string // weight format for the record: "f32"
	Static   []StaticFile
}

// Defaults are what a request that does not say gets.
type Defaults struct {
	Temperature, TopP float32 // TopP 0 is off
	TopK              int
	MinP              float32 // 0 is off
	Repetition        float32 // penalty; 0 and 1 are off
	MaxTokens         int     // of an answer (256)
	Limit             int     // maximum number of tokens of one answer (1024)
}

// StaticFile is a file that is served as it is: the console.
type StaticFile struct {
	Path    string
	Headers map[string]string
	ETag    string
	Body    []byte
}

// OpenModel is a model name that leaves the track open. The zero value is none.
type OpenModel struct {
	Name   string
	Tracks []string // that are chosen among
}

// Deps are the parts that the API speaks to. Updater-less and key-less servers have all of them too.
type Deps struct {
	Model      *engine.Model
	Generator  Generator
	Versions   Versions
	Recorder   Recorder
	Admin      Admin
	InterToken func(time.Duration) // is told every inter-token latency; nil: nobody asks
	Metrics    *telemetry.Metrics
	Log        *slog.Logger
}

// Server is the API. Create it with New, then Serve.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	app     *fiber.App
	table   []route
	metrics *metrics

	base    context.Context // every request's parent
	abandon context.CancelFunc
	open    context.Context // done when the shutdown begins: the parent of streams that would outlast any drain time
	leave   context.CancelFunc
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.ReadTimeout, 30 * time.Second}, {&c.IdleTimeout, 2 * time.Minute}, {&c.WriteTimeout, 30 * time.Second},
		{&c.KeepAlive, 15 * time.Second}, {&c.SocketPoll, 100 * time.Millisecond}, {&c.Drain, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.BodyLimit == 0 {
		c.BodyLimit = 1 << 20
	}
	if c.Defaults.MaxTokens == 0 {
		c.Defaults.MaxTokens = 256
	}
	if c.Defaults.Limit == 0 {
		c.Defaults.Limit = 1024
	}
	c.Defaults.MaxTokens = min(c.Defaults.MaxTokens, c.Defaults.Limit)
	if c.Weights == "" {
		c.Weights = "f32"
	}
	return c
}

// New makes the API and registers its metrics. It starts nothing.
func New(cfg Config, deps Deps) (*Server, error) {
	if len(cfg.Secret) < 16 {
		return nil, errors.New("make the API: the secret for feedback tokens has fewer than 16 bytes")
	}
	s := &Server{cfg: cfg.withDefaults(), deps: deps, log: deps.Log}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.metrics = newMetrics(deps.Metrics)
	s.base, s.abandon = context.WithCancel(context.Background())
	s.open, s.leave = context.WithCancel(s.base)
	s.app = fiber.New(fiber.Config{
		DisableStartupMessage: true, CaseSensitive: true, StrictRouting: true, Immutable: true,
		BodyLimit: s.cfg.BodyLimit, ReadTimeout: s.cfg.ReadTimeout, IdleTimeout: s.cfg.IdleTimeout,
		ReadBufferSize: 16 << 10, WriteBufferSize: 4 << 10, DisablePreParseMultipartForm: true,
		ErrorHandler: func(c *fiber.Ctx, err error) error { return s.fail(c, err) },
	})
	s.app.Server().CloseOnShutdown = true
	s.app.Server().HeaderReceived = oneSlash
	s.app.Use(s.entry)
	s.table = s.routes()
	for _, f := range s.cfg.Static {
		s.table = append(s.table, route{fiber.MethodGet, f.Path, staticHandler(f)})
	}
	for _, r := range s.table {
		s.app.Add(r.method, r.path, r.handler)
		if r.method == fiber.MethodGet {
			s.app.Add(fiber.MethodHead, r.path, r.handler)
		}
	}
	return s, nil
}

// route is one address of the server. What takes GET takes HEAD.
type route struct {
	method, path string
	handler      fiber.Handler
}

// routes is the table of all addresses but the console's.
func (s *Server) routes() []route {
	return []route{
		{"GET", "/livez", s.livez},
		{"GET", "/readyz", s.readyz},
		{"GET", "/health", s.health},
		{"GET", "/version", s.version},
		{"POST", "/tokenize", s.tokenize},
		{"POST", "/detokenize", s.detokenize},
		{"GET", "/metrics", s.showMetrics()},
		{"GET", "/openapi.json", s.openapi},
		{"GET", "/docs", s.docs},
		{"GET", "/v1/status", s.status},
		{"GET", "/v1/models", s.listModels},
		{"GET", "/v1/models/:model", s.getModel},
		{"POST", "/v1/chat/completions", s.chatCompletions},
		{"POST", "/v1/completions", s.completions},
		{"POST", "/v1/responses", s.responses},
		{"GET", "/v1/responses/:response", s.getResponse},
		{"POST", "/v1/feedback", s.feedback},
		{"POST", "/v1/teach", s.teach},
		{"GET", "/v1/tracks", s.listTracks},
		{"POST", "/v1/tracks", s.createTrack},
		{"GET", "/v1/tracks/:track", s.getTrack},
		{"DELETE", "/v1/tracks/:track", s.deleteTrack},
		{"POST", "/v1/tracks/:track/activate", s.activate},
		{"POST", "/v1/tracks/:track/rollback", s.rollback},
		{"POST", "/v1/tracks/:track/hold", s.hold},
		{"DELETE", "/v1/tracks/:track/hold", s.release},
		{"GET", "/v1/adapters", s.listAdapters},
		{"GET", "/v1/adapters/:adapter", s.getAdapter},
		{"GET", "/v1/nights", s.listNights},
		{"POST", "/v1/nights", s.startNight},
		{"GET", "/v1/nights/:night", s.getNight},
		{"GET", "/v1/nights/:night/events", s.followNight},
	}
}

// Serve answers on the listener until ctx is done, then takes no new connections, ends the streams that follow nights, lets
// running answers finish for the time of Config.Drain, cancels what is left, and returns.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- s.app.Listener(lingerListener{l}) }()
	select {
	case err := <-failed:
		s.abandon()
		return err
	case <-ctx.Done():
	}
	s.leave()
	drain, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
	defer cancel()
	err := s.app.ShutdownWithContext(drain)
	s.abandon()
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("answers were still running at the end of the drain time and were cancelled", "drain", s.cfg.Drain)
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		err = s.app.ShutdownWithContext(last)
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	return <-failed
}
