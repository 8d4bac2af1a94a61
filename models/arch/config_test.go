package arch

import "testing"

// tiny is a shape small enough to spell out.
func tiny() Shape {
	return GPT2(Shape{Layers: 2, Heads: 2, Width: 16, Context: 8, Vocab: 11, Inner: 24, Epsilon: 1e-5, ScaleAttn: true, TiedHead: true, EOS: 10, BOS: -1})
}

// FuzzParse checks that every accepted config is written and read back as itself.
func FuzzParse(f *testing.F) {
	data, err := tiny().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, s := range llamas() {
		data, err := s.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"model_type":"mistral","num_hidden_layers":2,"num_attention_heads":2,"hidden_size":32,"intermediate_size":8,"vocab_size":9,"max_position_embeddings":4}`))
	f.Add([]byte(`{"model_type":"gpt2","n_layer":1,"n_head":1,"n_embd":8,"n_positions":1,"vocab_size":1,"activation_function":"gelu_fast"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		out, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(out)
		if err != nil || back != s {
			t.Fatalf("%+v became %+v (%v)", s, back, err)
		}
	})
}
