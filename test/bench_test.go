package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nightshift/internal/longtest"
	"nightshift/replaystore/replaytest"
)

// smallShape has just enough of a vocabulary for a server: text becomes bytes.
const smallShape = "2,2,16,320,64"

// benchLines runs a benchmark and reads what it prints as a program would.
func benchLines(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	program := "nightlab"
	if slices.Contains([]string{"roofline", "decode", "prefill", "serve", "quantize", "train"}, args[0]) {
		program = "bench" // of nightshift
	}
	got := execute(t, append([]string{program}, args...)...)
	if got.code != 0 {
		t.Fatalf("status %d\n%s%s", got.code, got.out, got.err)
	}
	var lines []map[string]any
	for line := range strings.Lines(got.out) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lines = append(lines, m)
	}
	if len(lines) == 0 || lines[len(lines)-1]["summary"] != true {
		t.Fatalf("the last line is no summary:\n%s", got.out)
	}
	t.Log(strings.TrimSpace(got.out[strings.LastIndex(strings.TrimSpace(got.out), "\n")+1:]))
	return lines
}

// TestBench runs every benchmark on small shapes. It says nothing of speed: it counts lines, and asks that figures are there,
// that ratios lie in their intervals and that nothing fails.
func TestBench(t *testing.T) {
	needRuntime(t)
	tests := []struct {
		args   string
		blocks int
		cases  int      // lines over all blocks, and lines of each block
		some   []string // figures of the summary that are positive
		none   []string // figures of the summary that are 0
	}{
		{"roofline", 1, 1, []string{"bandwidth_gb_s", "bandwidth_matvec_gb_s", "bandwidth_reduce_gb_s", "bandwidth_go_gb_s", "matrix_gflop_s", "int8_u8u8_gop_s", "int8_u8s8_gop_s"}, nil},
		{"decode --shape demo --batch 1,4 --prompt 8,16 --tokens 8 --mixed", 2, 6, []string{"batch", "context", "tokens_per_second", "step_ms_p50", "bandwidth_gb_s", "roofline_share", "over_alike"}, nil},
		{"lookup --dialogues 2 --longest 6", 2, 4, []string{"over_plain", "tokens_per_second", "answers_per_second", "tokens_per_step", "accepted_share", "answers", "rounding"}, []string{"not_tied"}},
		{"steps --shape demo --tokens 2,5 --prompt 8 --steps 2", 2, 3, []string{"tokens", "step_ms", "over_one"}, nil},
		{"prefill --shape demo --prompt 16,130", 1, 2, []string{"prompt", "tokens_per_second", "first_token_ms_p99", "matrix_gflop_s", "roofline_share"}, nil},
		{"serve --shape " + smallShape + " --concurrency 1,3 --rate 20 --duration 200ms --prompt 4 --tokens 8", 2, 6,
			[]string{"concurrency", "tokens_per_second", "over_engine", "ttft_ms_p50", "ttft_ms_p99", "requests", "roofline_share"}, []string{"failed"}},
		{"adapters --shape demo --batch 4 --registered 0,2,8 --prompt 4 --tokens 8", 2, 6, []string{"mixed_over_one", "mixed_over_base"}, nil},
		{"swap --shape " + smallShape + " --duration 600ms --every 100ms --concurrency 3 --prompt 4 --tokens 8", 2, 2,
			[]string{"itl_p99_ratio", "swaps", "answers", "swap_ms_p50"}, []string{"failed", "mixed_versions"}},
		{"versions --shape " + smallShape + " --versions 12 --bank-rows 5 --concurrency 3 --requests 40 --prompt 4 --tokens 4", 2, 2,
			[]string{"adapter_wait_max_ms", "adapter_wait_ms_p99", "hit_rate", "reloaded", "resident", "over_one", "first_wait_ms_p50"}, []string{"failed"}},
		{"prefix --shape 2,2,16,320,512 --requests 2", 2, 2, []string{"warm_over_cold", "ttft_ms_p50", "known_tokens"}, []string{"failed"}},
		{"invariance --requests 20 --weights f32,int8", 1, 8, []string{"requests", "identical"}, nil},
		{"start --shape " + smallShape, 1, 1, []string{"ready_ms", "first_answer_ms", "weights_mb", "anonymous_mb", "file_mb", "kv_mb", "rss_over_use"}, nil},
		{"ingest --interactions 100 --rate 1000 --requests 10", 2, 2, []string{"durable_per_second", "added_ms_p99"}, []string{"lost"}},
		{"busy --shape demo --batch 1,2 --prompt 4 --tokens 8", 1, 4, []string{"share_of_quiet"}, nil},
		{"train --shape demo --rows 2 --columns 32", 1, 1, []string{"tokens_per_second", "step_ms_p50", "matrix_gflop_s", "peak_rss_mb", "roofline_share"}, nil},
	}
	for _, test := range tests {
		args := strings.Fields(test.args)
		t.Run(args[0], func(t *testing.T) {
			if !slices.Contains([]string{"roofline", "decode", "serve"}, args[0]) {
				longtest.Skip(t)
			}
			lines := benchLines(t, append(args, "--json", "--blocks", strconv.Itoa(test.blocks))...)
			if want := (test.blocks+1)*test.cases + 1; len(lines) != want {
				t.Errorf("%d lines, want %d", len(lines), want)
			}
			last := lines[len(lines)-1]
			if last["bench"] != args[0] {
				t.Errorf("the summary names %v", last["bench"])
			}
			for _, field := range test.some {
				if v, ok := last[field].(float64); !ok || !(v > 0) {
					t.Errorf("%s is %v in %v", field, last[field], last)
				}
			}
			for _, field := range test.none {
				if v, ok := last[field].(float64); !ok || v != 0 {
					t.Errorf("%s is %v in %v", field, last[field], last)
				}
			}
			checkIntervals(t, lines)
		})
	}
}

