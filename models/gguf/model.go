package gguf

import (
	"fmt"
	"strings"
)

// model is what the metadata and the table of tensors say of a model of a family that is known.
type model struct {
	architecture string // GGUF's: llama, qwen2, qwen3
	kind         string // Hugging Face's model_type
	class        string // transformers' class

	layers, width, heads, keyHeads, headDim, inner, vocab, context int64

	eps, theta float64
	scaling    map[string]any // rope_scaling, nil for none
	window     int64          // 0 for none
	vocabulary *Vocabulary

	tied, attentionBias, mlpBias bool
}

// classes are transformers' names of what computes a model_type.
var classes = map[string]string{
	"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM",
}

// describe reads the model. Whatever it does not know is refused by name, since a model may compute otherwise with it.
func (f *File) describe() (*model, error) {
	architecture, err := f.String("general.architecture")
	if err != nil {
		return nil, err
	}
	if classes[architecture] == "" || architecture == "mistral" {
		return nil, fmt.Errorf("architecture %.80q is not supported, only llama (Mistral too), qwen2 and qwen3 are", architecture)
	}
	m := &model{architecture: architecture, kind: architecture}
	if err := f.checkWhole(); err != nil {
		return nil, err
	}
	s := &settings{f: f, prefix: architecture + ".", asked: map[string]bool{}}
	m.readSizes(s)
	m.readRotation(s)
	m.refuse(s)
	if err := s.rest(); err != nil {
		return nil, err
	}
	if m.kind == "llama" && m.window > 0 {
		m.kind = "mistral" // Hugging Face's llama knows no window
	}
	m.class = classes[m.kind]
	if m.vocabulary, err = f.Vocabulary(); err != nil {
		return nil, err
	}
	if err := m.readTensors(f); err != nil {
		return nil, err
	}
	if m.architecture == "llama" {
		err = m.readFrequencies(f)
	}
	return m, err
}

// checkWhole refuses files that are no whole model.
func (f *File) checkWhole() error {
	if f.Has("general.type") {
		kind, err := f.String("general.type")
		if err != nil {
			return err
		}
		if kind != "model" {
			return fmt.Errorf("general.type is %.80q: the file is no model", kind)
		}
	}
	if f.Has("split.count") {
		n, err := f.Int("split.count")
		if err != nil {
			return err
		}
		if n > 1 {
			return fmt.Errorf("the model is split over %d files; join them with llama-gguf-split --merge", n)
		}
	}
	return nil
}

func (m *model) readSizes(s *settings) {
	m.layers = s.size("block_count", 0)
	m.width = s.size("embedding_length", 0)
	m.heads = s.size("attention.head_count", 0)
	m.keyHeads = s.size("attention.head_count_kv", m.heads)
	m.inner = s.size("feed_forward_length", 0)
	m.context = s.size("context_length", 0)
	m.eps = s.positive("attention.layer_norm_rms_epsilon", 0)
	m.vocab = s.size("vocab_size", -1)
	if s.err != nil {
		return
	}
	m.headDim = s.size("attention.key_length", max(1, m.width/m.heads))
	values := s.size("attention.value_length", m.headDim)
	rotated := s.size("rope.dimension_count", m.headDim)
	switch {
	case s.err != nil:
	case !s.f.Has(s.prefix+"attention.key_length") && m.width%m.heads != 0:
		s.err = fmt.Errorf("%d heads do not divide a width of %d, and the file has no attention.key_length", m.heads, m.width)
	case m.heads%m.keyHeads != 0:
		s.err = fmt.Errorf("%d heads cannot share %d heads of keys and values", m.heads, m.keyHeads)
	case m.headDim%2 != 0:
		s.err = fmt.Errorf("heads of width %d cannot be rotated in pairs", m.headDim)
	case values != m.headDim:
		s.err = fmt.Errorf("%sattention.value_length is %d, with keys of %d: values of another width than keys are not supported", s.prefix, values, m.headDim)
	case rotated != m.headDim:
		s.err = fmt.Errorf("%srope.dimension_count is %d of heads of %d: a rotation of a part of a head is not supported", s.prefix, rotated, m.headDim)
	}
	m.window = s.window("attention.sliding_window")
}

