package graphs

import (
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx"
)

// Sequence is a graph over whole sequences under construction: B rows of S tokens, of several segments each.
type Sequence struct {
	*Builder
	IDs, Positions *onnx.Value // [B,S]
	// Mask is added to attention scores, [B,1,S,S]: a token sees the tokens of its own segment up to its own position.
	Mask *onnx.Value
	seen *onnx.Value // what Mask is made of: which keys a token sees
	// after is given the input and output of each linear and returns its new output.
	after func(t arch.Target, x, y *onnx.Value) *onnx.Value
}

// Linear is x·W + b of a linear whose weight lies as [in,out], and what the adapter that is trained adds to it.
func (s *Sequence) Linear(l arch.Linear, x *onnx.Value) *onnx.Value {
	y := s.MatMul(x, s.Param(l.Weight))
	if l.Bias != "" {
		y = s.Add(y, s.Param(l.Bias))
	}
	return s.after(l.Target, x, y)
}

// Parts is Linear of a linear that packs several modules: the outputs of each, with what the adapter of each adds.
func (s *Sequence) Parts(l arch.Linear, x *onnx.Value) []*onnx.Value {
	var widths []int64
	for _, p := range l.Parts {
		widths = append(widths, int64(p.Out))
	}
	parts := s.Split(s.Linear(l, x), -1, widths...)
	for i, p := range l.Parts {
		parts[i] = s.after(arch.Target{Layer: l.Layer, Module: p.Module}, x, parts[i])
	}
	return parts
}

// Windowed is Mask where a token sees no more keys than window, its own among them; 0: Mask itself.
func (s *Sequence) Windowed(window int) *onnx.Value {
	if window == 0 {
		return s.Mask
	}
	return s.memo(fmt.Sprintf("window %d", window), func() *onnx.Value {
		query, key := s.across(s.Positions)
		near := s.Less(s.Sub(query, key), s.Int(int64(window)))
		return s.masked(s.And(s.seen, near))
	})
}

// sequence starts a whole-sequence graph and declares its trainable inputs.
func (m Model) sequence(name string, weights Weights, trainable Trainable) (*Sequence, []*onnx.Value, error) {
	if err := m.check(name); err != nil {
		return nil, nil, err
	}
	tensors, err := trainable.Parameters(m.Shape)
	if err != nil {
		return nil, nil, err
	}
	s := &Sequence{Builder: newBuilder(name, m.Shape, weights)}
	s.trainable = map[string]*onnx.Value{}
	params := make([]*onnx.Value, len(tensors))
	for i, t := range tensors {
		dims := make([]onnx.Dim, len(t.Dims))
		for j, d := range t.Dims {
			dims[j] = onnx.N(int(d))
		}
		params[i] = s.Input(t.Name, onnx.Float, dims...)
		s.trainable[t.Name] = params[i]
	}
	scale := s.Const(onnx.FloatScalar(float32(trainable.Scale)))
	s.after = func(t arch.Target, x, y *onnx.Value) *onnx.Value {
		a, ok := s.trainable[LoraA(t)]
		if !ok {
			return y
		}
		return s.Add(y, s.Mul(s.MatMul(s.MatMul(x, a), s.trainable[LoraB(t)]), scale))
	}
	return s, params, nil
}

// forward declares the inputs and returns the logits at loss_index: [P,Vocab].
func (s *Sequence) forward(t Transformer) *onnx.Value {
	segments := s.tokens()
	index := s.Input("loss_index", onnx.Int64, onnx.Sym("P"))
	s.mask(segments)
	return s.logits(t.Sequence(s), index)
}

// tokens declares the inputs that say what is read, and returns the segments [B,S].
func (s *Sequence) tokens() (segments *onnx.Value) {
	rows, columns := onnx.Sym("B"), onnx.Sym("S")
	s.IDs = s.Input("input_ids", onnx.Int64, rows, columns)
	s.Positions = s.Input("position_ids", onnx.Int64, rows, columns)
	return s.Input("segment_ids", onnx.Int64, rows, columns)
}

// mask makes Mask of the segments.
func (s *Sequence) mask(segments *onnx.Value) {
	query, key := s.across(segments)
	same := s.Equal(query, key)
	query, key = s.across(s.Positions)
	s.seen = s.And(same, s.LessOrEqual(key, query))
	s.Mask = s.masked(s.seen)
}

// across is v [B,S] as something of queries [B,1,S,1] and of keys [B,1,1,S].
func (s *Sequence) across(v *onnx.Value) (query, key *onnx.Value) {
	return s.Unsqueeze(v, 1, 3), s.Unsqueeze(v, 1, 2)
}

// masked is what is added to scores: nothing where a key is seen, and what leaves no probability elsewhere.
func (s *Sequence) masked(seen *onnx.Value) *onnx.Value {
	return s.Where(seen, s.Const(onnx.FloatScalar(0)), s.Const(onnx.FloatScalar(-1e9)))
}
