package serve_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/engine"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// TestMetricsPage: docs/metrics.md lists what a server registers.
func TestMetricsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\n`GET /metrics` has these, in the format of Prometheus, besides those of the process (`process_*`) and of Go (`go_*`).\n" +
		"Written by `go test ./serve -run MetricsPage -update`.\n\n| metric | kind | labels | what it says |\n|---|---|---|---|\n")
	list := open(t, options{}).metrics.Described()
	for _, d := range list {
		labels := ""
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, labels, d.Help)
	}
	page := filepath.Join("..", "docs", "metrics.md")
	if *update {
		must(t, os.WriteFile(page, []byte(b.String()), 0o644))
	}
	text, err := os.ReadFile(page)
	must(t, err)
	if string(text) != b.String() || len(list) < 40 {
		t.Errorf("docs/metrics.md is not what a server registers (%d metrics): run go test ./serve -run MetricsPage -update", len(list))
	}
}

// TestEngineMetrics asks twice for the same and reads what /metrics says of it.
func TestEngineMetrics(t *testing.T) {
	h := open(t, options{engine: engine.Config{Chunk: 16, Lookup: 4}})
	before := h.engine.Stats() // a version is tested before the server is ready
	body := fmt.Sprintf(`{"model":"default","prompt":%q,"max_tokens":40,"temperature":0,"ignore_eos":true}`, strings.Repeat("the quick brown fox ", 8))
	for range 2 {
		if r := h.post(textPath, body); r.status != 200 {
			t.Fatalf("status %d: %s", r.status, r.body)
		}
	}
	h.await("both have left the batch", func() bool { return h.engine.Stats().KVTokens == 0 })
	got := map[string]string{}
	for line := range strings.Lines(string(h.get("/metrics").body)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(name, "#") {
			got[name] = value
		}
	}
	s, l := h.engine.Stats(), h.engine.Lookups()
	if s.PrefixLookups != before.PrefixLookups+2 || s.PrefixHits == 0 || s.CachedTokens < 16 || s.PrefixBytes == 0 || s.PrefillBytes == 0 || l.Drafted == 0 {
		t.Fatalf("%+v, %+v: the requests did not do what is to be counted", s, l)
	}
	for name, want := range map[string]int64{
		"queue_length": 0, "queue_tokens": 0, "active_sequences": 0, "kv_tokens": 0, "prefilling_sequences": 0, "prefill_kv_bytes": s.PrefillBytes,
		"engine_steps_total": s.Steps, "engine_step_rows_total": s.StepRows, "engine_first_prompts_total": s.FirstPrompts, "engine_first_prompt_runs_total": s.FirstRuns, "engine_refused_total": 0, "engine_expired_total": 0,
		"engine_cancelled_total": 0, "engine_failed_total": 0,
		"prefix_lookups_total": s.PrefixLookups, "prefix_hits_total": s.PrefixHits, "prefix_tokens_total": s.CachedTokens,
		"prefix_bytes": s.PrefixBytes, "prefix_evictions_total": 0,
		"lookup_drafted_total": l.Drafted, "lookup_accepted_total": l.Accepted,
	} {
		if v, there := got["nightshift_"+name]; !there || v != fmt.Sprint(want) {
			t.Errorf("%s is %q, want %d", name, v, want)
		}
	}
}
