package gpt2

import (
	"fmt"
	"slices"

	"nightshift/onnx"
)

// decoder builds the blocks of the serving graph over flat rows [B·S, width]: operators are fused where the runtime has a
// fused one.
type decoder struct {
	*builder
	ids     *onnx.Value // [B,S]
	modules []string    // that adapters may change
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
		qkv := g.Op("Reshape", []*onnx.Value{d.plain(l, "attn.c_attn", normed), packed})
		normed, x = d.residual(l, "attn.c_proj", g.Reshape(attend(l, qkv), -1, w), x, fmt.Sprintf("h.%d.ln_2", l))
		up := d.activated(l, "mlp.c_fc", normed)
		if l+1 == d.cfg.Layers {
			return g.Add(x, d.plain(l, "mlp.c_proj", up))
		}
		normed, x = d.residual(l, "mlp.c_proj", up, x, fmt.Sprintf("h.%d.ln_1", l+1))
	}
	return x
}

// sized is the shape [B,S,width] as a value.
func (d *decoder) sized(width int) *onnx.Value {
	return d.memo(fmt.Sprintf("shape %d", width), func() *onnx.Value {
		return d.g.Concat(0, d.size(0), d.size(1), d.g.Ints(int64(width)))
	})
}

// spread is the shape [B,1,S,width] as a value.
func (d *decoder) spread(width int) *onnx.Value {
	return d.memo(fmt.Sprintf("spread shape %d", width), func() *onnx.Value {
		return d.g.Concat(0, d.size(0), d.g.Ints(1), d.size(1), d.g.Ints(int64(width)))
	})
}

// size is B or S, axis 0 or 1 of the tokens, as a value of one element.
func (d *decoder) size(axis int64) *onnx.Value {
	return d.memo(fmt.Sprintf("size %d", axis), func() *onnx.Value {
		return d.g.Op("Shape", []*onnx.Value{d.ids}, onnx.Int("start", axis), onnx.Int("end", axis+1))
	})
}

// linear is x·W of one module of a block, what its sequences' adapters add to it, nil in a graph without, and its bias, which the operator
// that follows takes in. A sequence without an adapter gets the same bits from both graphs: what is added is zero.
func (d *decoder) linear(layer int, module string, x *onnx.Value) (y, added, bias *onnx.Value) {
	name := fmt.Sprintf("h.%d.%s", layer, module)
	in, out, _ := d.cfg.ModuleShape(module)
	y, bias = d.product(name+".weight", x, in, out), d.param(name+".bias")
	if slices.Contains(d.modules, module) {
		batch := d.ids.Shape[0]
		a := d.g.Input(LoraA(layer, module), onnx.Float, batch, onnx.Sym("R"), onnx.N(RankStep), onnx.N(in))
		b := d.g.Input(LoraB(layer, module), onnx.Float, batch, onnx.Sym("8*R"), onnx.N(out))
		added = adapterProduct(d.g, x, d.spread(in), a, b)
	}
	return y, added, bias
}

// adapted is a linear with its adapters and without its bias.
func (d *decoder) adapted(layer int, module string, x *onnx.Value) (y, bias *onnx.Value) {
	y, added, bias := d.linear(layer, module, x)
	if added != nil {
		y = d.g.Add(y, added)
	}
	return y, bias
}

// plain is a linear with its adapters and its bias. The bias comes first: the runtime makes one operator of it and the product, in
// graphs with and without adapters.
func (d *decoder) plain(layer int, module string, x *onnx.Value) *onnx.Value {
	y, added, bias := d.linear(layer, module, x)
	y = d.g.Add(y, bias)
	if added != nil {
		y = d.g.Add(y, added)
	}
	return y
}

// activated is a linear with its adapters, its bias and the configured activation.
func (d *decoder) activated(layer int, module string, x *onnx.Value) *onnx.Value {
	y, bias := d.adapted(layer, module, x)
	switch d.cfg.Activation {
	case "gelu_new":
		return d.g.FastGelu(y, bias)
	case "gelu":
		return d.g.Op("BiasGelu", []*onnx.Value{y, bias})
	default:
		return d.g.Op("Relu", []*onnx.Value{d.g.Add(y, bias)})
	}
}

// residual adds a linear with its adapters and its bias to the residual stream and normalises the sum, as the layer norm of that name
// does: it returns both.
func (d *decoder) residual(layer int, module string, x, stream *onnx.Value, norm string) (normed, sum *onnx.Value) {
	y, bias := d.adapted(layer, module, x)
	out := d.g.OpN("SkipLayerNormalization", 4, []*onnx.Value{stream, y, d.param(norm + ".weight"), d.param(norm + ".bias"), bias},
		onnx.Float32("epsilon", float32(d.cfg.Epsilon)))
	return out[0], out[3]
}

// adapterProduct is (x·Aᵀ)·B of each sequence's adapter, A [B,R,8,in] and B [B,8R,out], for flat rows x, which shape makes
// [B,1,S,in]. The first product is taken eight ranks at a time: the processor adds up a wider one in an order that depends on its
// width and on the threads. So a row's sums depend on nothing beside it, and ranks of zeros at the end change no bit.
func adapterProduct(g *onnx.Graph, x, shape, a, b *onnx.Value) *onnx.Value {
	inner := g.Transpose(g.FusedMatMul(g.ReshapeTo(x, shape), a, false, true, 1), 0, 2, 1, 3) // [B,S,R,8]
	return g.Reshape(g.MatMul(g.Reshape(inner, 0, 0, -1), b), -1, b.Shape[2].Size)
}

// logits picks flat rows of x (index [K]) and maps them to the vocabulary: [K,V].
func (d *decoder) logits(x, index *onnx.Value) *onnx.Value {
	if d.param("wte.weight").Type == onnx.Float {
		return d.builder.logits(x, index)
	}
	picked := d.norm("ln_f", d.g.Op("Gather", []*onnx.Value{x, index}, onnx.Int("axis", 0)))
	return d.product("lm_head.weight", picked, d.cfg.Width, d.cfg.Vocab)
}
