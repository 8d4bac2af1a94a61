package main

import (
	"reflect"
	"testing"

	"nightshift/internal/config"
	"nightshift/internal/engine"
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
