package kv

import (
	"errors"
	"fmt"

	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// AdapterSlots is the memory that graphs read adapters from: for every linear of a bank the factors A [slots, ranks/8, 8, in]
// and B [slots, ranks, out]. A step copies nothing of them; a slot is written when a sequence with another version than the
// last comes into it. It takes memory as it is used: zeros that were never anything else take none.
type AdapterSlots struct {
	bank  *AdapterBank
	ranks int
	held  []held
	a, b  [][]float32 // of each linear, in the order of the bank's
}

// held is what a slot holds.
type held struct {
	digest string // "" is the base model
	ranks  int    // that may not be zero
}

// NewAdapterSlots reserves slots of zeros.
func NewAdapterSlots(bank *AdapterBank, slots, ranks int) *AdapterSlots {
	m := &AdapterSlots{bank: bank, ranks: ranks, held: make([]held, slots)}
	for _, t := range bank.linears {
		m.a = append(m.a, ort.AlignedFloats(slots*ranks*t.in))
		m.b = append(m.b, ort.AlignedFloats(slots*ranks*t.out))
	}
	return m
}

// Close frees the memory once no tensor lies over it.
func (m *AdapterSlots) Close() error {
	var err error
	for i := range m.a {
		err = errors.Join(err, ort.FreeFloats(m.a[i]), ort.FreeFloats(m.b[i]))
	}
	m.a, m.b = nil, nil
	return err
}

// Ranks is how many ranks a slot has.
func (m *AdapterSlots) Ranks() int { return m.ranks }

// Load brings a version, which has these bank rows, into a slot.
func (m *AdapterSlots) Load(slot int, digest string, rows []int64) {
	if m.held[slot].digest != digest {
		m.write(slot, rows)
		m.held[slot] = held{digest, graphs.RankStep * len(rows)}
	}
}

// write copies bank rows into a slot, and zeros over what was there beyond them.
func (m *AdapterSlots) write(slot int, rows []int64) {
	ranks, before := graphs.RankStep*len(rows), m.held[slot].ranks
	for i := range m.bank.linears {
		t := &m.bank.linears[i]
		a, b := m.a[i][slot*m.ranks*t.in:], m.b[i][slot*m.ranks*t.out:]
		for n, row := range rows {
			copy(a[n*graphs.RankStep*t.in:], t.rowA(row))
			copy(b[n*graphs.RankStep*t.out:], t.rowB(row))
		}
		if before > ranks {
			clear(a[ranks*t.in : before*t.in])
			clear(b[ranks*t.out : before*t.out])
		}
	}
}

// Bind binds n slots from one on to a graph's inputs. The tensors, also those made before an error, are the caller's to close.
func (m *AdapterSlots) Bind(binding *ort.Binding, from, n int) (tensors []*ort.Tensor, err error) {
	for i, t := range m.bank.linears {
		for _, factor := range []struct {
			name string
			dims []int64
			data []float32
		}{
			{graphs.LoraA(t.target), []int64{int64(n), int64(m.ranks / graphs.RankStep), graphs.RankStep, int64(t.in)}, m.a[i][from*m.ranks*t.in:][:n*m.ranks*t.in]},
			{graphs.LoraB(t.target), []int64{int64(n), int64(m.ranks), int64(t.out)}, m.b[i][from*m.ranks*t.out:][:n*m.ranks*t.out]},
		} {
			v, err := ort.NewTensor(factor.dims, factor.data)
			if err != nil {
				return tensors, fmt.Errorf("bind adapters: %w", err)
			}
			tensors = append(tensors, v)
			if err := binding.Input(factor.name, v); err != nil {
				return tensors, err
			}
		}
	}
	return tensors, nil
}

// Ranks is how many ranks slots need for adapters of at most so many bank rows: rounded up to a power of two of rows so that they seldom
// change. Adapters with fewer get zeros, which change no bit.
func Ranks(rows int) int {
	n := 1
	for n < rows {
		n *= 2
	}
	return n * graphs.RankStep
}
