package adapter

import (
	"bytes"
	"testing"
)

// FuzzParse checks that what is accepted is written and read back to the same canonical bytes.
func FuzzParse(f *testing.F) {
	tiny := shape(2, 2, 3) // small inputs: the fuzzer minimises what it finds
	var weights []byte
	for _, cfg := range []Config{
		{Rank: 1, Alpha: 2, Modules: []string{"mlp.c_fc"}},
		{Rank: 2, Alpha: 0.5, RSLoRA: true, Modules: []string{"attn.c_proj", "mlp.c_proj"}, Layers: []int{1}, BaseModel: "demo"},
	} {
		a, err := New(cfg, tiny, 1)
		if err != nil {
			f.Fatal(err)
		}
		config, w, err := a.Files()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(config, w)
		weights = w
	}
	f.Add([]byte(`{"peft_type":"LORA","r":2,"target_modules":"transformer.h.(1.attn.c_proj|[^0].mlp.c_proj)"}`), weights)
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		a, err := Parse(config, weights)
		if err != nil {
			return
		}
		c1, w1, err := a.Files()
		if err != nil {
			t.Fatalf("an accepted adapter cannot be written: %v", err)
		}
		b, err := Parse(c1, w1)
		if err != nil {
			t.Fatalf("canonical files are refused: %v\n%s", err, c1)
		}
		c2, w2, err := b.Files()
		if err != nil || !bytes.Equal(c1, c2) || !bytes.Equal(w1, w2) {
			t.Fatalf("canonical files are not a fixed point (%v):\n%s\n%s", err, c1, c2)
		}
	})
}
