package main

import (
	"reflect"
	"runtime"
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
	p := &parts{model: &engine.Model{Config: arch.GPT2(arch.Shape{Context: 64})}, config: config.Defaults()}
	for _, test := range []struct {
		threads, own, memory, want int
		limit                      string
	}{{0, 0, 0, runtime.GOMAXPROCS(0), ""}, {3, 0, 0, 3, ""}, {3, 5, 900, 5, "900MiB"}, {0, 7, 1, 7, "1MiB"}} {
		p.config.Threads, p.config.Update.Threads, p.config.Update.MemoryLimit = test.threads, test.own, test.memory
		if u := p.updateConfig(); u.Threads != test.want || u.MemoryLimit != test.limit {
			t.Errorf("threads %d, update.threads %d, update.memory_limit %d: %d threads and the limit %q, want %d and %q",
				test.threads, test.own, test.memory, u.Threads, u.MemoryLimit, test.want, test.limit)
		}
	}
}
