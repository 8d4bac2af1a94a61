package telemetry

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	m := New()
	m.Counter("requests_total", "Requests.", "status").WithLabelValues("200").Add(2)
	m.Counter("requests_total", "Requests.", "status").WithLabelValues("200").Inc() // the same one
	m.Gauge("slots", "Slots.").WithLabelValues().Set(7)
	m.Histogram("latency_seconds", "Latency.", Seconds(), "track").WithLabelValues("default").Observe(0.02)
	m.Histogram("batch_rows", "Rows.", Powers(4)).WithLabelValues().Observe(3)
	m.Func("queue", "Waiting.", func() float64 { return 3 })
	m.Func("queue", "Waiting.", func() float64 { return 4 })
	m.CounterFunc("tokens_total", "Tokens.", func() float64 { return 11 })
	text := scrape(t, m)
	for _, want := range []string{
		`nightshift_requests_total{status="200"} 3`, "nightshift_slots 7", `nightshift_latency_seconds_bucket{track="default",le="0.025"} 1`,
		`nightshift_batch_rows_bucket{le="4"} 1`, "nightshift_queue 3", "nightshift_tokens_total 11", "nightshift_build_info{", "go_goroutines", "process_start_time_seconds",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(scrape(t, New()), "requests_total{") {
		t.Error("two registries share a metric")
	}
}

func TestMetricMistakes(t *testing.T) {
	for name, mistake := range map[string]func(m *Metrics){
		"another kind":   func(m *Metrics) { m.Gauge("a_total", "A.") },
		"other labels":   func(m *Metrics) { m.Counter("a_total", "A.", "b") },
		"not a name":     func(m *Metrics) { m.Counter("a\xff", "A.") },
		"another reader": func(m *Metrics) { m.Func("a_total", "A.", func() float64 { return 0 }) },
	} {
		t.Run(name, func(t *testing.T) {
			m := New()
			m.Counter("a_total", "A.")
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			mistake(m)
		})
	}
}

func TestLog(t *testing.T) {
	for _, test := range []struct{ level, format, begins string }{
		{"info", "auto", "{"}, {"info", "json", "{"}, {"debug", "text", "time="}, {"warn", "json", ""}, {"error", "text", ""},
	} {
		var out bytes.Buffer
		log, err := Log(&out, test.level, test.format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("started", slog.Int("slots", 3))
		if got := out.String(); !strings.HasPrefix(got, test.begins) || (test.begins == "") != (got == "") {
			t.Errorf("%+v wrote %q", test, got)
		}
	}
	for _, bad := range [][2]string{{"loud", "json"}, {"info", "xml"}, {"", "json"}} {
		if _, err := Log(&bytes.Buffer{}, bad[0], bad[1]); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if terminal(file) {
		t.Error("a file is taken for a terminal")
	}
}

func TestBuildInfo(t *testing.T) {
	b := BuildInfo()
	if b.Version == "" || !strings.HasPrefix(b.Go, "go") && !strings.HasPrefix(b.Go, "devel") || !strings.Contains(b.Platform, "/") {
		t.Errorf("build: %+v", b)
	}
	b = Build{Version: "v1.2.3", Revision: "0123456789abcdef", Modified: true, Go: "go1.26", Platform: "linux/amd64"}
	if got, want := b.String(), "nightshift v1.2.3 0123456789ab (modified) go1.26 linux/amd64"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
