package tokenizer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// inflate reads a file of testdata, or one by its whole path.
func inflate(t testing.TB, name string) []byte {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join("testdata", name)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// gpt2Files are vocab.json and merges.txt of GPT-2, and a tokenizer.json as its checkpoint has it.
type gpt2Files struct{ vocab, merges, tokenizer []byte }

var gpt2 struct {
	once  sync.Once
	files gpt2Files
	tk    *Tokenizer
}

// gpt2Sources rebuilds GPT-2's files from its ranks: a token is the merge of the two parts that merges of lower rank
// make of it.
func gpt2Sources(t testing.TB) gpt2Files {
	lines := strings.Fields(string(inflate(t, "r50k.ranks.gz")))
	vocab, ranks := map[string]int{"<|endoftext|>": len(lines)}, make(map[string]int, len(lines))
	merges := []string{}
	for rank, line := range lines {
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		token := string(raw)
		ranks[token], vocab[spell(token)] = rank, rank
		if len(token) == 1 {
			continue
		}
		var parts []string
		for i := range len(token) {
			parts = append(parts, token[i:i+1])
		}
		for len(parts) > 2 {
			best, at := rank, -1
			for i := range len(parts) - 1 {
				if r, ok := ranks[parts[i]+parts[i+1]]; ok && r < best {
					best, at = r, i
				}
			}
			if at < 0 {
				t.Fatalf("token %q does not split", token)
			}
			parts = slices.Replace(parts, at, at+2, parts[at]+parts[at+1])
		}
		merges = append(merges, spell(parts[0])+" "+spell(parts[1]))
	}
	var files gpt2Files
	files.vocab, _ = json.Marshal(vocab)
	files.merges = []byte("#version: 0.2\n" + strings.Join(merges, "\n") + "\n")
	list, _ := json.Marshal(merges)
	files.tokenizer = fmt.Appendf(nil, `{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":50256,"special":true,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true},"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false},"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},"model":{"dropout":null,"unk_token":"","continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"vocab":%s,"merges":%s}}`,
		files.vocab, list)
	return files
}

func writeFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadGPT2 returns GPT-2's tokenizer, loaded from tokenizer.json.
func loadGPT2(t testing.TB) (*Tokenizer, gpt2Files) {
	t.Helper()
	gpt2.once.Do(func() {
		gpt2.files = gpt2Sources(t)
		tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": gpt2.files.tokenizer}))
		if err != nil {
			t.Fatal(err)
		}
		gpt2.tk = tk
	})
	if gpt2.tk == nil {
		t.Fatal("GPT-2's tokenizer did not load")
	}
	return gpt2.tk, gpt2.files
}

type golden struct {
	category, text string
	ids            []int32
}

func goldens(t testing.TB) (out []golden) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(inflate(t, "r50k.goldens.gz")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &[]any{&g.category, &g.text, &g.ids}); err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func TestGPT2Goldens(t *testing.T) {
	tk, _ := loadGPT2(t)
	all := goldens(t)
	if len(all) < 2000 {
		t.Fatalf("%d goldens", len(all))
	}
	wrong := map[string]int{}
	for _, g := range all {
		got := tk.Encode(nil, g.text)
		if !slices.Equal(got, g.ids) {
			if wrong[g.category]++; wrong[g.category] <= 3 {
				t.Errorf("%s: %q is %d, want %d", g.category, g.text, got, g.ids)
			}
		}
		back, err := tk.Decode(nil, g.ids...)
		if err != nil || string(back) != g.text {
			t.Errorf("%s: %d is %q, %v; want %q", g.category, g.ids, back, err, g.text)
		}
	}
	if len(wrong) > 0 {
		t.Errorf("wrong by category: %v", wrong)
	}
}

func TestBothLayoutsAreOneTokenizer(t *testing.T) {
	tk, files := loadGPT2(t)
	pair, err := Load(writeFiles(t, map[string][]byte{"vocab.json": files.vocab, "merges.txt": files.merges}))
	if err != nil {
		t.Fatal(err)
	}
	if pair.Digest() != tk.Digest() {
		t.Errorf("digests %s and %s", pair.Digest(), tk.Digest())
	}
	if tk.Size() != 50257 || tk.EOS() != 50256 || pair.EOS() != 50256 || !tk.IsSpecial(50256) || tk.IsSpecial(50255) {
		t.Errorf("size %d, end of text %d and %d", tk.Size(), tk.EOS(), pair.EOS())
	}
	if id, ok := tk.ID("Ġthe"); !ok || id != 262 {
		t.Errorf("Ġthe is %d, %t", id, ok)
	}
	for _, g := range goldens(t) {
		if got := pair.Encode(nil, g.text); !slices.Equal(got, g.ids) {
			t.Fatalf("%q is %d, want %d", g.text, got, g.ids)
		}
	}
}
