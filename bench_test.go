package main_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestBench runs the benchmarks on the small shape and reads what they print as a program would.
func TestBench(t *testing.T) {
	needRuntime(t)
	tests := []struct {
		name  string
		args  []string
		lines int // at least: one a batch size, and the summary
		limit string
	}{
		{"decode", []string{"--batch", "1,4", "--prompt", "8", "--tokens", "16"}, 3, "bandwidth_gb_s"},
		{"train", []string{"--rows", "2", "--columns", "32", "--steps", "3"}, 2, "matrix_gflop_s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, 2*time.Minute, append([]string{"bench", test.name, "--shape", "demo", "--json"}, test.args...)...)
			lines := strings.Split(strings.TrimSpace(got.out), "\n")
			if got.code != 0 || len(lines) < test.lines {
				t.Fatalf("status %d, %d lines, want at least %d\n%s%s", got.code, len(lines), test.lines, got.out, got.err)
			}
			var last map[string]any
			for _, line := range lines {
				last = nil
				if err := json.Unmarshal([]byte(line), &last); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			if last["bench"] != test.name || last["shape"] != "demo" || last["weights"] != "f32" {
				t.Errorf("the summary names %v", last)
			}
			for _, field := range []string{"batch", "tokens_per_second", "step_ms_p50", "peak_rss_mb", "roofline_share", test.limit} {
				if v, ok := last[field].(float64); !ok || !(v > 0) {
					t.Errorf("%s is %v in %v", field, last[field], last)
				}
			}
			if share, ok := last["roofline_share"].(float64); ok && share > 2 {
				t.Errorf("the share of the machine's limit is %v", share)
			}
			t.Log(lines[len(lines)-1])
		})
	}
	if testing.Short() {
		return
	}
	table := execute(t, 2*time.Minute, "bench", "decode", "--shape", "demo", "--batch", "1", "--prompt", "4", "--tokens", "8")
	if table.code != 0 || strings.Contains(table.out, "{") {
		t.Errorf("for people: status %d\n%s%s", table.code, table.out, table.err)
	}
	holds(t, "the table", table.out, "tokens/s", "GB/s", "%")
}
