package checkpoint

import "testing"

// FuzzParseConfig checks that every accepted config is written and read back as itself.
func FuzzParseConfig(f *testing.F) {
	data, err := tiny().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"model_type":"gpt2","n_layer":1,"n_head":1,"n_embd":8,"n_positions":1,"vocab_size":1,"activation_function":"gelu_fast"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		out, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseConfig(out)
		if err != nil || back != c {
			t.Fatalf("%+v became %+v (%v)", c, back, err)
		}
	})
}
