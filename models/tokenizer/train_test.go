package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var shop = []string{
	"How long do I have to return a tent? You can return any unused item within 30 days.",
	"Do you ship to Norway? Yes, shipping to Norway takes five to seven days and costs 12 euros.",
	"I'd like to know what the warranty is. The warranty on tents is two years, on boots it's one year.",
	"When does the shop open?\n\nWe open at 9 and close at 18, Monday to Saturday.\n",
	"Können Sie mir helfen? 你们的退货期限是多久？ 🏕️",
}

func TestTrainIsDeterministic(t *testing.T) {
	special := []string{"<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>"}
	reversed := slices.Clone(shop)
	slices.Reverse(reversed)
	var files [2][]byte
	for i, corpus := range [][]string{shop, reversed} {
		v, err := Train(corpus, 310, special)
		if err != nil {
			t.Fatal(err)
		}
		if v.Size() != 310 {
			t.Fatalf("size %d, want 310", v.Size())
		}
		dir := t.TempDir()
		if err := v.Write(dir); err != nil {
			t.Fatal(err)
		}
		if files[i], err = os.ReadFile(filepath.Join(dir, "tokenizer.json")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the order of the corpus changes the vocabulary")
	}
}

func TestTrainedVocabularyLoads(t *testing.T) {
	v, err := Train(shop, 330, []string{"<|endoftext|>", "<|user|>"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := v.Write(dir); err != nil {
		t.Fatal(err)
	}
	tk, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if tk.Size() != v.Size() || tk.EOS() != int32(v.Size()-2) {
		t.Errorf("size %d, end of text %d; want %d, %d", tk.Size(), tk.EOS(), v.Size(), v.Size()-2)
	}
	for _, text := range append([]string{"", "\xff\xfe broken", "<|user|>", "unseen wörds 東京"}, shop...) {
		ids := tk.Encode(nil, text)
		back, err := tk.Decode(nil, ids...)
		if err != nil || string(back) != text {
			t.Errorf("%q becomes %q, %v", text, back, err)
		}
	}
	if got := tk.EncodeSpecial(nil, "<|user|><|endoftext|>"); !slices.Equal(got, []int32{tk.EOS() + 1, tk.EOS()}) {
		t.Errorf("special tokens: %d", got)
	}
	if got := tk.Encode(nil, "<|user|>"); len(got) < 2 {
		t.Errorf("user text became a special token: %d", got)
	}
}

// Every merge joins the pair that is most frequent at that moment, by a count from scratch.
func TestTrainTakesTheMostFrequentPair(t *testing.T) {
	v, err := Train(shop, 300, nil)
	if err != nil {
		t.Fatal(err)
	}
	var words [][]int32
	index := map[string]int32{}
	for id, raw := range v.tokens {
		index[raw] = int32(id)
	}
	p := splitter{plane(), ruleGPT2}
	for _, text := range shop {
		for i := 0; i < len(text); {
			end := p.next(text, i)
			var ids []int32
			for _, b := range []byte(text[i:end]) {
				ids = append(ids, index[string([]byte{b})])
			}
			words, i = append(words, ids), end
		}
	}
	for rank, pair := range v.merges {
		counts := map[[2]int32]int{}
		for _, w := range words {
			for i := range len(w) - 1 {
				counts[[2]int32{w[i], w[i+1]}]++
			}
		}
		for other, n := range counts {
			if n > counts[pair] || n == counts[pair] && slices.Compare(other[:], pair[:]) < 0 {
				t.Fatalf("merge %d is %v (%d times), but %v occurs %d times", rank, pair, counts[pair], other, n)
			}
		}
		for k, w := range words {
			out := w[:0]
			for i := 0; i < len(w); i++ {
				if i+1 < len(w) && w[i] == pair[0] && w[i+1] == pair[1] {
					out, i = append(out, int32(256+rank)), i+1
				} else {
					out = append(out, w[i])
				}
			}
			words[k] = out
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	for name, run := range map[string]func() (*Vocabulary, error){
		"too small":       func() (*Vocabulary, error) { return Train(shop, 256, []string{"<|endoftext|>"}) },
		"too large":       func() (*Vocabulary, error) { return Train(shop, maxTokens+1, nil) },
		"repeated":        func() (*Vocabulary, error) { return Train(shop, 300, []string{"<a>", "<a>"}) },
		"empty":           func() (*Vocabulary, error) { return Train(shop, 300, []string{""}) },
		"byte is special": func() (*Vocabulary, error) { return Train(shop, 300, []string{"a"}) },
	} {
		if _, err := run(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
