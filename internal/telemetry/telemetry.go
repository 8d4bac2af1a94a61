// Package telemetry makes what operators watch: the metrics registry, the log handler, and what build this is.
//
// Invariants: no global registry, and every metric is nightshift_*; asking twice for a metric gives the same one; a label set
// is small and known beforehand (never a subject, a prompt or a digest per request). It is not a tracing system, and says nothing
// about where metrics are served.
package telemetry

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Namespace begins the name of every metric.
const Namespace = "nightshift"

// Metrics is a registry of metrics. Its methods may be called from any goroutine. Names are given without namespace
// ("requests_total"). A name that is taken by a metric of another kind or with other labels, or that Prometheus does not allow,
// is a mistake in the program and panics.
type Metrics struct {
	registry *prometheus.Registry

	mu        sync.Mutex
	described []Description
}

// Description says what a metric is.
type Description struct {
	Name   string // with the namespace
	Kind   string // counter, gauge or histogram
	Help   string
	Labels []string
}

// Described lists the metrics of the program, by name: not those of the process and of Go.
func (m *Metrics) Described() []Description {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.described)
	slices.SortFunc(list, func(a, b Description) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// New returns a registry with the metrics of the process, of Go, and nightshift_build_info.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	b := BuildInfo()
	m.Gauge("build_info", "The build that runs; always 1.", "version", "revision", "go").WithLabelValues(b.Version, b.Revision, b.Go).Set(1)
	return m
}

// Counter returns a counter, made at the first call.
func (m *Metrics) Counter(name, help string, labels ...string) *prometheus.CounterVec {
	return register(m, "counter", name, help, labels, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help}, labels))
}

// Gauge returns a gauge, made at the first call.
func (m *Metrics) Gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return register(m, "gauge", name, help, labels, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: Namespace, Name: name, Help: help}, labels))
}

// Histogram returns a histogram, made at the first call. Buckets are upper bounds; see Seconds and Powers.
func (m *Metrics) Histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return register(m, "histogram", name, help, labels, prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: Namespace, Name: name, Help: help, Buckets: buckets}, labels))
}

// Func registers a gauge that is read when metrics are collected. Of a name, the first one stays.
func (m *Metrics) Func(name, help string, read func() float64) {
	register(m, "gauge", name, help, nil, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: Namespace, Name: name, Help: help}, read))
}

// CounterFunc is Func for totals that something else counts.
func (m *Metrics) CounterFunc(name, help string, read func() float64) {
	register(m, "counter", name, help, nil, prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help}, read))
}

// register returns the collector that is registered under that name.
func register[C prometheus.Collector](m *Metrics, kind, name, help string, labels []string, c C) C {
	err := m.registry.Register(c)
	if err == nil {
		m.mu.Lock()
		m.described = append(m.described, Description{Namespace + "_" + name, kind, help, labels})
		m.mu.Unlock()
	}
	var taken prometheus.AlreadyRegisteredError
	if errors.As(err, &taken) {
		if same, ok := taken.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		panic(fmt.Sprintf("register metric: %v", err))
	}
	return c
}

// Handler serves the metrics in the formats of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Seconds are buckets for durations of requests: 1 ms to 60 s.
func Seconds() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
}

// Powers are n buckets for counts: 1, 2, 4, ….
func Powers(n int) []float64 { return prometheus.ExponentialBuckets(1, 2, n) }

// Log returns a logger to w at a level ("debug", "info", "warn", "error"). Format "auto" is text where w is a terminal, and JSON
// otherwise; "text" and "json" are what they say.
func Log(w io.Writer, level, format string) (*slog.Logger, error) {
	var minimum slog.Level
	if err := minimum.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("set up log: level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: minimum}
	switch {
	case format == "text" || format == "auto" && terminal(w):
		return slog.New(slog.NewTextHandler(w, options)), nil
	case format == "json" || format == "auto":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("set up log: format %q: want auto, text or json", format)
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Build says what build this is.
type Build struct {
	Version  string `json:"version"`  // of the module, "(devel)" for a build from a working tree
	Revision string `json:"revision"` // commit, "" where unknown
	Modified bool   `json:"modified"` // the working tree had changes
	Time     string `json:"time"`     // of the commit, RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"` // linux/amd64
}

// BuildInfo reads what the linker left in the program.
func BuildInfo() Build {
	b := Build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}

// String returns one line for people.
func (b Build) String() string {
	text := "nightshift " + b.Version
	if b.Revision != "" {
		text += " " + b.Revision[:min(12, len(b.Revision))]
	}
	if b.Modified {
		text += " (modified)"
	}
	return text + " " + b.Go + " " + b.Platform
}