// refuse names what other models of these architectures have.
func (m *model) refuse(s *settings) {
	for _, key := range []string{"expert_count", "expert_used_count", "leading_dense_block_count", "nextn_predict_layers"} {
		s.harmless(key, int64(0), "mixtures of experts and predictions of further tokens are not supported")
	}
	s.harmless("use_parallel_residual", false, "layers side by side are not supported")
	s.harmless("attention.causal", true, "only models that look back are supported")
	s.harmless("pooling_type", int64(0), "the model makes vectors of texts, it does not write")
	s.harmless("attention.clamp_kqv", 0.0, "clamped attention is not supported")
	s.harmless("attention.max_alibi_bias", 0.0, "attention by distance is not supported")
	s.harmless("attn_logit_softcapping", 0.0, "capped attention is not supported")
	s.harmless("final_logit_softcapping", 0.0, "capped logits are not supported")
	s.ask("tensor_data_layout") // how an original file lay: of no meaning here
}

// readTensors learns from the table which optional tensors there are; Weights checks all of them.
func (m *model) readTensors(f *File) error {
	table, err := f.tensor("token_embd.weight")
	if err != nil {
		return err
	}
	if len(table.Shape) != 2 {
		return fmt.Errorf("token_embd.weight has shape %v, want a matrix", table.Shape)
	}
	if m.vocab > 0 && m.vocab != table.Shape[0] {
		return fmt.Errorf("%s.vocab_size is %d, token_embd.weight has %d rows", m.architecture, m.vocab, table.Shape[0])
	}
	m.vocab = table.Shape[0]
	if n := len(m.vocabulary.Tokens); int64(n) > m.vocab {
		return fmt.Errorf("the vocabulary has %d tokens, token_embd.weight has %d rows", n, m.vocab)
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := f.Tensor("blk.0." + name + ".bias"); ok {
				return true
			}
		}
		return false
	}
	_, head := f.Tensor("output.weight")
	m.tied = !head
	m.attentionBias = m.kind != "qwen2" && m.kind != "mistral" && has("attn_q", "attn_k", "attn_v", "attn_output")
	m.mlpBias = m.kind == "llama" && has("ffn_gate", "ffn_up", "ffn_down")
	return nil
}

// Config is the content of the config.json that transformers has for the model: whole numbers as int64, others as float64, lists and
// maps of these. rope_scaling is in the words of transformers 4. A model of another architecture, or with settings or tensors that the
// family does not have in Hugging Face's form, is refused by name.
func (f *File) Config() (map[string]any, error) {
	m, err := f.describe()
	if err != nil {
		return nil, fmt.Errorf("describe model: %w", err)
	}
	weights, err := m.weights(f)
	if err != nil {
		return nil, fmt.Errorf("describe model: %w", err)
	}
	return m.config(weights), nil
}

func (m *model) config(weights []Weight) map[string]any {
	c := map[string]any{
		"architectures":           []string{m.class},
		"model_type":              m.kind,
		"torch_dtype":             dtypeOf(weights),
		"vocab_size":              m.vocab,
		"hidden_size":             m.width,
		"intermediate_size":       m.inner,
		"num_hidden_layers":       m.layers,
		"num_attention_heads":     m.heads,
		"num_key_value_heads":     m.keyHeads,
		"head_dim":                m.headDim,
		"max_position_embeddings": m.context,
		"rms_norm_eps":            m.eps,
		"rope_theta":              m.theta,
		"rope_scaling":            nil,
		"hidden_act":              "silu",
		"tie_word_embeddings":     m.tied,
	}
	if m.scaling != nil {
		c["rope_scaling"] = m.scaling
	}
	for key, id := range map[string]int{"bos_token_id": m.vocabulary.BOS, "eos_token_id": m.vocabulary.EOS} {
		c[key] = nil
		if id >= 0 {
			c[key] = int64(id)
		}
	}
	switch m.kind {
	case "llama":
		c["attention_bias"], c["mlp_bias"] = m.attentionBias, m.mlpBias
	case "mistral":
		c["sliding_window"] = m.window
	case "qwen3":
		c["attention_bias"] = m.attentionBias
	}
	if strings.HasPrefix(m.kind, "qwen") {
		c["use_sliding_window"] = m.window > 0
		if m.window > 0 { // max_window_layers are those below that look back all the way
			c["sliding_window"], c["max_window_layers"] = m.window, int64(0)
		}
	}
	return c
}

// dtypeOf is what transformers loads the weights as: the one type of all matrices where it has 16 bits, else float32.
func dtypeOf(weights []Weight) string {
	names := map[Type]string{F16: "float16", BF16: "bfloat16"}
	found := ""
	for _, w := range weights {
		if len(w.Tensor.Shape) < 2 {
			continue
		}
		name := names[w.Tensor.Type]
		if name == "" || found != "" && found != name {
			return "float32"
		}
		found = name
	}
	return found
}
