package gguf

import (
	"fmt"
)

// BlockSize is the number of weights of a Block.
const BlockSize = 32

// Block is 32 neighbouring weights of a row as Q4_0, Q4_1 and Q8_0 keep them: weight i is Scale·Values[i] + Minimum, exactly what
// Chunks yields. Scale and Minimum have the 11 significant bits of a binary16.
type Block struct {
	Scale   float32
	Minimum float32 // 0 but for Q4_1
	Values  [BlockSize]int8
}

// read decodes a block of a type that has blocks of this kind. Values of Q4_0 are −8 to 7, of Q4_1 0 to 15, of Q8_0 −128 to 127.
func (b *Block) read(t Type, raw []byte) {
	b.Scale, b.Minimum = half(raw), 0
	switch t {
	case Q4_0:
		for i, q := range raw[2:18] {
			b.Values[i], b.Values[i+16] = int8(q&15)-8, int8(q>>4)-8
		}
	case Q4_1:
		b.Minimum = half(raw[2:])
		for i, q := range raw[4:20] {
			b.Values[i], b.Values[i+16] = int8(q&15), int8(q>>4)
		}
	case Q8_0:
		for i, q := range raw[2:34] {
			b.Values[i] = int8(q)
		}
	}
}

// Blocks reads a tensor of type Q4_0, Q4_1 or Q8_0 block by block: the blocks of a row from its first input on, row after row. The
// Block is reused. Another type, or a scale or minimum that is not finite, is an error that names the tensor.
func (f *File) Blocks(name string, visit func(*Block) error) error {
	t, err := f.tensor(name)
	if err != nil {
		return err
	}
	return f.rowsOf(t).blocks(visit)
}

func (r rows) blocks(visit func(*Block) error) error {
	if t := r.t.Type; t != Q4_0 && t != Q4_1 && t != Q8_0 {
		return fmt.Errorf("read blocks of tensor %s: its type is %s, want Q4_0, Q4_1 or Q8_0", r.t.Name, t)
	}
	_, bytes := r.t.Type.Block()
	var b Block
	return r.each(func(at int64, raw []byte) error {
		for i := int64(0); i < int64(len(raw)); i += bytes {
			b.read(r.t.Type, raw[i:i+bytes])
			if notFinite([]float32{b.Scale, b.Minimum}) >= 0 {
				return fmt.Errorf("read blocks of tensor %s: the block at index %d has scale %v and minimum %v, want finite numbers",
					r.t.Name, at+i/bytes*BlockSize, b.Scale, b.Minimum)
			}
			if err := visit(&b); err != nil {
				return err
			}
		}
		return nil
	})
}

// Packed is a linear in the layout of com.microsoft's MatMulNBits with block_size 32, N = Out and K = In.
//
// Of Q4_0 and Q8_0 it is the operator's B and scales without zero_points: weight = Scales·(value − 8), for 8 bits Scales·(value − 128),
// bit for bit what Chunks yields.
//
// Q4_1 is weight = Scales·value + Minimums, which the operator has no input for. Two ways lead there:
//
//   - ZeroPoints gives float zero_points z = −Minimums/Scales for weight = Scales·(value − z). The division and the subtraction round:
//     a weight differs from that of Chunks by at most 2⁻²² of the largest of |weight| and |minimum|.
//   - Without zero_points the operator computes with Scales·(value − 8); Offsets gives what is left, [Out, In/32], to be multiplied with
//     the sums of the inputs of each block and added. The sum is rounded once.
type Packed struct {
	Out, In  int64
	Bits     int       // 4, of 8-bit values 8
	Weights  []byte    // 4 bits: [Out, In/32, 16], the value of input 2i of a block in the low half of byte i; 8 bits: [Out, In/32, 32]
	Scales   []float32 // [Out, In/32]
	Minimums []float32 // [Out, In/32], nil but for Q4_1
}

// Pack reads a matrix of type Q4_0, Q4_1 or Q8_0 as MatMulNBits keeps it. A block of Q4_1 whose scale is 0 is one number, its minimum;
// it gets the minimum as scale and values of 0, which is the same weight and leaves a zero point, −1.
func (f *File) Pack(name string) (*Packed, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	return f.rowsOf(t).pack()
}

func (r rows) pack() (*Packed, error) {
	t := r.t
	if len(t.Shape) != 2 {
		return nil, fmt.Errorf("pack tensor %s: its shape is %v, want a matrix", t.Name, t.Shape)
	}
	p := &Packed{Out: t.Shape[0], In: t.Shape[1], Bits: 4}
	if t.Type == Q8_0 {
		p.Bits = 8
	}
	if t.Type == Q4_0 || t.Type == Q4_1 || t.Type == Q8_0 { // else blocks says no, before anything is allocated
		p.Weights = make([]byte, 0, t.Elements()/8*int64(p.Bits))
		p.Scales = make([]float32, 0, t.Elements()/BlockSize)
	}
	err := r.blocks(func(b *Block) error {
		p.add(t.Type, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// add appends a block.
func (p *Packed) add(t Type, b *Block) {
	scale, values := b.Scale, b.Values
	zero := 0 // what a value of 0 is stored as
	switch t {
	case Q4_0:
		zero = 8
	case Q8_0:
		zero = 128
	case Q4_1:
		if scale == 0 {
			scale, values = b.Minimum, [BlockSize]int8{}
		}
		p.Minimums = append(p.Minimums, b.Minimum)
	}
	p.Scales = append(p.Scales, scale)
	if p.Bits == 8 {
		for _, v := range values {
			p.Weights = append(p.Weights, byte(int(v)+zero))
		}
		return
	}
	for i := 0; i < BlockSize; i += 2 {
		p.Weights = append(p.Weights, byte(int(values[i])+zero)|byte(int(values[i+1])+zero)<<4)
	}
}

// ZeroPoints is zero_points of the type of Scales, [Out, In/32]; nil where the operator's own, 8 or 128, are meant.
func (p *Packed) ZeroPoints() []float32 {
	if p.Minimums == nil {
		return nil
	}
	zeros := make([]float32, len(p.Minimums))
	for i, m := range p.Minimums {
		if m != 0 { // then Scales is not 0 either
			zeros[i] = -m / p.Scales[i]
		}
	}
	return zeros
}

// Offsets is Minimums + 8·Scales, [Out, In/32]: what a weight of Q4_1 is more than Scales·(value − 8); nil for other types.
func (p *Packed) Offsets() []float32 {
	if p.Minimums == nil {
		return nil
	}
	offsets := make([]float32, len(p.Minimums))
	for i, m := range p.Minimums {
		offsets[i] = m + 8*p.Scales[i]
	}
	return offsets
}
