package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nightshift/internal/telemetry"
)

// versionMetrics are about what serves.
type versionMetrics struct {
	swaps                      *prometheus.CounterVec
	duration                   *prometheus.HistogramVec
	version, activation, stuck *prometheus.GaugeVec
}

func newVersionMetrics(m *telemetry.Metrics) versionMetrics {
	return versionMetrics{
		swaps: m.Counter("adapter_swaps_total", "Activations taken into service, or not, by track.", "track", "result"),
		duration: m.Histogram("adapter_swap_seconds", "Loading, testing and activating a version.",
			[]float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 10}),
		version:    m.Gauge("version", "Number of the version that serves a track, 0 is the base model.", "track"),
		activation: m.Gauge("activation", "Number of the activation that is in force.", "track"),
		stuck:      m.Gauge("activation_refused", "1 while a track does not serve its newest activation.", "track"),
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

func (m versionMetrics) serving(track string, l line) {
	m.version.WithLabelValues(track).Set(float64(l.champion.Number))
	m.activation.WithLabelValues(track).Set(float64(l.activation.Sequence))
	stuck := 0.0
	if l.problem != "" {
		stuck = 1
	}
	m.stuck.WithLabelValues(track).Set(stuck)
}
