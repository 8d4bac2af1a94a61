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
		wait: m.Histogram("adapter_wait_seconds", "What requests waited for their version, by the adapter cache: a hit, a reload of one that was evicted, or a cold load with its self-test.",
			[]float64{.0001, .0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 5}, "cache"),
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

func (m versionMetrics) waited(d time.Duration, from CacheResult) {
	m.wait.WithLabelValues(string(from)).Observe(d.Seconds())
}

// observeEngine registers what the engine counts.
func observeEngine(m *telemetry.Metrics, e *engine.Engine) {
	type stat = func(engine.Stats) int64
	gauge := func(name, help string, of stat) {
		m.Func(name, help, func() float64 { return float64(of(e.Stats())) })
	}
	total := func(name, help string, of stat) {
		m.CounterFunc(name, help, func() float64 { return float64(of(e.Stats())) })
	}
	gauge("queue_length", "Requests that wait for a slot.", func(s engine.Stats) int64 { return s.Waiting })
	gauge("queue_tokens", "Tokens, prompts and longest answers together, of the requests that wait for a slot.", func(s engine.Stats) int64 { return s.WaitingTokens })
	gauge("active_sequences", "Sequences that generate.", func(s engine.Stats) int64 { return s.Active })
	gauge("kv_tokens", "Tokens whose keys and values are in the rows of the sequences that generate.", func(s engine.Stats) int64 { return s.KVTokens })
	gauge("prefilling_sequences", "Sequences whose prompts are under way.", func(s engine.Stats) int64 { return s.Prefilling })
	gauge("kv_bytes", "Memory that the rows of the batch have taken for keys and values.", func(s engine.Stats) int64 { return s.KVBytes })
	gauge("prefill_kv_bytes", "Memory that the rows of prompts have taken for keys and values.", func(s engine.Stats) int64 { return s.PrefillBytes })
	total("engine_steps_total", "Decode steps.", func(s engine.Stats) int64 { return s.Steps })
	total("engine_step_rows_total", "Sequences in decode steps: divided by steps, the mean batch.", func(s engine.Stats) int64 { return s.StepRows })
	total("engine_first_prompts_total", "Prompts that end within their first chunk: those of like length are computed together.", func(s engine.Stats) int64 { return s.FirstPrompts })
	total("engine_first_prompt_runs_total", "Runs of the graph that these took.", func(s engine.Stats) int64 { return s.FirstRuns })
	total("engine_refused_total", "Requests refused because the queue was full.", func(s engine.Stats) int64 { return s.Refused })
	total("engine_expired_total", "Requests refused because they waited for too long.", func(s engine.Stats) int64 { return s.Expired })
	total("engine_cancelled_total", "Requests whose clients left.", func(s engine.Stats) int64 { return s.Cancelled })
	total("engine_failed_total", "Answers that a failed step ended.", func(s engine.Stats) int64 { return s.Failed })
	total("prefix_lookups_total", "Prompts looked up in the prefix cache.", func(s engine.Stats) int64 { return s.PrefixLookups })
	total("prefix_hits_total", "Prompts whose beginning was computed before.", func(s engine.Stats) int64 { return s.PrefixHits })
	total("prefix_tokens_total", "Tokens of prompts that were not computed again.", func(s engine.Stats) int64 { return s.CachedTokens })
	gauge("prefix_bytes", "Memory of the prefix cache's entries.", func(s engine.Stats) int64 { return s.PrefixBytes })
	total("prefix_evictions_total", "Entries that left the prefix cache to make room.", func(s engine.Stats) int64 { return s.PrefixEvictions })
	m.CounterFunc("lookup_drafted_total", "Tokens of drafts (engine.lookup).", func() float64 { return float64(e.Lookups().Drafted) })
	m.CounterFunc("lookup_accepted_total", "Tokens of drafts that were the answer's.", func() float64 { return float64(e.Lookups().Accepted) })
}

// gone forgets what serves a track that was deleted.
func (m versionMetrics) gone(track string) {
	for _, g := range []*prometheus.GaugeVec{m.version, m.activation, m.stuck} {
		g.DeleteLabelValues(track)
	}
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
