package adapter

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse checks that what is accepted is written and read back to the same canonical bytes.
func FuzzParse(f *testing.F) {
	var weights []byte
	for _, name := range []string{"regex", "range", "rslora"} {
		dir := filepath.Join(goldens, "sharded", "adapters", name)
		config, err := os.ReadFile(filepath.Join(dir, ConfigFile))
		if err != nil {
			f.Fatal(err)
		}
		if weights, err = os.ReadFile(filepath.Join(dir, WeightsFile)); err != nil {
			f.Fatal(err)
		}
		f.Add(config, weights)
	}
	f.Add([]byte(`{"peft_type":"LORA","r":4,"target_modules":["c_fc","mlp.c_proj"],"layers_to_transform":[0,2]}`), weights)
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