// checkIntervals reports ratios that lie outside their intervals.
func checkIntervals(t *testing.T, lines []map[string]any) {
	t.Helper()
	for _, line := range lines {
		for name, v := range line {
			figure, ok := strings.CutSuffix(name, "_low")
			if !ok {
				continue
			}
			low, _ := v.(float64)
			middle, _ := line[figure].(float64)
			high, _ := line[figure+"_high"].(float64)
			if !(0 < low || strings.HasPrefix(figure, "added")) || !(low <= middle && middle <= high) { // a difference may be negative
				t.Errorf("%s is %v, its interval %v to %v", figure, line[figure], v, line[figure+"_high"])
			}
		}
	}
}

// TestBenchQuantize converts the model with outlier channels.
func TestBenchQuantize(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	lines := benchLines(t, "quantize", "--case", "outliers", "--weights", "int8", "--json")
	if len(lines) != 3 || lines[0]["weights"] != "f32" || lines[1]["weights"] != "int8" || lines[1]["verdict"] != "pass" {
		t.Fatalf("lines are %v", lines)
	}
	for figure, minimum := range map[string]float64{"nats_per_token": 0.01, "standard_error": 1e-6, "facts_right": 0.95, "facts_kept": 0.95, "refusals_kept": 0.9, "worst_linear_error": 1e-3, "size_mb": 1} {
		if v, _ := lines[1][figure].(float64); !(v >= minimum) {
			t.Errorf("%s is %v, want %v at least", figure, v, minimum)
		}
	}
	if v, ok := lines[1]["change"].(float64); !ok || v > 0.005 {
		t.Errorf("the change is %v", lines[1]["change"])
	}
	if small, _ := lines[1]["size_mb"].(float64); small > lines[0]["size_mb"].(float64)/3 {
		t.Errorf("sizes are %v and %v MB", lines[0]["size_mb"], small)
	}
	refused(t, []string{"bench", "quantize", "--weights", "f32"}, "f32", "int8")
	refused(t, []string{"bench", "quantize", "--case", "small"}, "small", "outliers")
}

