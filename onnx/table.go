package onnx

// opTable is every operator, by name. The columns are explained at opDef. It is filled by init, because gradient rules
// append nodes and so refer back to it.
var opTable map[string]*opDef

func init() {
	opTable = map[string]*opDef{}
	for _, d := range []opDef{
		// Elementwise.
		{name: "Add", types: "TT:T", need: 2, t: numbers, shape: shapeBroadcast, grad: gradAdd},
		{name: "Sub", types: "TT:T", need: 2, t: numbers, shape: shapeBroadcast, grad: gradSub},
		{name: "Mul", types: "TT:T", need: 2, t: numbers, shape: shapeBroadcast, grad: gradMul},
		{name: "Div", types: "TT:T", need: 2, t: numbers, shape: shapeBroadcast, grad: gradDiv},
		{name: "Pow", types: "TU:T", need: 2, t: floats | ints, u: floats | ints, shape: shapeBroadcast, grad: gradPow},
		{name: "Max", types: "T+:T", need: 1, t: numbers, shape: shapeBroadcast},
		{name: "Min", types: "T+:T", need: 1, t: numbers, shape: shapeBroadcast},
		{name: "Neg", types: "T:T", need: 1, t: floats | ints, shape: shapeSame, grad: gradNeg},
		{name: "Abs", types: "T:T", need: 1, t: numbers, shape: shapeSame},
		{name: "Sqrt", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradSqrt},
		{name: "Exp", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradExp},
		{name: "Log", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradLog},
		{name: "Tanh", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradTanh},
		{name: "Erf", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradErf},
		{name: "Relu", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradRelu},
		{name: "Sigmoid", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradSigmoid},
		{name: "Round", types: "T:T", need: 1, t: floats, shape: shapeSame},
		{name: "Clip", types: "TTT:T", need: 1, t: numbers, shape: shapeClip},
		{name: "Gelu", types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradGelu, attrs: "approximate"},
		{name: "FastGelu", domain: microsoft, types: "TT:T", need: 1, t: floats, shape: shapeBiased, grad: gradFastGelu},
		{name: "QuickGelu", domain: microsoft, types: "T:T", need: 1, t: floats, shape: shapeSame, grad: gradQuickGelu, attrs: "alpha"},
		{name: "BiasGelu", domain: microsoft, types: "TT:T", need: 2, t: floats, shape: shapeBiased},
		{name: "Identity", types: "T:T", need: 1, t: every, shape: shapeSame, grad: gradIdentity},
		{name: "Cast", types: "*:?", need: 1, shape: shapeCast, grad: gradCast, attrs: "to"},
		{name: "QuantizeLinear", types: "TTU:?", need: 2, t: floats, u: bytes8, shape: shapeQuantizeLinear, attrs: "axis block_size"},
		{name: "DequantizeLinear", types: "UTU:T", need: 2, t: floats, u: bytes8, shape: shapeDequantizeLinear, attrs: "axis"},

		// Comparison and logic.
		{name: "Equal", types: "TT:b", need: 2, t: every, shape: shapeBroadcast},
		{name: "Greater", types: "TT:b", need: 2, t: numbers, shape: shapeBroadcast},
		{name: "Less", types: "TT:b", need: 2, t: numbers, shape: shapeBroadcast},
		{name: "LessOrEqual", types: "TT:b", need: 2, t: numbers, shape: shapeBroadcast},
		{name: "And", types: "bb:b", need: 2, shape: shapeBroadcast},
		{name: "Or", types: "bb:b", need: 2, shape: shapeBroadcast},
		{name: "Not", types: "b:b", need: 1, shape: shapeSame},
		{name: "Where", types: "bTT:T", need: 3, t: every, shape: shapeBroadcast, grad: gradWhere},

		// Products.
		{name: "MatMul", types: "TT:T", need: 2, t: floats | ints, shape: shapeMatMul, grad: gradMatMul},
		{name: "FusedMatMul", domain: microsoft, types: "TT:T", need: 2, t: floats, shape: shapeMatMul, grad: gradMatMul, attrs: "transA transB alpha"},
		{name: "Gemm", types: "TTT:T", need: 2, t: floats, shape: shapeGemm, grad: gradGemm, attrs: "alpha beta transA transB"},
		{name: "MatMulInteger", types: "TUTU:i", need: 2, t: bytes8, u: bytes8, shape: shapeMatMul},
		{name: "MatMulIntegerToFloat", domain: microsoft, types: "TUffTUf:f", need: 4, t: bytes8, u: bytes8, shape: shapeMatMulIntegerToFloat},
		{name: "MatMulNBits", domain: microsoft, types: "T8TUxT:T", need: 3, t: floats, u: bytes8 | floats, shape: shapeMatMulNBits, attrs: "K N bits block_size accuracy_level"},

		// Layout.
		{name: "Transpose", types: "T:T", need: 1, t: every, shape: shapeTranspose, grad: gradTranspose, attrs: "perm"},
		{name: "Reshape", types: "Tl:T", need: 2, t: every, shape: shapeReshape, grad: gradReshape},
		{name: "Unsqueeze", types: "Tl:T", need: 2, t: every, shape: shapeUnsqueeze, grad: gradReshape},
		{name: "Squeeze", types: "Tl:T", need: 1, t: every, shape: shapeSqueeze, grad: gradReshape},
		{name: "Expand", types: "Tl:T", need: 2, t: every, shape: shapeExpand, grad: gradExpand},
		{name: "Concat", types: "T+:T", need: 1, t: every, shape: shapeConcat, grad: gradConcat, attrs: "axis"},
		{name: "Split", types: "Tl:T+", need: 1, t: every, shape: shapeSplit, grad: gradSplit, attrs: "axis num_outputs"},
		{name: "Slice", types: "TUUUU:T", need: 3, t: every, u: ints, shape: shapeSlice, grad: gradSlice},
		{name: "Trilu", types: "Tl:T", need: 1, t: every, shape: shapeSame, attrs: "upper"},

		// Indexing.
		{name: "Gather", types: "Tx:T", need: 2, t: every, shape: shapeGather, grad: gradGather, attrs: "axis"},
		{name: "GatherElements", types: "Tx:T", need: 2, t: every, shape: shapeGatherElements, grad: gradGatherElements, attrs: "axis"},
		{name: "ScatterElements", types: "TxT:T", need: 3, t: every, shape: shapeScatterElements, grad: gradScatterElements, attrs: "axis reduction"},
		{name: "ScatterND", types: "TlT:T", need: 3, t: every, shape: shapeScatterND, attrs: "reduction"},
		{name: "OneHot", types: "xxT:T", need: 3, t: every, shape: shapeOneHot, attrs: "axis"},
		{name: "TopK", types: "Tl:Tl", need: 2, t: numbers, shape: shapeTopK, attrs: "axis largest sorted"},
		{name: "ArgMax", types: "T:l", need: 1, t: numbers, shape: shapeArgMax, attrs: "axis keepdims select_last_index"},

		// Shapes as data.
		{name: "Shape", types: "*:l", need: 1, shape: shapeShape, attrs: "start end"},
		{name: "ConstantOfShape", types: "l:?", need: 1, shape: shapeConstantOfShape, attrs: "value"},
		{name: "Range", types: "TTT:T", need: 3, t: floats | ints, shape: shapeRange},

		// Reductions and normalisation.
		{name: "ReduceSum", types: "Tl:T", need: 1, t: floats | ints, shape: shapeReduce, grad: gradReduceSum, attrs: "keepdims"},
		{name: "ReduceMean", types: "Tl:T", need: 1, t: floats | ints, shape: shapeReduce, grad: gradReduceMean, attrs: "keepdims"},
		{name: "ReduceMax", types: "Tl:T", need: 1, t: numbers, shape: shapeReduce, attrs: "keepdims"},
		{name: "ReduceLogSumExp", types: "Tl:T", need: 1, t: floats, shape: shapeReduce, grad: gradReduceLogSumExp, attrs: "keepdims"},
		{name: "Softmax", types: "T:T", need: 1, t: floats, shape: shapeSoftmax, grad: gradSoftmax, attrs: "axis"},
		{name: "LogSoftmax", types: "T:T", need: 1, t: floats, shape: shapeSoftmax, grad: gradLogSoftmax, attrs: "axis"},
		{name: "LayerNormalization", types: "TTT:Tff", need: 2, t: floats, shape: shapeLayerNormalization, grad: gradLayerNormalization, attrs: "axis epsilon stash_type"},
		{name: "SkipLayerNormalization", domain: microsoft, types: "TTTTT:TffT", need: 3, t: floats, shape: shapeSkipLayerNormalization, attrs: "epsilon"},
		{name: "SimplifiedLayerNormalization", types: "TT:Tf", need: 2, t: floats, shape: shapeLayerNormalization, grad: gradSimplifiedLayerNormalization, attrs: "axis epsilon stash_type"},
		{name: "SkipSimplifiedLayerNormalization", domain: microsoft, types: "TTTT:TffT", need: 3, t: floats, shape: shapeSkipLayerNormalization, attrs: "epsilon"},

		// Attention.
		{name: "RotaryEmbedding", domain: microsoft, types: "TlTT:T", need: 4, t: floats, shape: shapeRotaryEmbedding, grad: gradRotaryEmbedding, attrs: "interleaved"},
		{name: "GroupQueryAttention", domain: microsoft, types: "TTTTTiiTTlTT:TTT", need: 1, t: floats, shape: shapeGroupQueryAttention,
			attrs: "num_heads kv_num_heads scale local_window_size do_rotary rotary_interleaved softcap smooth_softmax"},
	} {
		opTable[d.name] = &d
	}
}

// attrKinds is the kind of every attribute in the table.
var attrKinds = map[string]attrKind{
	"approximate": kindString, "to": kindInt, "transA": kindInt, "transB": kindInt, "alpha": kindFloat, "beta": kindFloat,
	"K": kindInt, "N": kindInt, "bits": kindInt, "block_size": kindInt, "accuracy_level": kindInt, "perm": kindInts,
	"axis": kindInt, "num_outputs": kindInt, "upper": kindInt, "reduction": kindString, "largest": kindInt, "sorted": kindInt,
	"keepdims": kindInt, "select_last_index": kindInt, "start": kindInt, "end": kindInt, "value": kindTensor,
	"epsilon": kindFloat, "stash_type": kindInt, "num_heads": kindInt, "kv_num_heads": kindInt, "scale": kindFloat,
	"local_window_size": kindInt, "do_rotary": kindInt, "rotary_interleaved": kindInt, "softcap": kindFloat, "smooth_softmax": kindInt, "interleaved": kindInt,
}
