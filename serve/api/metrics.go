package api

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"nightshift/internal/telemetry"
)

// metrics are what the API counts.
type metrics struct {
	requests, tokens, answers, feedback, routed *prometheus.CounterVec
	durations, firstToken, nextToken, wait      *prometheus.HistogramVec
	streams                                     *prometheus.GaugeVec
}

func newMetrics(m *telemetry.Metrics) *metrics {
	return &metrics{
		requests:   m.Counter("http_requests_total", "Requests by route and status.", "method", "route", "status"),
		durations:  m.Histogram("http_request_duration_seconds", "Time to the answer, or to the head of a stream.", telemetry.Seconds(), "route"),
		tokens:     m.Counter("tokens_total", "Tokens read (prompt) and written (answer), by track.", "track", "kind"),
		answers:    m.Counter("answers_total", "Answers by track, version and how they ended.", "track", "version", "finish"),
		firstToken: m.Histogram("time_to_first_token_seconds", "From submission to the first token.", telemetry.Seconds()),
		nextToken: m.Histogram("inter_token_latency_seconds", "From one token of an answer to the next.",
			[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1}),
		wait:     m.Histogram("queue_seconds", "Time that requests waited for a slot.", telemetry.Seconds()),
		streams:  m.Gauge("streams", "Open event streams."),
		routed:   m.Counter("routed_total", "Requests that left the track open, by the track that was chosen and by what: its questions, or fallback.", "track", "by"),
		feedback: m.Counter("feedback_total", "Feedback accepted, by track and kind.", "track", "kind"),
	}
}

func (m *metrics) answered(method, route string, status int, d time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route).Observe(d.Seconds())
}

// showMetrics serves the metrics in Prometheus' text format.
func (s *Server) showMetrics() fiber.Handler {
	h := fasthttpadaptor.NewFastHTTPHandler(s.deps.Metrics.Handler())
	return func(c *fiber.Ctx) error {
		h(c.Context())
		return nil
	}
}
