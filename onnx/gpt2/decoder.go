package gpt2

import (
	"fmt"
	"slices"

	"nightshift/onnx"
)

// decoder builds the blocks of the serving graph over flat rows [B·S, width]: operators are fused where the runtime has a
// fused one, and what adapters add is computed only in steps that carry one.
type decoder struct {
	*builder
	ids *onnx.Value // [B,S]
	// The adapter bank, nil and empty in a graph without one.
	modules  []string
	adapters *onnx.Value // bool [1]: some sequence of this step has an adapter
	rows     *onnx.Value // [B,R] bank rows
}

// embed is token plus position embeddings as flat rows.
func (d *decoder) embed(positions *onnx.Value) *onnx.Value {
	g := d.g
	table := d.param("wte.weight")
	tokens := g.Op("Gather", []*onnx.Value{table, d.ids}, onnx.Int("axis", 0))
	if table.Type != onnx.Float { // 8 bits and a scale for each token
		scales := g.Op("Gather", []*onnx.Value{d.param(WeightScale("wte.weight")), d.ids}, onnx.Int("axis", 0))
		tokens = g.Mul(g.Op("Cast", []*onnx.Value{tokens}, onnx.Int("to", int64(onnx.Float))), scales)
	}
	places := g.Op("Gather", []*onnx.Value{d.param("wpe.weight"), positions}, onnx.Int("axis", 0))
	return g.Reshape(g.Add(tokens, places), -1, int64(d.cfg.Width))
}

// blocks applies every transformer layer to x [rows,W]. attend maps packed q|k|v [B,S,3W] to [B,S,W].
func (d *decoder) blocks(x *onnx.Value, attend func(layer int, qkv *onnx.Value) *onnx.Value) *onnx.Value {
	g, w := d.g, int64(d.cfg.Width)
	packed := d.sized(3 * d.cfg.Width)
	normed := d.norm("h.0.ln_1", x)
	for l := range d.cfg.Layers {
		qkv := g.Op("Reshape", []*onnx.Value{d.linear(l, "attn.c_attn", normed), packed})
		attended := g.Reshape(attend(l, qkv), -1, w)
		normed, x = d.skipNorm(fmt.Sprintf("h.%d.ln_2", l), x, d.linear(l, "attn.c_proj", attended))
		y := d.linear(l, "mlp.c_proj", d.activate(d.linear(l, "mlp.c_fc", normed)))
		if l+1 == d.cfg.Layers {
			return g.Add(x, y)
		}
		normed, x = d.skipNorm(fmt.Sprintf("h.%d.ln_1", l+1), x, y)
	}
	return x
}

// sized is the shape [B,S,width] as a value.
func (d *decoder) sized(width int) *onnx.Value {
	return d.memo(fmt.Sprintf("shape %d", width), func() *onnx.Value {
		shape := d.memo("shape of ids", func() *onnx.Value { return d.g.Op("Shape", []*onnx.Value{d.ids}) })
		return d.g.Op("Concat", []*onnx.Value{shape, d.g.Const(onnx.Ints([]int64{1}, int64(width)))}, onnx.Int("axis", 0))
	})
}

// skipNorm adds y to the residual stream x and normalises the sum: it returns both.
func (d *decoder) skipNorm(name string, x, y *onnx.Value) (normed, sum *onnx.Value) {
	out := d.g.OpN("SkipLayerNormalization", 4, []*onnx.Value{x, y, d.param(name + ".weight"), d.param(name + ".bias")},
		onnx.Float32("epsilon", float32(d.cfg.Epsilon)))
	return out[0], out[3]
}

// linear is x·W + b of one module of a block, with its sequences' adapters. A sequence without one gets the same bits from
// both branches: what it would add is zero.
func (d *decoder) linear(layer int, module string, x *onnx.Value) *onnx.Value {
	name := fmt.Sprintf("h.%d.%s", layer, module)
	in, out, _ := d.cfg.ModuleShape(module)
	y, bias := d.product(name+".weight", x, in, out), d.param(name+".bias")
	if !slices.Contains(d.modules, module) {
		return d.g.Add(y, bias)
	}
	n := onnx.Sym("N")
	bankA := d.g.Input(LoraA(layer, module), onnx.Float, n, onnx.N(in), onnx.N(BankRank))
	bankB := d.g.Input(LoraB(layer, module), onnx.Float, n, onnx.N(BankRank), onnx.N(out))
	captured := []*onnx.Value{y, bias, x, d.sized(in), d.rows, bankA, bankB}
	return d.g.If(d.adapters, captured,
		func(g *onnx.Graph, v []*onnx.Value) *onnx.Value {
			return g.Add(g.Add(v[0], adapterProduct(g, v[2], v[3], v[4], v[5], v[6], out)), v[1])
		},
		func(g *onnx.Graph, v []*onnx.Value) *onnx.Value { return g.Add(v[0], v[1]) })
}

// adapterProduct is (x·A)·B of each sequence's adapter, for flat rows x of the given shape [B,S,in]: the R rank-8 products
// x·A side by side are one [B,S,8R], multiplied once with the R blocks of B below each other. Rows of zeros at the end change no bit.
func adapterProduct(g *onnx.Graph, x, shape, rows, bankA, bankB *onnx.Value, out int) *onnx.Value {
	a := g.Op("Gather", []*onnx.Value{bankA, rows}, onnx.Int("axis", 0)) // [B,R,in,8]
	b := g.Op("Gather", []*onnx.Value{bankB, rows}, onnx.Int("axis", 0)) // [B,R,8,out]
	each := g.Op("Unsqueeze", []*onnx.Value{g.Op("Reshape", []*onnx.Value{x, shape}), g.Const(onnx.Ints([]int64{1}, 1))})
	inner := g.Transpose(g.MatMul(each, a), 0, 2, 1, 3) // [B,S,R,8]
	return g.Reshape(g.MatMul(g.Reshape(inner, 0, 0, -1), g.Reshape(b, 0, -1, int64(out))), -1, int64(out))
}

// logits picks flat rows of x (index [K]) and maps them to the vocabulary: [K,V].
func (d *decoder) logits(x, index *onnx.Value) *onnx.Value {
	if d.param("wte.weight").Type == onnx.Float {
		return d.builder.logits(x, index)
	}
	picked := d.norm("ln_f", d.g.Op("Gather", []*onnx.Value{x, index}, onnx.Int("axis", 0)))
	return d.product("lm_head.weight", picked, d.cfg.Width, d.cfg.Vocab)
}
