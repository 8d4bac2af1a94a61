package app

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/config"
	"nightshift/internal/engine"
	"nightshift/models/arch"
)

// TestEngineConfig wants what the configuration says of generation in the engine.
func TestEngineConfig(t *testing.T) {
	c := config.Defaults()
	if e := engineConfig(c, &engine.Model{}); e.Chunk != 128 || e.PrefixCache != 256<<20 || e.Slots != 16 {
		t.Errorf("by default: %+v", e)
	}
	c.Threads, c.Engine = 3, config.Engine{Slots: 2, Queue: 4, QueueTokens: 5, BankRows: 6, Chunk: 64, MaxRank: 8, Spin: true, Lookup: 9}
	want := engine.Config{Threads: 3, Slots: 2, Queue: 4, QueueTokens: 5, BankRows: 6, Chunk: 64, PrefixCache: -1, MaxRank: 8, Spin: true, Lookup: 9}
	if got := engineConfig(c, &engine.Model{}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestUpdateConfig wants what the configuration says of the process that trains in the updater's.
func TestUpdateConfig(t *testing.T) {
	p := &Parts{Model: &engine.Model{Config: arch.GPT2(arch.Shape{Context: 64})}, Config: config.Defaults()}
	for _, test := range []struct {
		threads, own, memory, want int
		limit                      string
	}{{0, 0, 0, runtime.GOMAXPROCS(0), ""}, {3, 0, 0, 3, ""}, {3, 5, 900, 5, "900MiB"}, {0, 7, 1, 7, "1MiB"}} {
		p.Config.Threads, p.Config.Update.Threads, p.Config.Update.MemoryLimit = test.threads, test.own, test.memory
		if u := p.UpdateConfig(); u.Threads != test.want || u.MemoryLimit != test.limit {
			t.Errorf("threads %d, update.threads %d, update.memory_limit %d: %d threads and the limit %q, want %d and %q",
				test.threads, test.own, test.memory, u.Threads, u.MemoryLimit, test.want, test.limit)
		}
	}
}

// TestCheckLayers refuses what a model does not have, by the key that names it, and says what it has.
func TestCheckLayers(t *testing.T) {
	shape := arch.GPT2(arch.Shape{Layers: 2, Width: 8})
	for _, test := range []struct{ yaml, want string }{
		{"update: {train: {modules: [auto]}}", ""},
		{`update: {train: {modules: [mlp, attn.c_attn], layers: ["0-1"]}}`, ""},
		{"update: {train: {modules: [mlp.c_fc, c_proj]}}", `update.train.modules[1]: want one of attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj, mlp, auto, not "c_proj"`},
		{"tracks: {support: {update: {train: {modules: [q_proj]}}}}", `tracks.support.update.train.modules[0]: want one of attn.c_attn`},
		{`update: {train: {layers: ["1-2"]}}`, "update.train.layers: the model's layers are 0-1, not 2"},
	} {
		file := filepath.Join(t.TempDir(), "nightshift.yaml")
		if err := os.WriteFile(file, []byte(test.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkLayers(c, shape); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.yaml, err, test.want)
		}
	}
	if got := modules([]string{"attn.c_attn", "mlp"}, shape); !slices.Equal(got, []string{"attn.c_attn", "mlp.c_fc", "mlp.c_proj"}) {
		t.Errorf("mlp stands for %v", got)
	}
}
