package bench

import (
	"strings"
	"testing"
)

func TestShape(t *testing.T) {
	c, err := Shape("2,2,16,320,64")
	if err != nil || c.Layers != 2 || c.Heads != 2 || c.Width != 16 || c.Vocab != 320 || c.Context != 64 || c.Inner != 64 || c.EOS != -1 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "gpt3", "1,2,3", "2,2,16,x,64", "2,3,16,64,64", "0,2,16,64,64", "2,2,16,64,64,1"} {
		if _, err := Shape(bad); err == nil {
			t.Errorf("shape %q is taken", bad)
		}
	}
	for name := range shapes {
		if _, err := Shape(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCosts compares with the figures of GPT-2's size: 124 million weights in products (each layer 12·768², the head
// 50257·768), of which a decoded token reads 494 MB in float32 and 73.7 KB of keys and values for each position.
func TestCosts(t *testing.T) {
	named, err := Shape("gpt2")
	if err != nil {
		t.Fatal(err)
	}
	c, f := named, formats[0]
	if got := decodeCost(c, f, 1, 0); got.bytes != 4*123_532_032 || got.operations != 2*123_532_032 {
		t.Errorf("a token costs %+v", got)
	}
	one, past := decodeCost(c, f, 8, 0), decodeCost(c, f, 8, 1000)
	if one.bytes != 4*123_532_032/8 || past.bytes-one.bytes != 73_728*1000 {
		t.Errorf("with 8 rows: %+v, after 1000 positions: %+v", one, past)
	}
	p := prefillCost(c, f, 128)
	if body := 2.0 * 12 * 12 * 768 * 768; p.operations < body || p.operations > 1.05*body {
		t.Errorf("a token of a prompt costs %+v", p)
	}
}

func TestFormats(t *testing.T) {
	cache := t.TempDir()
	for range 2 { // made, then found
		for _, name := range Formats() {
			m, err := RandomModel("2,2,32,320,64", name, cache)
			if err != nil {
				t.Fatal(err)
			}
			if m.Weights() != name {
				t.Errorf("a model in %s serves %s", name, m.Weights())
			}
		}
	}
}

func TestTokenizer(t *testing.T) {
	m, err := servedModel("2,2,16,320,64", "f32", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if ids := m.Tokenizer.Encode(nil, "zebra"); len(ids) != 5 {
		t.Errorf("zebra is %d tokens, want one a letter", len(ids))
	}
	for id := range int32(320) {
		if text, err := m.Tokenizer.Decode(nil, id); err != nil || len(text) == 0 {
			t.Fatalf("token %d has no text: %v", id, err)
		}
	}
	if m.Tokenizer.Size() != 320 || len(m.Ends) > 0 {
		t.Errorf("%d tokens, end of text %d", m.Tokenizer.Size(), m.Config.EOS)
	}
	if _, err := servedModel("2,2,16,64,64", "f32", t.TempDir()); err == nil || !strings.Contains(err.Error(), "256 bytes") {
		t.Errorf("a vocabulary of 64 has room for bytes: %v", err)
	}
	if _, err := RandomModel("demo", "f31", t.TempDir()); err == nil || !strings.Contains(err.Error(), "f32") {
		t.Errorf("an unknown weight format: %v", err)
	}
}
