package test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/demo"
)

// shippedAdapter writes an adapter for the model that ships.
func shippedAdapter(t *testing.T, rank int, seed uint64) string {
	t.Helper()
	data, err := fs.ReadFile(demo.FS(), "config.json")
	if err != nil {
		t.Fatal(err)
	}
	shape, err := arch.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	a, err := adapter.New(adapter.Config{Rank: rank, Alpha: float64(rank), Modules: []string{"mlp.c_fc"}}, shape, seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range a.Targets() {
		for i := range a.Factors[target].B {
			a.Factors[target].B[i] = float32((uint64(i)*2654435761+seed)%97)/970 - 0.05
		}
	}
	dir := t.TempDir()
	if err := a.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAdapterMerge imports two adapters, stores their weighted sum as a version that nobody activated, and exports it.
func TestAdapterMerge(t *testing.T) {
	needRuntime(t)
	data := filepath.Join(t.TempDir(), "data")
	run := func(args ...string) ended { return execute(t, append(args, "--data", data)...) }
	for track, seed := range map[string]uint64{"shop": 1, "desk": 2} {
		if got := run("import", shippedAdapter(t, 3, seed), "--track", track); got.code != 0 {
			t.Fatalf("import: %s", got.err)
		}
	}
	run("track", "create", "both")
	got := run("adapter", "merge", "shop@1:0.5", "desk@1:-1", "--track", "both")
	holds(t, "adapter merge", got.out, "both@1 is shop@1:0.5 + desk@1:-1, with rank 6;", "nightshift adapter activate both@1")
	small := run("adapter", "merge", "shop@1", "desk@1", "--track", "both", "--rank", "2", "--json")
	var result struct {
		Rank int
		Lost float64
	}
	if err := json.Unmarshal([]byte(small.out), &result); err != nil || result.Rank != 2 || result.Lost <= 0.01 || result.Lost >= 1 {
		t.Errorf("at rank 2: %+v, %v: %s%s", result, err, small.out, small.err)
	}
	list := run("adapter", "list", "--json").out
	if strings.Count(list, `"made":"merged"`) != 2 || strings.Count(list, `"made":"imported"`) != 2 || strings.Count(list, `"version":0`) != strings.Count(list, `"champion":true`) {
		t.Errorf("versions:\n%s", list)
	}
	out := filepath.Join(t.TempDir(), "peft")
	run("adapter", "export", "both@1", out)
	a, err := adapter.Read(out)
	if err != nil || a.Config.Rank != 6 || a.Config.Scale() != 1 {
		t.Errorf("exported %+v, %v", a, err)
	}
	refused(t, []string{"adapter", "merge", "shop@1:x", "--data", data}, "has no weight: write track@number:weight")
	refused(t, []string{"adapter", "merge", "shop@1", "--rank", "65", "--data", data}, "rank 65 cannot be served")
	refused(t, []string{"adapter", "merge", "shop@9", "--data", data}, "shop")
}

// TestImportFindsAdapters imports an adapter from the folder that holds it under a name, and refuses what no server could load.
func TestImportFindsAdapters(t *testing.T) {
	needRuntime(t)
	data := filepath.Join(t.TempDir(), "data")
	parent := t.TempDir()
	place := func(name string, rank int) {
		t.Helper()
		if err := os.CopyFS(filepath.Join(parent, name), os.DirFS(shippedAdapter(t, rank, 1))); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, []string{"import", parent, "--data", data}, parent+" holds neither a model (config.json) nor an adapter (adapter_config.json)")
	refused(t, []string{"import", filepath.Join(parent, "nowhere"), "--data", data}, "nowhere", "there is no directory and no GGUF file of that name")
	place("support", 3)
	got := execute(t, "import", parent, "--data", data)
	holds(t, "import", got.out, filepath.Join(parent, "support")+" is default@1")
	place("desk", 65)
	refused(t, []string{"import", parent, "--data", data}, "holds 2 adapters", filepath.Join(parent, "desk")+", "+filepath.Join(parent, "support"))
	desk := []string{"import", filepath.Join(parent, "desk"), "--activate", "--data", data}
	refused(t, desk, "its largest rank is 65 and engine.max_rank is 64", "raise engine.max_rank")
	got = execute(t, append(desk, "--set", "engine.max_rank=72")...)
	holds(t, "import", got.out, "is default@2", "is the champion")
}
