package tokenizer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// comesBack is the text that decoding returns: the text itself, but for a normalizer, for ▁, which SentencePiece has for a space, and
// for a space that a text begins with where Metaspace then puts none before it.
func comesBack(tk *Tokenizer, text string, where place) string {
	if tk.meta == nil {
		return tk.normal.apply(text, where)
	}
	text = strings.ReplaceAll(text, metaspaceRune, " ")
	if tk.meta.replace && where == begins {
		text = strings.TrimPrefix(text, " ")
	}
	return text
}

func FuzzFamilies(f *testing.F) {
	for _, text := range []string{"", "Hello, world!", "it's  \n\n\t x 2024", "\xff\xc3(\xe2\x82", "<|endoftext|><s> <unk>", "日本語🏕️", " lead", "  two", "▁ ▁▁x", "\xe2\x96", strings.Repeat("ab", 60), "e\u0301", "a" + strings.Repeat("\u0301\u0323", 20)} {
		f.Add(text)
	}
	var list []*Tokenizer
	for _, name := range []string{"smollm2", "llama3", "qwen2", "llama2", "metaspace-first"} {
		tk, _, _ := loadFamily(f, name)
		list = append(list, tk)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tk := range list {
			ids := tk.Encode(nil, text)
			if slices.ContainsFunc(ids, tk.IsSpecial) {
				t.Fatalf("%q makes a special token: %d", text, ids)
			}
			want := comesBack(tk, text, begins)
			if got := decoded(t, tk, ids); got != want {
				t.Fatalf("%q comes back as %q, want %q", text, got, want)
			}
			if got := decoded(t, tk, tk.EncodeSpecial(nil, text)); tk.meta == nil && got != want {
				t.Fatalf("%q with special tokens comes back as %q, want %q", text, got, want)
			}
			want = comesBack(tk, text, goesOn)
			more := tk.EncodeMore(nil, text)
			d, back := tk.NewDecoderOfMore(), []byte(nil)
			for _, id := range more {
				piece, err := d.Push(id)
				if err != nil {
					t.Fatal(err)
				}
				back = append(back, piece...)
			}
			if back = append(back, d.Flush()...); string(back) != want {
				t.Fatalf("%q that goes on comes back as %q, want %q", text, back, want)
			}
			if short := text[:min(len(text), shortWord/3)]; short != "" {
				if a, b := tk.bpe.mergeShort(nil, short), tk.bpe.mergeLong(nil, short); !slices.Equal(a, b) {
					t.Fatalf("%q merges as %d and as %d", short, a, b)
				}
			}
		}
	})
}

// Text cut before spaces has the ids of text in one piece.
func TestCutTextMergesAsTheWhole(t *testing.T) {
	for _, name := range []string{"llama2", "metaspace-first"} {
		tk, _, _ := loadFamily(t, name)
		if tk.meta.joined {
			t.Fatalf("%s: merges reach over spaces", name)
		}
		for _, text := range familyStrings(t) {
			text := strings.ReplaceAll(text[1], " ", metaspaceRune)
			if got, want := tk.words(nil, text, goesOn), tk.bpe.merge(nil, text); !slices.Equal(got, want) {
				t.Fatalf("%s: %q is %d, and %d in one piece", name, text, got, want)
			}
		}
	}
	if tk, _, _ := loadFamily(t, "metaspace-never"); !tk.meta.joined {
		t.Error("a vocabulary with merges over spaces is cut before them")
	}
}

// Byte fallback keeps bytes that are not UTF-8; a vocabulary that lacks bytes has the unknown token for them.
func TestInvalidBytesInSentencePiece(t *testing.T) {
	whole, _, _ := loadFamily(t, "llama2")
	id := func(tk *Tokenizer, name string) int32 {
		id, ok := tk.ID(name)
		if !ok {
			t.Fatalf("no token %s", name)
		}
		return id
	}
	if got, want := whole.EncodeMore(nil, "\xff\xe2\x96"), []int32{id(whole, "<0xFF>"), id(whole, "<0xE2>"), id(whole, "<0x96>")}; !slices.Equal(got, want) {
		t.Errorf("invalid bytes are %d, want %d", got, want)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		raw := make([]byte, random.IntN(60))
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		if got := decoded(t, whole, whole.Encode(nil, string(raw))); got != comesBack(whole, string(raw), begins) {
			t.Fatalf("%q comes back as %q", raw, got)
		}
	}
	lacking, _, _ := loadFamily(t, "metaspace-always") // 0x80 to 0x9F
	unknown := id(lacking, "<unk>")
	if got, want := lacking.Encode(nil, "\x81\x82\xff"), []int32{id(lacking, metaspaceRune), unknown, id(lacking, "<0xFF>"), unknown}; !slices.Equal(got, want) {
		t.Errorf("bytes without tokens are %d, want %d", got, want)
	}
	if lacking.Reserved(unknown) || !whole.Reserved(id(whole, "<unk>")) {
		t.Error("the unknown token is reserved where text becomes it, or not where none does")
	}
}

