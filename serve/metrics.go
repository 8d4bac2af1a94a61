package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nightshift/internal/engine"
	"nightshift/internal/telemetry"
)

// versionMetrics are about what serves.
type versionMetrics struct {
	swaps                      *prometheus.CounterVec
	duration                   *prometheus.HistogramVec
	version, activation, stuck *prometheus.GaugeVec
	wait                       *prometheus.HistogramVec
}

func newVersionMetrics(m *telemetry.Metrics) versionMetrics {
	return versionMetrics{
		swaps: m.Counter("adapter_swaps_total", "Activations taken into service, or not, by track.", "track", "result"),
		duration: m.Histogram("adapter_swap_seconds", "Loading, testing and activating a version.",
			[]float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 10}),
		version:    m.Gauge("version", "Number of the version that serves a track, 0 is the base model.", "track"),
		activation: m.Gauge("activation", "Number of the activation that is in force.", "track"),
		wait: m.Histogram("adapter_wait_seconds", "What requests waited for their version: resident in the bank, evicted and brought back, or unseen and tested first.",
			[]float64{.0001, .0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 5}, "version"),
		stuck: m.Gauge("activation_refused", "1 while a track does not serve its newest activation.", "track"),
	}
}

func (m versionMetrics) swapped(track string, d time.Duration, err error) {
	result := "served"
	if err != nil {
		result = "refused"
	}
	m.swaps.WithLabelValues(track, result).Inc()
	m.duration.WithLabelValues().Observe(d.Seconds())
}

func (m versionMetrics) waited(d time.Duration, from Residence) {
	m.wait.WithLabelValues(string(from)).Observe(d.Seconds())
}

// observePrefixes registers what the engine knew of prompts.
func observePrefixes(m *telemetry.Metrics, stats func() engine.Stats) {
	m.CounterFunc("prefix_hits_total", "Prompts whose beginning was computed before.", func() float64 { return float64(stats().PrefixHits) })
	m.CounterFunc("prefix_tokens_total", "Tokens of prompts that were not computed again.", func() float64 { return float64(stats().CachedTokens) })
}

func (m versionMetrics) serving(track string, l line) {
	m.version.WithLabelValues(track).Set(float64(l.champion.Number))
	m.activation.WithLabelValues(track).Set(float64(l.activation.Sequence))
	stuck := 0.0
	if l.problem != "" {
		stuck = 1
	}
	m.stuck.WithLabelValues(track).Set(stuck)
}