// TestBenchJudges fails a run whose ratio misses a threshold, after its summary.
func TestBenchJudges(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	got := execute(t, "nightlab", "start", "--shape", smallShape, "--blocks", "6", "--at-most", "0.001", "--json")
	if got.code != 1 || !strings.Contains(got.out, `"verdict":"fail"`) {
		t.Errorf("status %d\n%s%s", got.code, got.out, got.err)
	}
	holds(t, "the error", got.err, "start: rss_over_use is", "misses")
}

func TestBenchTable(t *testing.T) {
	needRuntime(t)
	table := execute(t, "nightlab", "adapters", "--shape", smallShape, "--batch", "2", "--registered", "2", "--prompt", "4", "--tokens", "8", "--blocks", "1")
	if table.code != 0 || strings.Contains(table.out, "{") || strings.Count(table.out, "\n") != 5 {
		t.Errorf("for people: status %d, want a head and four rows\n%s%s", table.code, table.out, table.err)
	}
	holds(t, "the table", table.out, "tokens/s", "mixed over one", "step ms p50", "registered")
}

func TestBenchRefuses(t *testing.T) {
	needRuntime(t)
	refused(t, []string{"bench", "decode", "--shape", "gpt9"}, "gpt9", "gpt2-medium")
	refused(t, []string{"bench", "decode", "--shape", "demo", "--weights", "f31"}, "f31", "f32")
	refused(t, []string{"bench", "decode", "--shape", "demo", "--batch", "0"}, "batch size", "positive")
	refused(t, []string{"bench", "serve", "--shape", "demo", "--blocks", "0"}, "blocks")
	refused(t, []string{"bench", "serve", "--shape", "demo", "--rate", "-1"}, "rate", "positive")
	refused(t, []string{"bench", "serve", "--shape", "2,2,16,64,64"}, "256 bytes")
}

// TestBenchReport makes a page of what a benchmark printed.
func TestBenchReport(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	run := execute(t, "nightlab", "adapters", "--shape", "demo", "--batch", "2", "--registered", "0,4", "--prompt", "4", "--tokens", "8", "--blocks", "1", "--json")
	file, page := writeFile(t, dir, "adapters.jsonl", run.out), filepath.Join(dir, "page.md")
	notes := writeFile(t, dir, "notes.md", "## adapters\n\nWhich one makes no difference.\n")
	got := execute(t, "nightlab", "report", "--out", page, file)
	text, err := os.ReadFile(page)
	if got.code != 0 || err != nil {
		t.Fatalf("status %d, %v\n%s", got.code, err, got.err)
	}
	holds(t, "the page", string(text), "# Performance", "## Adapters in a batch", "Which one makes no difference.", "| case | tokens/s |", "demo, f32, batch 2: mixed",
		"## Registered adapters", "adapters  tokens/s, demo, f32, batch 2", "█")
	if printed := execute(t, "nightlab", "report", file); printed.out != string(text) {
		t.Errorf("printed is\n%s, written\n%s", printed.out, text)
	}
	refused(t, []string{"nightlab", "report", notes}, "notes.md", "line 1")
	refused(t, []string{"nightlab", "report", filepath.Join(dir, "none.jsonl")}, "none.jsonl")
	writeFile(t, dir, "notes.md", "## decoding\n\nx\n")
	refused(t, []string{"nightlab", "report", file}, "notes.md", "decode-batch")
}

// TestBenchIngestRedis writes into a real Redis.
func TestBenchIngestRedis(t *testing.T) {
	needRuntime(t)
	address := replaytest.RedisAddr(t)
	lines := benchLines(t, "ingest", "--interactions", "100", "--rate", "1000", "--requests", "10", "--redis", address, "--json", "--blocks", "2")
	last := lines[len(lines)-1]
	if last["case"] != "redis" || last["lost"] != 0.0 {
		t.Errorf("the summary is %v", last)
	}
	if v, _ := last["shipped_per_second"].(float64); !(v > 0) {
		t.Errorf("nothing reached Redis: %v", last)
	}
}
