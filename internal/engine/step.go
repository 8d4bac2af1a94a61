package engine

import (
	"slices"

	"nightshift/internal/engine/kv"
	"nightshift/onnx/ort"
)

// stepShape is how many rows of the batch a step computes, how many tokens of each, and whether any of them has an adapter. The bindings
// of decode steps are told apart by it: they compute all rows that are taken, and more than one token only for a sequence that is alone.
type stepShape struct {
	rows, tokens int
	adapted      bool
}

// index is a decode step's place in batch.steps: those of one token a row first, by their rows, then those of one row with a draft; of each
// first the one without adapters.
func (s stepShape) index(slots int) int {
	i := 2 * (s.rows - 1)
	if s.tokens > 1 {
		i = 2 * (slots + s.tokens - 2)
	}
	if s.adapted {
		i++
	}
	return i
}

// step is a binding for rows of the batch, with the arrays it reads.
type step struct {
	inputs
	shape   stepShape
	graph   graph
	binding *ort.Binding
	tensors []*ort.Tensor
}

// prepare fills the arrays of the present batch's decode step, building its binding the first time.
func (b *batch) prepare() (*step, error) {
	if err := b.adapt(); err != nil {
		return nil, err
	}
	shape := stepShape{len(b.rows), 1 + len(b.lookup.draft), anyAdapted(b.rows)}
	at := shape.index(b.engine.cfg.Slots)
	st := b.steps[at]
	if st == nil {
		var err error
		if st, err = b.newStep(b.engine.sessions.decoding(shape.rows, shape.adapted), 0, shape, shape.rows*shape.tokens); err != nil {
			return nil, err
		}
		for i := range st.index { // a draft is judged by the logits after each of its tokens
			st.index[i] = int64(i)
		}
		b.steps[at] = st
	}
	longest := 0
	for i, s := range b.rows {
		first := len(s.tokens) - 1
		position := first + len(b.lookup.draft) // of the last token; there is a draft only when i is the one row
		st.ids[i], st.positions[i] = int64(s.tokens[first]), int64(first)
		for j, id := range b.lookup.draft {
			st.ids[1+j], st.positions[1+j] = int64(id), int64(first+1+j)
		}
		st.lengths[i] = int32(position)
		longest = max(longest, position+1)
	}
	b.loadAdapters(st.graph, 0)
	st.total[0] = int32(longest)
	return st, nil
}

// anyAdapted says whether any of the sequences has an adapter.
func anyAdapted(rows []*sequence) bool {
	return slices.ContainsFunc(rows, func(s *sequence) bool { return len(s.rows) > 0 })
}

// adapt takes other memory for the batch's adapters when its ranks have changed, with which the bindings go.
func (b *batch) adapt() error {
	rows := 0
	for _, s := range b.rows {
		rows = max(rows, len(s.rows))
	}
	ranks := kv.Ranks(rows)
	if ranks == b.adapters.Ranks() {
		return nil
	}
	b.closeSteps()
	err := b.adapters.Close()
	b.adapters = kv.NewAdapterSlots(b.engine.bank.memory, b.engine.cfg.Slots, ranks)
	return err
}

// loadAdapters brings the versions of the rows from one on into their slots, where the graph reads them.
func (b *batch) loadAdapters(g graph, from int) {
	if !g.factors {
		return
	}
	for i, s := range b.rows[from:] {
		b.adapters.Load(from+i, s.pin.Digest, s.rows)
	}
}

// newStep builds a binding of a graph for the rows from one on, of which so many logits are wanted.
func (b *batch) newStep(g graph, from int, shape stepShape, wanted int) (*step, error) {
	st := &step{inputs: newInputs(shape.rows, shape.tokens, wanted), shape: shape, graph: g}
	var err error
	if st.binding, err = g.NewBinding(); err != nil {
		return nil, err
	}
	if err := st.bindAll(b, from); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

// bindAll binds everything that a step reads and writes.
func (st *step) bindAll(b *batch, from int) error {
	tensors, err := st.bind(st.binding)
	st.tensors = append(st.tensors, tensors...)
	if err != nil {
		return err
	}
	tensors, err = b.cache.Bind(st.binding, from, st.shape.rows)
	st.tensors = append(st.tensors, tensors...)
	if err != nil {
		return err
	}
	if st.graph.factors {
		tensors, err = b.adapters.Bind(st.binding, from, st.shape.rows)
		st.tensors = append(st.tensors, tensors...)
		if err != nil {
			return err
		}
	}
	out, err := b.logits.Bind(st.binding, len(st.index))
	if out != nil {
		st.tensors = append(st.tensors, out)
	}
	return err
}

// close frees the binding and its tensors.
func (st *step) close() {
	st.binding.Close()
	for _, t := range st.tensors {
		t.Close()
	}
}
