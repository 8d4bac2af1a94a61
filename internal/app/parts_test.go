package app

import (
	"reflect"
	"runtime"
	"testing"

	"nightshift/internal/engine"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
)

// TestEngineConfig wants what the configuration says of generation in the engine.
func TestEngineConfig(t *testing.T) {
	c := Defaults()
	if e := engineConfig(c, &engine.Model{}); e.Chunk != 128 || e.PrefixCache != 256<<20 || e.Slots != 16 {
		t.Errorf("by default: %+v", e)
	}
	c.Threads, c.Engine = 3, Engine{Slots: 2, Queue: 4, QueueTokens: 5, BankRows: 6, Chunk: 64, MaxRank: 8, Spin: true, Lookup: 9}
	want := engine.Config{Threads: 3, Slots: 2, Queue: 4, QueueTokens: 5, BankRows: 6, Chunk: 64, PrefixCache: -1, MaxRank: 8, Spin: true, Lookup: 9}
	if got := engineConfig(c, &engine.Model{}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestNightConfig wants what the configuration says of the process that trains in that of nights.
func TestNightConfig(t *testing.T) {
	p := &Parts{Model: &engine.Model{Checkpoint: &checkpoint.Checkpoint{}, Config: arch.GPT2(arch.Shape{Context: 64})}, Config: Defaults()}
	for _, test := range []struct {
		threads, own, memory, want int
	}{{0, 0, 0, runtime.GOMAXPROCS(0)}, {3, 0, 0, 3}, {3, 5, 900, 5}, {0, 7, 1, 7}} {
		p.Config.Threads, p.Config.Update.Threads, p.Config.Update.MemoryLimit = test.threads, test.own, test.memory
		if u := p.NightConfig(); u.Threads != test.want || u.MemoryLimit != test.memory {
			t.Errorf("threads %d, update.threads %d, update.memory_limit %d: %d threads and the limit %d, want %d",
				test.threads, test.own, test.memory, u.Threads, u.MemoryLimit, test.want)
		}
	}
}
