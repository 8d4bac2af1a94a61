package kv

import (
	"errors"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// Staging is the memory in which one prompt is computed before its sequence joins the batch: a cache of one row for the whole
// context, and one adapter slot. Any number of bindings may lie over it.
type Staging struct {
	Cache   *Cache
	bank    *AdapterBank
	slot    *AdapterSlots
	tensors []*ort.Tensor // over the cache
	factors []*ort.Tensor // over the slot
}

// NewStaging reserves the memory.
func NewStaging(cfg arch.Shape, bank *AdapterBank) *Staging {
	return &Staging{Cache: NewCache(cfg, 1, cfg.Context), bank: bank, slot: NewAdapterSlots(bank, 1, graphs.RankStep)}
}

// Bind binds the cache to a graph, and the slot where the graph reads adapters: one binding's at most.
func (s *Staging) Bind(binding *ort.Binding, adapted bool) error {
	tensors, err := s.Cache.Bind(binding, 0, 1)
	s.tensors = append(s.tensors, tensors...)
	if err == nil && adapted {
		s.factors, err = s.slot.Bind(binding, 0, 1)
	}
	return err
}

// Load brings a version, which has these bank rows, into the slot that the binding reads, a larger or smaller one where its ranks
// differ from the last one's.
func (s *Staging) Load(binding *ort.Binding, digest string, rows []int64) error {
	if ranks := Ranks(len(rows)); ranks != s.slot.ranks {
		slot, factors := s.slot, s.factors
		s.slot = NewAdapterSlots(s.bank, 1, ranks)
		var err error
		if s.factors, err = s.slot.Bind(binding, 0, 1); err != nil { // some inputs may lie over the old memory, which stays
			return err
		}
		for _, t := range factors {
			t.Close()
		}
		if err := slot.Close(); err != nil {
			return err
		}
	}
	s.slot.Load(0, digest, rows)
	return nil
}

// Close frees the memory once no binding lies over it.
func (s *Staging) Close() error {
	for _, t := range append(s.tensors, s.factors...) {
		t.Close()
	}
	return errors.Join(s.Cache.Close(), s.slot.Close())
}