// Where a text begins: at the first text of a prompt, and behind special tokens as the scheme says.
func TestPlaces(t *testing.T) {
	type piece struct {
		Text    string
		Special bool
	}
	pieces := []piece{{"<s>", true}, {"wi", false}, {"ll", true}, {"</s> will<s>", true}, {"<s>", false}}
	for name, want := range map[string][2]string{
		"llama2":           {"▁will", "<s>▁will</s>▁▁will<s>▁<s>"},
		"metaspace-first":  {"▁will", "<s>will</s>▁will<s><s>"},
		"metaspace-always": {"▁will", "<s>▁will</s>▁will<s>▁<s>"},
		"metaspace-never":  {"will", "<s>will</s>▁will<s><s>"},
	} {
		tk, _, _ := loadFamily(t, name)
		spelled := func(ids []int32) (out string) {
			names := map[int32]string{}
			for name, id := range tk.names {
				names[id] = name
			}
			for _, id := range ids {
				out += names[id]
			}
			return out
		}
		ids, err := EncodePieces(tk, nil, pieces)
		if err != nil {
			t.Fatal(err)
		}
		if got := spelled(ids); got != want[1] {
			t.Errorf("%s: a prompt is %s, want %s", name, got, want[1])
		}
		if got := spelled(tk.Encode(nil, "will")); got != want[0] {
			t.Errorf("%s: a text is %s, want %s", name, got, want[0])
		}
		if got := spelled(tk.EncodeMore(nil, "will")); got != "will" {
			t.Errorf("%s: what goes on is %s", name, got)
		}
		whole, prefix := tk.EncodeWhole([]int32{5}, "will"), tk.Prefix()
		if !slices.Equal(whole, slices.Concat([]int32{5}, prefix, tk.Encode(nil, "will"))) {
			t.Errorf("%s: a whole text is %d", name, whole)
		}
		if text, err := tk.Decode(nil, tk.EncodeMore(nil, " a")...); err != nil || strings.HasPrefix(string(text), " ") != (tk.strip == 0) {
			t.Errorf("%s: decodes as %q, %v", name, text, err)
		}
	}
}

// Pieces that are all a template's have the ids of their text.
func TestPiecesAreOneText(t *testing.T) {
	type piece struct {
		Text    string
		Special bool
	}
	for _, name := range families {
		tk, _, _ := loadFamily(t, name)
		for _, text := range familyStrings(t) {
			got, err := EncodePieces(tk, nil, []piece{{text[1], true}})
			if want := tk.EncodeSpecial(nil, text[1]); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%s: %q is %d in a piece, %v; want %d", name, text[1], got, err, want)
			}
			cut := len(text[1]) / 2
			got, err = EncodePieces(tk, nil, []piece{{text[1][:cut], false}, {"", true}, {text[1][cut:], false}})
			if want := tk.Encode(nil, text[1]); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%s: %q is %d in pieces, %v; want %d", name, text[1], got, err, want)
			}
		}
	}
}

