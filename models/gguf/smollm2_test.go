package gguf

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nightshift/internal/smollm2"
	"nightshift/models/tokenizer"
)

// TestSmolLM2 reads a real file of 98 MB. The digests are those of all its values as float32, little-endian, as the Python package gguf
// dequantises them: in the order of the file, and as Hugging Face orders tensors and the rows of q and k.
func TestSmolLM2(t *testing.T) {
	f, err := Open(smollm2.File(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, b := sha256.New(), []byte(nil)
	add := func(values []float32) error {
		b = b[:0]
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		h.Write(b)
		return nil
	}
	for _, tensor := range f.Tensors() {
		if err := f.Chunks(tensor.Name, add); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), "1034100613c22abd3cc047d99b02ed7a8d419bc245f4cf54a4736c5f699ba569"; got != want {
		t.Errorf("the file's values have digest %s, want %s", got, want)
	}
	weights, err := f.Weights()
	if err != nil {
		t.Fatal(err)
	}
	h.Reset()
	for _, w := range weights {
		if err := w.Chunks(add); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), "2899813afdca87ee1adacf264547c2468ce3b70e8625a1b61650d3ced24a4e4c"; got != want {
		t.Errorf("the weights have digest %s, want %s", got, want)
	}
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"model_type": "llama", "hidden_size": int64(576), "intermediate_size": int64(1536), "num_hidden_layers": int64(30), "num_attention_heads": int64(9),
		"num_key_value_heads": int64(3), "head_dim": int64(64), "vocab_size": int64(49152), "max_position_embeddings": int64(8192), "rms_norm_eps": 1e-5,
		"rope_theta": 100000.0, "rope_scaling": nil, "tie_word_embeddings": true, "bos_token_id": int64(1), "eos_token_id": int64(2),
	} {
		if c[key] != want {
			t.Errorf("%s is %v, want %v", key, c[key], want)
		}
	}
	v, err := f.Vocabulary()
	if err != nil || v.Model != "gpt2" || v.Pre != "smollm" || len(v.Tokens) != 49152 || len(v.Merges) != 48900 || len(v.ChatTemplate) != 368 {
		t.Errorf("vocabulary: %v", err)
	}
}

// TestTokenizerOfSmolLM2 makes the tokenizer's files of the real model. The ids are those of the Python package tokenizers.
func TestTokenizerOfSmolLM2(t *testing.T) {
	f, err := Open(smollm2.File(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := f.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := v.write(dir); err != nil {
		t.Fatal(err)
	}
	if template, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja")); err != nil || string(template) != v.ChatTemplate {
		t.Errorf("the chat template is %q (%v)", template, err)
	}
	tk, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if tk.Size() != 49152 || tk.EOS() != 2 || tk.BOS() != 1 || len(tk.Prefix()) != 0 || string(tk.Missing()) != "\x04\x06\x13\x14\x16\x1d\xc0\xc1\xf1\xf2\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff" {
		t.Errorf("size %d, EOS %d, BOS %d, prefix %d, missing %q", tk.Size(), tk.EOS(), tk.BOS(), tk.Prefix(), tk.Missing())
	}
	for text, want := range map[string][]int32{
		"<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n": {1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198},
		"I'd pay 1234.50 euros,  \n\n you're RIGHT — naïve 你好 🏕️": {57, 6737, 2290, 216, 33, 34, 35, 36, 30, 37, 32, 39236, 28, 256, 1116, 346, 2316, 428, 20128, 1841, 15486, 46494, 216, 18645, 250,
			48392, 138, 15107, 233, 239, 31752},
	} {
		got := tk.EncodeSpecial(nil, text)
		if !slices.Equal(got, want) {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
		if back, err := tk.Decode(nil, got...); err != nil || string(back) != text {
			t.Errorf("%q comes back as %q (%v)", text, back, err)
		}
	}
}
