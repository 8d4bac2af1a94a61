package test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/retention"
)

// TestNightMatrix has two nights, the second of which forgets what the first learned: the matrix and the doctor say so.
func TestNightMatrix(t *testing.T) {
	needRuntime(t)
	data := t.TempDir()
	r, err := registry.Open(filepath.Join(data, "registry"), nil)
	if err != nil {
		t.Fatal(err)
	}
	parent := ""
	for i, scores := range [][]float64{{-3, -0.5}, {-0.5, -0.9}} {
		id := fmt.Sprintf("2026030%d-030000-00ff", i+1)
		ref, err := r.Put(context.Background(), "default", registry.Version{Config: []byte("{}"), Weights: []byte(id), Manifest: registry.Manifest{Parent: parent, Night: id}})
		if err != nil {
			t.Fatal(err)
		}
		set := nightrecord.ProbeSet{Name: "20260301-030000-00ff"}
		for p := range 4 {
			set.Probes = append(set.Probes, nightrecord.Probe{ID: fmt.Sprint("p", p), Tokens: 1, Champion: scores[0], Candidate: scores[1]})
		}
		file, err := nightrecord.Scores{Champion: parent, Candidate: ref.Digest, Bound: 0.1, Sets: []nightrecord.ProbeSet{set}}.Encode()
		if err == nil {
			err = r.CreateNight(id)
		}
		if err == nil {
			err = r.WriteNightFile(id, nightrecord.ScoresFile, file)
		}
		if err == nil {
			_, err = r.Activate(context.Background(), "default", registry.Activation{Digest: ref.Digest, Previous: registry.Latest, Actor: registry.Updater, Night: id})
		}
		if err != nil {
			t.Fatal(err)
		}
		parent = ref.Digest
	}
	table := execute(t, "night", "matrix", "--data", data)
	for _, want := range []string{"default@base", "-0.900", "ALARM  since activation 2 default@2 scores -0.900 on the probe set 20260301-030000-00ff, 0.400 nats per token below default@1"} {
		if table.code != 0 || !strings.Contains(table.out, want) {
			t.Errorf("status %d, want %q\n%s%s", table.code, want, table.out, table.err)
		}
	}
	got := execute(t, "night", "matrix", "--json", "--data", data)
	var report retention.Report
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || len(report.R) != 3 || report.R[2][0] != -0.9 || len(report.Alarms) != 1 {
		t.Errorf("%v: %s", err, got.out)
	}
	execute(t, "track", "create", "support", "--data", data)
	if other := execute(t, "night", "matrix", "--track", "support", "--data", data); other.code != 0 || !strings.Contains(other.out, "no night") {
		t.Errorf("a track without nights: status %d\n%s%s", other.code, other.out, other.err)
	}
	if f := findings(t, 0, "--data", data)["forgetting"]; f.State != "warning" || !strings.Contains(f.Detail, "20260301-030000-00ff") {
		t.Errorf("the doctor says %+v", f)
	}
}