func TestSentencePieceRefusesByName(t *testing.T) {
	_, _, _ = loadFamily(t, "llama2")
	data := goldenLines(t, "llama2.family.gz")[0]
	kind := func(name string) map[string]any { return map[string]any{"type": name} }
	for want, change := range map[string]func(file, model map[string]any){
		"dropout":              func(f, m map[string]any) { m["dropout"] = 0.1 },
		"pre_tokenizer Digits": func(f, m map[string]any) { f["pre_tokenizer"] = kind("Digits") },
		`replacement "_"`: func(f, m map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Metaspace", "replacement": "_"}
		},
		"prepend_scheme \"odd\"": func(f, m map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "odd"}
		},
		"make them agree": func(f, m map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "add_prefix_space": false}
		},
		"decoder Metaspace": func(f, m map[string]any) { f["decoder"] = kind("Metaspace") },
		"none that fuses":   func(f, m map[string]any) { f["decoder"] = nil },
		"decoder Strip": func(f, m map[string]any) {
			f["decoder"] = map[string]any{"type": "Sequence", "decoders": []any{kind("Fuse"), map[string]any{"type": "Strip", "content": " ", "start": 0, "stop": 1}}}
		},
		"decoder Replace": func(f, m map[string]any) {
			f["decoder"] = map[string]any{"type": "Replace", "pattern": map[string]any{"Regex": "x"}}
		},
		"normalizer Lowercase":   func(f, m map[string]any) { f["normalizer"] = kind("Lowercase") },
		"text would be lost":     func(f, m map[string]any) { m["byte_fallback"], m["unk_token"] = false, nil },
		"special and normalized": func(f, m map[string]any) { f["added_tokens"].([]any)[1].(map[string]any)["normalized"] = true },
		"adds \"<s>\" behind": func(f, m map[string]any) {
			s := f["post_processor"].(map[string]any)["single"].([]any)
			slices.Reverse(s)
		},
	} {
		var file map[string]any
		if err := json.Unmarshal([]byte(data), &file); err != nil {
			t.Fatal(err)
		}
		change(file, file["model"].(map[string]any))
		changed, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Load(writeFiles(t, map[string][]byte{"tokenizer.json": changed})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What the files beside tokenizer.json say of the beginning of texts may not differ from what it says itself.
func TestSettingsBesideSentencePiece(t *testing.T) {
	data := []byte(goldenLines(t, "llama2.family.gz")[0])
	plain := []byte(goldenLines(t, "metaspace-never.family.gz")[0])
	for _, test := range []struct {
		file   []byte
		config string
		want   string
	}{
		{data, `{"tokenizer_class":"LlamaTokenizer","add_bos_token":true,"add_eos_token":false,"add_prefix_space":true}`, ""},
		{data, `{"add_prefix_space":null}`, ""},
		{data, `{"add_prefix_space":false}`, "add_prefix_space"},
		{plain, `{"add_prefix_space":true}`, "add_prefix_space"},
		{plain, `{"add_bos_token":true}`, "add_bos_token"},
		{data, `{"add_eos_token":true}`, "add_eos_token"},
	} {
		tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": test.file, "tokenizer_config.json": []byte(test.config)}))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", test.config, err)
		}
		if err == nil && strings.Contains(test.config, "Llama") && (tk.BOS() != 1 || tk.EOS() != 2) {
			t.Errorf("the class names the tokens %d and %d", tk.BOS(), tk.EOS())
		}
	}
}

// Without tokenizer.json, tokenizer_config.json says whether texts begin with bos_token.
func TestPrefixOfThePair(t *testing.T) {
	_, files := loadGPT2(t)
	for config, want := range map[string][]int32{`{"add_bos_token":true}`: {50256}, `{"add_bos_token":false}`: nil, `{}`: nil} {
		tk, err := Load(writeFiles(t, map[string][]byte{"vocab.json": files.vocab, "merges.txt": files.merges, "tokenizer_config.json": []byte(config)}))
		if err != nil {
			t.Fatal(err)
		}
		if got := tk.EncodeWhole(nil, "the"); !slices.Equal(tk.Prefix(), want) || !slices.Equal(got, append(want, tk.Encode(nil, "the")...)) {
			t.Errorf("%s: prefix %d, the is %d", config, tk.Prefix(), got)
		}
	}
}

// Settings that change ids change the digest.
func TestDigestsDiffer(t *testing.T) {
	seen := map[string]string{}
	data := goldenLines(t, "llama2.family.gz")[0]
	for _, change := range [][2]string{
		{"", ""}, {`"fuse_unk":true`, `"fuse_unk":false`}, {`"prepend":"▁"`, `"prepend":"_"`}, {`"ignore_merges":false`, `"ignore_merges":true`},
		{`"pre_tokenizer":null`, `"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":true}`},
		{`"start":1`, `"start":0`}, {`"rstrip":false`, `"rstrip":true`}, {`"ids":[1]`, `"ids":[2]`},
	} {
		file := strings.Replace(data, change[0], change[1], 1)
		tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": []byte(file)}))
		if err != nil {
			t.Fatalf("%s: %v", change[1], err)
		}
		if other, ok := seen[tk.Digest()]; ok {
			t.Errorf("%q and %q have one digest", other, change[1])
		}
		seen[tk.Digest()] = change[1]
	}
}

