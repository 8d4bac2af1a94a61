package bench

import (
	"strings"
	"testing"
)

const somePeers = `[{"name": "other", "source": "other 1.0, on two cores.", "bandwidth_gb_s": 20, "matrix_gflop_s": 100, "figures": [
{"bench": "decode", "shape": "gpt2", "weights": "int8", "precision": "Q8", "at": {"batch": 1, "context": 64}, "limit": "memory", "tokens_per_second": 100, "at_least": 1.2},
{"bench": "decode", "shape": "gpt2", "weights": "int8", "precision": "Q8", "at": {"batch": 16, "context": 64}, "limit": "matrix", "tokens_per_second": 200, "at_least": 1.6},
{"bench": "prefill", "shape": "gpt2", "weights": "f32", "precision": "F32", "at": {"prompt": 128}, "limit": "matrix", "tokens_per_second": 400},
{"bench": "serve", "case": "http", "shape": "gpt2", "weights": "f32", "precision": "F32", "at": {"concurrency": 16}, "limit": "matrix", "tokens_per_second": 150, "at_least": 1.7}]}]`

// comparedRuns are of a machine with twice the bandwidth and three times the matrix rate.
const comparedRuns = `{"bench":"decode","shape":"gpt2","weights":"int8","blocks":10,"batch":1,"context":64,"tokens_per_second":260,"bandwidth_gb_s":40,"matrix_gflop_s":300}
{"bench":"decode","shape":"gpt2","weights":"int8","blocks":10,"batch":8,"context":64,"tokens_per_second":500,"bandwidth_gb_s":40,"matrix_gflop_s":300}
{"bench":"decode","shape":"gpt2","weights":"int8","blocks":10,"batch":16,"context":64,"tokens_per_second":900,"bandwidth_gb_s":40,"matrix_gflop_s":300}
{"bench":"decode","case":"mixed lengths","shape":"gpt2","weights":"int8","blocks":10,"batch":16,"context":64,"tokens_per_second":880,"bandwidth_gb_s":40,"matrix_gflop_s":300,"over_alike":0.98}
{"bench":"prefill","shape":"gpt2","weights":"f32","blocks":10,"prompt":128,"tokens_per_second":600,"bandwidth_gb_s":40,"matrix_gflop_s":300}
{"bench":"prefill","shape":"demo","weights":"f32","blocks":10,"prompt":128,"tokens_per_second":6000,"bandwidth_gb_s":40,"matrix_gflop_s":300}
{"bench":"serve","case":"http","shape":"gpt2","weights":"f32","blocks":10,"concurrency":16,"tokens_per_second":400,"bandwidth_gb_s":40}
`

// TestPeersOnThePage scales what another program reached by memory for one sequence and by the matrix rate for many, says whether what is
// asked is reached, and leaves out what cannot be compared: another case, another shape, a line without the limit.
func TestPeersOnThePage(t *testing.T) {
	lines, err := ReadResults(strings.NewReader(comparedRuns))
	if err != nil {
		t.Fatal(err)
	}
	peers, err := ReadPeers(strings.NewReader(somePeers))
	if err != nil {
		t.Fatal(err)
	}
	page, err := Page(lines, nil, peers)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n\"Over other (scaled)\" is the rate over what other would reach here", "(20 GB/s and 100 GFLOP/s)", "other 1.0, on two cores.\n",
		"| batch | tokens/s | over other (scaled) |\n",
		"| gpt2, int8, context 64: 1 | 260 | 1.30 ≥ 1.20 |\n",
		"| gpt2, int8, context 64: 8 | 500 |  |\n",
		"| gpt2, int8, context 64: 16 | 900 | 1.50 < 1.60 |\n",
		"| gpt2, int8, context 64: 16 | 880 | 98 % |\n",
		"| gpt2, f32: 128 | 600 | 0.50 |\n", "| demo, f32: 128 | 6000 |  |\n",
		"| concurrency | tokens/s |\n", "| gpt2, f32: 16 | 400 |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	for bad, want := range map[string]string{
		"{}": "cannot unmarshal", `[{"nam": "x"}]`: "nam", `[{"name": "x", "source": "y", "bandwidth_gb_s": 1}]`: "limits",
		strings.Replace(somePeers, `"limit": "memory"`, `"limit": "disk"`, 1):               "figure 1 is scaled by",
		strings.Replace(somePeers, `"tokens_per_second": 200`, `"tokens_per_second": 0`, 1): "figure 2 needs",
	} {
		if _, err := ReadPeers(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
}
