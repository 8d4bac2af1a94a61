package onnx

import "fmt"

// shapeGroupQueryAttention has inputs query [B,S,H·D] (or packed [B,S,(H+2·KV)·D] without key and value), key and value
// [B,S,KV·D], past key and value [B,KV,C,D], seqlens_k [B], total_sequence_length [1], cos and sin caches, position ids,
// attention bias, head sink; outputs y [B,S,H·D] and present key and value, which are as long as the past when the two
// share a buffer.
func shapeGroupQueryAttention(c *call) error {
	q := c.in(0)
	heads, kv := c.n.Int("num_heads", 0), c.n.Int("kv_num_heads", 0)
	if heads <= 0 || kv <= 0 || heads%kv != 0 {
		return fmt.Errorf("num_heads %d must be a multiple of kv_num_heads %d", heads, kv)
	}
	if len(q) != 3 || !q[2].Static() {
		return fmt.Errorf("the query must be [batch, sequence, width] with a known width")
	}
	if c.has(1) != c.has(2) || c.has(3) != c.has(4) {
		return fmt.Errorf("key and value come together, and past key and past value too")
	}
	if !c.has(5) || !c.has(6) || len(c.in(5)) == 0 {
		return fmt.Errorf("seqlens_k [batch] and total_sequence_length are missing")
	}
	parts := heads
	if !c.has(1) {
		parts += 2 * kv
	}
	size := q[2].Size / parts
	if size*parts != q[2].Size || size%8 != 0 {
		return fmt.Errorf("width %v is not %d heads of a multiple of 8", q[2], parts)
	}
	for i := 1; i <= 2 && c.has(i); i++ {
		if s := c.in(i); len(s) != 3 || !s[2].is(kv*size) {
			return fmt.Errorf("input %d must be [batch, sequence, %d]", i, kv*size)
		}
	}
	if _, ok := unify(q[0], c.in(5)[0]); !ok {
		return fmt.Errorf("seqlens_k has %v rows, the query has %v", c.in(5)[0], q[0])
	}
	if rotates := c.n.Int("do_rotary", 0) != 0; rotates != c.has(7) || rotates != c.has(8) {
		return fmt.Errorf("do_rotary goes with cos and sin")
	}
	for i := 7; i <= 8 && c.has(i); i++ {
		if s := c.in(i); len(s) != 2 || !s[1].Static() || 2*s[1].Size > size || s[1].Size%8 != 0 {
			return fmt.Errorf("input %d must be [positions, half of what is rotated of a head of %d, a multiple of 8]", i, size)
		}
	}
	present := Shape{q[0], Dim{Size: kv}, q[1], Dim{Size: size}}
	if c.has(3) {
		for i := 3; i <= 4; i++ {
			s := c.in(i)
			if len(s) != 4 || !s[1].is(kv) || !s[3].is(size) {
				return fmt.Errorf("input %d must be [batch, %d, capacity, %d]", i, kv, size)
			}
			if _, ok := unify(s[0], q[0]); !ok {
				return fmt.Errorf("input %d has %v rows, the query has %v", i, s[0], q[0])
			}
		}
		present = c.in(3).clone()
	}
	c.set(1, present)
	c.set(2, present.clone())
	return c.out(Shape{q[0], q[1], Dim{Size: heads * size}})
}

// shapeRotaryEmbedding has inputs x [B,S,H·D], positions [B,S], cos and sin [positions,D/2]; the output is as x.
func shapeRotaryEmbedding(c *call) error {
	x, at, cos, sin := c.in(0), c.in(1), c.in(2), c.in(3)
	if len(x) != 3 || !x[2].Static() {
		return fmt.Errorf("what is rotated must be [batch, sequence, width] with a known width")
	}
	if len(at) != 2 || !fits(at, x[:2]) {
		return fmt.Errorf("the positions %v are not [batch, sequence] of %v", at, x)
	}
	if len(cos) != 2 || !cos[1].Static() || !fits(cos, sin) || cos[1].Size < 1 || x[2].Size%(2*cos[1].Size) != 0 {
		return fmt.Errorf("cos %v and sin %v must be [positions, half the width of a head], heads of width %v", cos, sin, x[2])
	}
	return shapeSame(c)
}