func TestMissingBytes(t *testing.T) {
	data := goldenLines(t, "smollm2.family.gz")[0]
	var file map[string]any
	if err := json.Unmarshal([]byte(data), &file); err != nil {
		t.Fatal(err)
	}
	vocab := file["model"].(map[string]any)["vocab"].(map[string]any)
	delete(vocab, spell("\x04"))
	delete(vocab, spell("\xff"))
	changed, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": changed}))
	if err != nil {
		t.Fatal(err)
	}
	if got := tk.Missing(); string(got) != "\x04\xff" {
		t.Errorf("missing: %q", got)
	}
	if got := decoded(t, tk, tk.Encode(nil, "a\x04b\xff"+strings.Repeat("\x04", 100))); got != "ab" {
		t.Errorf("comes back as %q", got)
	}
}

func TestFamiliesAllocateNothing(t *testing.T) {
	for _, name := range []string{"smollm2", "llama3", "qwen2"} {
		tk, _, _ := loadFamily(t, name)
		prose := strings.Repeat("It's 30 days, naïve friend: 你好 🏕️\n\n  indented unbelievableness\t<|im_end|>", 40)
		ids := tk.EncodeSpecial(nil, prose)
		for _, run := range []func(){func() { ids = tk.Encode(ids[:0], prose) }, func() { ids = tk.EncodeSpecial(ids[:0], prose) }, func() { ids = tk.EncodeWhole(ids[:0], prose) }} {
			if n := testing.AllocsPerRun(50, run); n != 0 {
				t.Errorf("%s allocates %v times", name, n)
			}
		}
	}
}

// ns/B should hardly grow with the length of a text, whatever it consists of. NIGHTSHIFT_FAMILIES adds vocabularies of others.
func BenchmarkFamilies(b *testing.B) {
	list := []string{"smollm2", "llama3", "qwen2", "llama2", "metaspace-first"}
	if dir := os.Getenv("NIGHTSHIFT_FAMILIES"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "*.family.gz"))
		for _, file := range files {
			list = append(list, strings.TrimSuffix(file, ".family.gz"))
		}
	}
	random := rand.New(rand.NewPCG(5, 6))
	word := make([]byte, 1<<20)
	for i := range word {
		word[i] = byte('a' + random.IntN(26))
	}
	texts := map[string]string{
		"prose": strings.Repeat("How long do I have to return a tent? You can return any unused item within 30 days.\nIt's easy. ", 12000),
		"word":  string(word), "letter": strings.Repeat("a", 1<<20), "spaces": strings.Repeat(" ", 1<<20), "breaks": strings.Repeat("\n ", 1<<19),
		"digits": strings.Repeat("7", 1<<20), "marks": strings.Repeat("\u0301\u0323", 1<<18), "angles": strings.Repeat("<|", 1<<19),
	}
	for _, family := range list {
		tk, _, _ := loadFamily(b, family)
		for _, name := range []string{"prose", "word", "letter", "spaces", "breaks", "digits", "marks", "angles"} {
			for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("%s/%s/%dKB", filepath.Base(family), name, size>>10), func(b *testing.B) {
					ids := make([]int32, 0, size)
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						ids = tk.Encode(ids[:0], texts[name][:size])
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/B")
				})
			}
		}
	}
}

// Invalid bytes stay where a normalizer changes what is around them.
func FuzzNormalForm(f *testing.F) {
	for _, text := range []string{"e\u0301\xff\u0301a", "\xc3", strings.Repeat("\u0301", 40) + "\xff", "가" + strings.Repeat("\u11a8", 20), "\u0344\u0344\u0344\u0344\u0344\u0344\u0344\u0344\u0344\u0344\u0344\u0344"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, form := range forms {
			got := normalForm(form, text)
			if again := normalForm(form, got); again != got {
				t.Fatalf("%s of %+q is %+q, and of that %+q", name, text, got, again)
			}
			bad := func(s string) (n int) {
				for len(s) > 0 {
					r, width := utf8.DecodeRuneInString(s)
					if r == utf8.RuneError && width == 1 {
						n++
					}
					s = s[width:]
				}
				return n
			}
			if bad(got) != bad(text) || !strings.Contains(text, "\u034f") && strings.Contains(got, "\u034f") {
				t.Fatalf("%s of %+q is %+q", name, text, got)
			}
		}
	})
}
