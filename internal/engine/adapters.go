package engine

import (
	"errors"
	"fmt"

	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// adapters is the memory that a batch's adapters are read from: for every linear of the bank the factors A [slots, ranks/8, 8, in]
// and B [slots, ranks, out]. A step copies nothing of them; a slot is written when a sequence with another version than the
// last comes into it. It takes memory as it is used: zeros that were never anything else take none.
type adapters struct {
	bank  *Bank
	ranks int
	held  []held
	a, b  [][]float32 // of each linear, in the order of the bank's
}

// held is what a slot holds.
type held struct {
	digest string // "" is the base model
	ranks  int    // that may not be zero
}

// newAdapters reserves slots of zeros.
func newAdapters(bank *Bank, slots, ranks int) *adapters {
	m := &adapters{bank: bank, ranks: ranks, held: make([]held, slots)}
	for _, t := range bank.tensors {
		m.a = append(m.a, ort.AlignedFloats(slots*ranks*t.in))
		m.b = append(m.b, ort.AlignedFloats(slots*ranks*t.out))
	}
	return m
}

// close frees the memory once no tensor lies over it.
func (m *adapters) close() error {
	var err error
	for i := range m.a {
		err = errors.Join(err, ort.FreeFloats(m.a[i]), ort.FreeFloats(m.b[i]))
	}
	m.a, m.b = nil, nil
	return err
}

// load brings the versions of sequences into the slots from one on.
func (m *adapters) load(from int, sequences []*sequence) {
	for i, s := range sequences {
		slot := from + i
		if m.held[slot].digest == s.pin.Digest {
			continue
		}
		m.write(slot, s.rows)
		m.held[slot] = held{s.pin.Digest, graphs.RankStep * len(s.rows)}
	}
}

// write copies bank rows into a slot, and zeros over what was there beyond them.
func (m *adapters) write(slot int, rows []int64) {
	ranks, before := graphs.RankStep*len(rows), m.held[slot].ranks
	for i := range m.bank.tensors {
		t := &m.bank.tensors[i]
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

// bind binds n slots from one on to a graph's inputs. The tensors, also those made before an error, are the caller's to close.
func (m *adapters) bind(binding *ort.Binding, from, n int) (tensors []*ort.Tensor, err error) {
	for i, t := range m.bank.tensors {
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

// ranksOf is how many ranks a step needs for each of its sequences: those of the largest adapter, in bank rows, rounded up to a
// power of two so that they seldom change. Sequences with fewer get zeros, which change no bit.
func ranksOf(sequences ...*sequence) int {
	rows := 1
	for _, s := range sequences {
		for rows < len(s.rows) {
			rows *= 2
		}
	}
	return rows * graphs.RankStep
}
