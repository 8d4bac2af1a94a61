package nighttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/tokenizer"
)

// others are things that the shop does not sell.
var others = []string{"kite", "boat", "drum", "sled", "vase", "clock"}

// Model writes a random checkpoint of one layer with its vocabulary, starter memory and anchors: things that the shop does not sell. It
// returns the directory.
func Model(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var corpus []string
	for g := range Goods {
		for f := range Questions {
			corpus = append(corpus, Question(f, g)+" "+Answer(g))
		}
	}
	for _, o := range others {
		corpus = append(corpus, "do you sell a "+o+" we do not sell that")
	}
	vocabulary, err := tokenizer.Train(corpus, 290, []string{"<|endoftext|>"})
	if err != nil {
		t.Fatal(err)
	}
	if err := vocabulary.Write(dir); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	eos := int(tok.EOS())
	cfg := arch.GPT2(arch.Shape{Layers: 1, Heads: 2, Width: 32, Context: 64, Vocab: tok.Size(), Inner: 64, Activation: "gelu_new", Epsilon: 1e-5,
		ScaleAttn: true, TiedHead: true, EOS: eos, BOS: eos})
	weights := checkpoint.Random(cfg, 7)
	for _, name := range []string{"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight"} { // as if it had been trained
		for i := range weights[name] {
			weights[name][i] *= 12
		}
	}
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		t.Fatal(err)
	}
	writeOthers(t, dir)
	return dir
}

// writeOthers writes a model's starter memory and anchors.
func writeOthers(t *testing.T, dir string) {
	t.Helper()
	var starter, anchors strings.Builder
	for i, o := range others {
		line, err := json.Marshal(map[string]any{"messages": Raw("do you sell a " + o), "completion": "we do not sell that"})
		if err != nil {
			t.Fatal(err)
		}
		b := &starter
		if i%2 == 0 {
			b = &anchors
		}
		b.Write(append(line, '\n'))
	}
	for name, text := range map[string]string{"rehearsal.jsonl": starter.String(), "anchors.jsonl": anchors.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Adapter makes an adapter of Model.
func Adapter(t *testing.T, c adapter.Config) *adapter.Adapter {
	t.Helper()
	a, err := adapter.New(c, arch.GPT2(arch.Shape{Layers: 1, Width: 32, Inner: 64}), 5)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
