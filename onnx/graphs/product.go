package graphs

import (
	"fmt"

	"nightshift/onnx"
)

// WeightScale names the scales of a quantised weight.
func WeightScale(weight string) string { return weight + "_scale" }

// levels is how far a signed 8-bit number is used on either side of zero.
const levels = 127

// Product is x·W of flat rows x [rows,in], by the type in which W is stored:
//
//	float [in,out]             a float32 product
//	int8 [in,out]              integers: rows are quantised as they come, see integerProduct
//	uint8 [out,in/block,block/2] 4-bit blocks, as MatMulNBits defines them
func (b *Builder) Product(name string, x *onnx.Value, in, out int) *onnx.Value {
	w, err := b.weights(name)
	if err != nil {
		b.fail(fmt.Errorf("find weight %s: %w", name, err))
		return x
	}
	switch {
	case w.Type == onnx.Float:
		return b.MatMul(x, b.Initializer(name, w))
	case len(w.Dims) == 3:
		block := 2 * w.Dims[2]
		return b.Op("MatMulNBits", []*onnx.Value{x, b.Initializer(name, w), b.Param(WeightScale(name))},
			onnx.Int("K", int64(in)), onnx.Int("N", int64(out)), onnx.Int("bits", 4), onnx.Int("block_size", block), onnx.Int("accuracy_level", 4))
	default:
		return b.integerProduct(name, w, x)
	}
}

// integerProduct is x·W for an 8-bit W with a scale for each output. Each row of x is quantised by its own largest element:
// with s = max|x|/127, x ≈ s·q and q in −127…127, stored with 128 added. The sums are integers and therefore exact, so that a
// row's result depends neither on the rows beside it nor on threads or processors, provided that the absolute values of W's rows 2i and
// 2i+1 add up to 128 at most: see models/quantize. A row of zeros has s = 0 and gives zeros.
func (b *Builder) integerProduct(name string, w onnx.Tensor, x *onnx.Value) *onnx.Value {
	peak := b.Op("ReduceMax", []*onnx.Value{b.Op("Abs", []*onnx.Value{x}), b.Const(onnx.Ints([]int64{1}, 1))}, onnx.Int("keepdims", 1))
	scale := b.Mul(peak, b.Const(onnx.Floats([]int64{1}, 1.0/levels))) // [rows,1]
	middle := onnx.Tensor{Type: onnx.Uint8, Dims: []int64{1}, Raw: []byte{128}}
	zeros := b.memo("zeros of "+x.Shape[0].String(), func() *onnx.Value {
		return b.Op("ConstantOfShape", []*onnx.Value{b.Op("Shape", []*onnx.Value{scale})}, onnx.TensorAttr("value", middle))
	})
	// A row is one block: with a scale for each place on axis 0 the scale would have to be brought into another shape first.
	quantized := b.Op("QuantizeLinear", []*onnx.Value{x, scale, zeros}, onnx.Int("axis", 1), onnx.Int("block_size", w.Dims[0]))
	middle.Dims = nil
	y := b.Op("MatMulIntegerToFloat", []*onnx.Value{quantized, b.Initializer(name, w), b.Const(onnx.FloatScalar(1)), b.Param(WeightScale(name)),
		b.Const(middle), b.Const(onnx.Tensor{Type: w.Type, Raw: []byte{0}})})
	return b.Mul(y, scale)
}
