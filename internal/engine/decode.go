package engine

import (
	"fmt"

	"nightshift/onnx/ort"
)

// class is the decode batch of one cache capacity. Its sequences fill rows 0 to n−1 without gaps: a leaving row is
// replaced by the last one.
type class struct {
	engine *Engine
	cache  *cache
	rows   []*sequence
	steps  map[stepShape]*step
	logits []float32 // [slots, vocabulary]
}

// stepShape tells apart the bindings of a class: rows in the batch, and bank rows per sequence.
type stepShape struct{ rows, bank int }

// step is a persistent binding for one shape, with the arrays it reads.
type step struct {
	binding         *ort.Binding
	ids, positions  []int64
	index, adapters []int64
	lengths, total  []int32
	tensors         []*ort.Tensor
}

func newClass(e *Engine, capacity int) *class {
	return &class{engine: e, cache: newCache(e.model.Config, e.cfg.Slots, capacity), steps: map[stepShape]*step{},
		logits: ort.AlignedFloats(e.cfg.Slots * e.model.Config.Vocab)}
}

// join copies a prefilled sequence out of the staging cache into the smallest class that holds all of its tokens.
func (e *Engine) join(s *sequence) {
	for _, c := range e.classes {
		if c.cache.capacity >= s.limit {
			s.class, s.row = c, len(c.rows)
			c.rows = append(c.rows, s)
			c.cache.copyRow(s.row, e.staging.cache, 0, s.prefilled)
			e.active = append(e.active, s)
			e.stats.active.Store(int64(len(e.active)))
			return
		}
	}
}

// leave takes a sequence out of its batch and closes the gap.
func (e *Engine) leave(s *sequence) {
	c, last := s.class, len(s.class.rows)-1
	if moved := c.rows[last]; moved != s {
		c.cache.copyRow(s.row, c.cache, last, len(moved.tokens)-1)
		moved.row = s.row
		c.rows[s.row] = moved
	}
	c.rows[last] = nil
	c.rows = c.rows[:last]
	for i, a := range e.active {
		if a == s {
			e.active[i] = e.active[len(e.active)-1]
			e.active = e.active[:len(e.active)-1]
			break
		}
	}
	e.stats.active.Store(int64(len(e.active)))
}

// decode runs one step of every class that has sequences: one token a row.
func (e *Engine) decode() {
	for _, c := range e.classes {
		for i := len(c.rows) - 1; i >= 0; i-- {
			if err := c.rows[i].ctx.Err(); err != nil {
				s := c.rows[i]
				e.leave(s)
				e.stats.cancelled.Add(1)
				s.finish("", err)
			}
		}
		if len(c.rows) == 0 {
			continue
		}
		if err := c.step(); err != nil {
			for len(c.rows) > 0 {
				s := c.rows[len(c.rows)-1]
				e.leave(s)
				s.finish("", fmt.Errorf("decode a token: %w", err))
			}
			continue
		}
		vocab := e.model.Config.Vocab
		for i := len(c.rows) - 1; i >= 0; i-- { // from the last on, so that a leaving row moves only finished ones
			s := c.rows[i]
			if e.accept(s, c.logits[i*vocab:(i+1)*vocab]) {
				e.leave(s)
			}
		}
	}
}

// step computes the next token's logits of every row into c.logits.
func (c *class) step() error {
	bank := 1
	for _, s := range c.rows {
		bank = max(bank, len(s.pin.rows))
	}
	shape := stepShape{len(c.rows), bank}
	st, ok := c.steps[shape]
	if !ok {
		var err error
		if st, err = c.newStep(shape); err != nil {
			return err
		}
		c.steps[shape] = st
	}
	longest := 0
	for i, s := range c.rows {
		position := len(s.tokens) - 1
		st.ids[i], st.positions[i], st.index[i] = int64(s.tokens[position]), int64(position), int64(i)
		st.lengths[i] = int32(position)
		longest = max(longest, position+1)
		for k := range bank {
			st.adapters[i*bank+k] = 0
			if k < len(s.pin.rows) {
				st.adapters[i*bank+k] = s.pin.rows[k]
			}
		}
	}
	st.total[0] = int32(longest)
	c.engine.stats.steps.Add(1)
	c.engine.stats.rows.Add(int64(len(c.rows)))
	return st.binding.Run()
}

// newStep builds the persistent binding of one shape.
func (c *class) newStep(shape stepShape) (*step, error) {
	n := shape.rows
	st := &step{ids: make([]int64, n), positions: make([]int64, n), index: make([]int64, n), adapters: make([]int64, n*shape.bank),
		lengths: make([]int32, n), total: make([]int32, 1)}
	var err error
	if st.binding, err = c.engine.session.NewBinding(); err != nil {
		return nil, err
	}
	rows := int64(n)
	for _, in := range []struct {
		name string
		dims []int64
		i64  []int64
		i32  []int32
	}{
		{"input_ids", []int64{rows, 1}, st.ids, nil}, {"position_ids", []int64{rows, 1}, st.positions, nil},
		{"logit_index", []int64{rows}, st.index, nil}, {"adapter_ids", []int64{rows, int64(shape.bank)}, st.adapters, nil},
		{"seqlens_k", []int64{rows}, nil, st.lengths}, {"total_sequence_length", []int64{1}, nil, st.total},
	} {
		var t *ort.Tensor
		if in.i64 != nil {
			t, err = ort.NewTensor(in.dims, in.i64)
		} else {
			t, err = ort.NewTensor(in.dims, in.i32)
		}
		if err != nil {
			return nil, err
		}
		st.tensors = append(st.tensors, t)
		if err := st.binding.Input(in.name, t); err != nil {
			return nil, err
		}
	}
	out, err := ort.NewTensor([]int64{rows, int64(c.engine.model.Config.Vocab)}, c.logits[:n*c.engine.model.Config.Vocab])
	if err != nil {
		return nil, err
	}
	cached, err := c.cache.bind(st.binding, n)
	if err != nil {
		return nil, err
	}
	st.tensors = append(append(st.tensors, out), cached...)
	if err := st.binding.Output("logits", out); err != nil {
		return nil, err
	}
	return st, c.engine.bank.bind(st.binding)
}
