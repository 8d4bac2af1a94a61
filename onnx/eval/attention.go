package eval

import (
	"fmt"
	"math"
)

func init() {
	kernels["GroupQueryAttention"] = groupQueryAttention
	kernels["RotaryEmbedding"] = rotaryEmbedding
}

// heads is a query, key or value [B,S,...] seen as [batch][head][position][element], inside a wider row from column on.
type heads struct {
	t      *Tensor
	column int
	size   int
}

func (h heads) row(b, head, s int) []float64 {
	seq, width := int(h.t.Dims[1]), int(h.t.Dims[2])
	start := (b*seq+s)*width + h.column + head*h.size
	return h.t.Data[start : start+h.size]
}

// rotated is a head's elements after the rotation of a position: element i with element i+half, as far as there are angles.
func rotated(head []float64, cos, sin *Tensor, position int) []float64 {
	half := int(cos.Dims[1])
	out := append([]float64{}, head...)
	for i := range half {
		c, s := cos.Data[position*half+i], sin.Data[position*half+i]
		out[i], out[i+half] = head[i]*c-head[i+half]*s, head[i+half]*c+head[i]*s
	}
	return out
}

// rotaryEmbedding has no interleaved form.
func rotaryEmbedding(s *step) error {
	if s.n.Int("interleaved", 0) != 0 {
		return fmt.Errorf("interleaved rotation is not supported here")
	}
	x, cos, sin := s.in[0], s.in[2], s.in[3]
	y, width, size := s.make(0, x.Dims...), int(x.Dims[2]), 2*int(cos.Dims[1])
	for row, position := range integers(s.in[1]) {
		for at := row * width; at < (row+1)*width; at += size {
			copy(y.Data[at:], rotated(x.Data[at:at+size], cos, sin, int(position)))
		}
	}
	return nil
}

// groupQueryAttention appends keys and values to each row's cache, ending at position seqlens_k, and attends causally. It
// has no soft cap, smooth softmax, bias or interleaved rotation.
func groupQueryAttention(s *step) error {
	if s.n.Int("smooth_softmax", 0) > 0 || s.n.Int("rotary_interleaved", 0) > 0 || s.n.Float("softcap", 0) != 0 || len(s.in) > 9 {
		return fmt.Errorf("soft cap, smooth softmax, bias and interleaved rotation are not supported here")
	}
	turn := func(head []float64, position int) []float64 {
		if s.n.Int("do_rotary", 0) == 0 {
			return head
		}
		return rotated(head, s.in[7], s.in[8], position)
	}
	nq, nkv := int(s.n.Int("num_heads", 0)), int(s.n.Int("kv_num_heads", 0))
	in := s.in[0]
	batch, seq, parts := int(in.Dims[0]), int(in.Dims[1]), nq
	if !s.has(1) {
		parts += 2 * nkv
	}
	size := int(in.Dims[2]) / parts
	q, k, v := heads{in, 0, size}, heads{in, nq * size, size}, heads{in, (nq + nkv) * size, size}
	if s.has(1) {
		k, v = heads{s.in[1], 0, size}, heads{s.in[2], 0, size}
	}
	capacity := seq
	if s.has(3) {
		capacity = int(s.in[3].Dims[2])
	}
	presentK := s.make(1, int64(batch), int64(nkv), int64(capacity), int64(size))
	presentV := s.make(2, int64(batch), int64(nkv), int64(capacity), int64(size))
	if s.has(3) {
		copy(presentK.Data, s.in[3].Data)
		copy(presentV.Data, s.in[4].Data)
	}
	y := s.make(0, int64(batch), int64(seq), int64(nq*size))
	prompt := integer(s.in[6].Data[0]) == int64(seq)
	for b := range batch {
		past := int(s.in[5].Data[b]) + 1 - seq
		if prompt {
			past = 0
		}
		if past < 0 || past+seq > capacity {
			return fmt.Errorf("row %d ends at position %v, outside the cache of %d", b, s.in[5].Data[b], capacity)
		}
		for i := range seq {
			for h := range nkv {
				at := ((b*nkv+h)*capacity + past + i) * size
				copy(presentK.Data[at:], turn(k.row(b, h, i), past+i))
				copy(presentV.Data[at:], v.row(b, h, i))
			}
		}
		for i := range seq {
			for h := range nq {
				at := (b*nkv + h*nkv/nq) * capacity * size
				out := y.Data[((b*seq+i)*nq+h)*size:][:size]
				s.attend(turn(q.row(b, h, i), past+i), presentK.Data[at:], presentV.Data[at:], past+i, out)
			}
		}
	}
	return nil
}

// attend is one query at one position over the cache up to and including that position.
func (s *step) attend(q, keys, values []float64, position int, out []float64) {
	size := len(q)
	scale := float64(s.n.Float("scale", 0))
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(size))
	}
	first := 0
	if w := int(s.n.Int("local_window_size", -1)); w > 0 {
		first = max(0, position+1-w)
	}
	scores := make([]float64, 0, position+1)
	for p := first; p <= position; p++ {
		dot := 0.0
		for i, x := range q {
			dot += x * keys[p*size+i]
		}
		scores = append(scores, dot*scale)
	}
	lse := logSumExp(scores)
	for j, score := range scores {
		for i := range out {
			out[i] += math.Exp(score-lse) * values[(first+j)*size+i]
		}
	}
}
