package tokenizer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func FuzzRoundTrip(f *testing.F) {
	for _, text := range []string{"", "Hello, world!", "it's  \n\n\t x", "\xff\xc3(\xe2\x82", "<|endoftext|>", "日本語🏕️", "a\u00a0\u3000 b", " 1000", strings.Repeat("ab", 60)} {
		f.Add(text)
	}
	tk, _ := loadGPT2(f)
	f.Fuzz(func(t *testing.T, text string) {
		ids := tk.Encode(nil, text)
		if slices.Contains(ids, tk.EOS()) {
			t.Fatalf("%q makes a special token", text)
		}
		back, err := tk.Decode(nil, ids...)
		if err != nil || string(back) != text {
			t.Fatalf("%q comes back as %q, %v", text, back, err)
		}
		d := tk.NewDecoder()
		var streamed []byte
		for _, id := range ids {
			piece, err := d.Push(id)
			if err != nil {
				t.Fatal(err)
			}
			streamed = append(streamed, piece...)
			if utf8.ValidString(text) && !utf8.Valid(piece) {
				t.Fatalf("%q: a piece is %q", text, piece)
			}
		}
		if streamed = append(streamed, d.Flush()...); string(streamed) != text {
			t.Fatalf("%q streams as %q", text, streamed)
		}
		if len(text) > 0 && len(text) <= shortWord {
			if short, long := tk.bpe.mergeShort(nil, text), tk.bpe.mergeLong(nil, text); !slices.Equal(short, long) {
				t.Fatalf("%q merges as %d and as %d", text, short, long)
			}
		}
	})
}

// naive merges a word by looking through all its pairs for each merge.
func naive(m *merger, word string) (ids []int32) {
	for i := range len(word) {
		ids = append(ids, m.bytes[word[i]])
	}
	for {
		best, at := noRank, 0
		for i := range len(ids) - 1 {
			if r := m.pairs.rank(ids[i], ids[i+1]); r < best {
				best, at = r, i
			}
		}
		if best == noRank {
			return ids
		}
		ids = slices.Replace(ids, at, at+2, m.pairs.product[best])
	}
}

func TestMergesAgree(t *testing.T) {
	tk, _ := loadGPT2(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, alphabet := range []string{"ab", "a", " 01", "the quick", "\x00\xff\x80", "=-", "éè"} {
		for n := 1; n < 700; n += 1 + n/3 {
			word := make([]byte, n)
			for i := range word {
				word[i] = alphabet[random.IntN(len(alphabet))]
			}
			want := naive(tk.bpe, string(word))
			if got := tk.bpe.encode(nil, string(word)); !slices.Equal(got, want) {
				t.Fatalf("%q is %d, want %d", word, got, want)
			}
			if got := tk.bpe.mergeLong(nil, string(word)); !slices.Equal(got, want) {
				t.Fatalf("%q with the heap is %d, want %d", word, got, want)
			}
		}
	}
}

func TestInvalidBytesAreKept(t *testing.T) {
	tk, _ := loadGPT2(t)
	random := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		raw := make([]byte, random.IntN(60))
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		back, err := tk.Decode(nil, tk.Encode(nil, string(raw))...)
		if err != nil || !bytes.Equal(back, raw) {
			t.Fatalf("%q comes back as %q, %v", raw, back, err)
		}
	}
}

func TestSpecialTokens(t *testing.T) {
	v, err := Train(shop, 300, []string{"<|endoftext|>", "<|a|>", "<|a|><|b|>", "<|b|>"})
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
	end := tk.EOS()
	for text, want := range map[string][]int32{
		"<|endoftext|>":                {end},
		"<|a|><|b|>":                   {end + 2},
		"<|a|><|a|><|b|><|b|>":         {end + 1, end + 2, end + 3},
		"<|<|a|>":                      append(tk.Encode(nil, "<|"), end+1),
		"return <|a|> tent<|endoftext": slices.Concat(tk.Encode(nil, "return "), []int32{end + 1}, tk.Encode(nil, " tent<|endoftext")),
	} {
		if got := tk.EncodeSpecial(nil, text); !slices.Equal(got, want) {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
		for _, id := range tk.Encode(nil, text) {
			if tk.IsSpecial(id) {
				t.Errorf("%q as user text makes special token %d", text, id)
			}
		}
		if back, err := tk.Decode(nil, tk.EncodeSpecial(nil, text)...); err != nil || string(back) != text {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
	}
	if tk.IsSpecial(-1) || tk.IsSpecial(int32(tk.Size())) {
		t.Error("an id outside the vocabulary is special")
	}
}

func TestDecodeReportsUnknownIDs(t *testing.T) {
	tk, _ := loadGPT2(t)
	for _, id := range []int32{-1, 50257, 1 << 30} {
		if text, err := tk.Decode([]byte("x"), 262, id); err == nil || string(text) != "x the" {
			t.Errorf("Decode(262, %d) = %q, %v", id, text, err)
		}
		d := tk.NewDecoder()
		if _, err := d.Push(tk.bpe.bytes[0xE2]); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Push(id); err == nil {
			t.Errorf("Push(%d): no error", id)
		}
		if rest := d.Flush(); string(rest) != "\xE2" {
			t.Errorf("after the error %q was left", rest)
		}
	}
}

func TestDecoderHoldsBackIncompleteRunes(t *testing.T) {
	tk, _ := loadGPT2(t)
	for _, test := range []struct{ in, out []string }{
		{[]string{"\xF0", "\x9F", "\x8F", "\x95", "!"}, []string{"", "", "", "🏕", "!"}},
		{[]string{"a", "\xE2", "\x82", "x"}, []string{"a", "", "", "\xE2\x82x"}},
		{[]string{"\x82", "\xFF", "\xC3"}, []string{"\x82", "\xFF", ""}},
	} {
		d := tk.NewDecoder()
		for i, b := range test.in {
			piece, err := d.Push(tk.bpe.bytes[b[0]])
			if err != nil || string(piece) != test.out[i] {
				t.Errorf("%q: piece %d is %q, %v; want %q", test.in, i, piece, err, test.out[i])
			}
		}
		if want := strings.TrimPrefix(strings.Join(test.in, ""), strings.Join(test.out, "")); string(d.Flush()) != want {
			t.Errorf("%q: the rest is not %q", test.in, want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	tk, _ := loadGPT2(t)
	all := goldens(t)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			var ids []int32
			var text []byte
			for i := worker; i < len(all); i += 3 {
				ids = tk.Encode(ids[:0], all[i].text)
				if !slices.Equal(ids, all[i].ids) {
					t.Errorf("%q is %d, want %d", all[i].text, ids, all[i].ids)
				}
				text, _ = tk.Decode(text[:0], ids...)
				if string(text) != all[i].text {
					t.Errorf("%q comes back as %q", all[i].text, text)
				}
			}
		})
	}
	wait.Wait()
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	tk, _ := loadGPT2(t)
	prose := strings.Repeat("It's 30 days, naïve friend: 你好 🏕️\n\n  indented unbelievableness\t<|endoftext|>", 40)
	ids, text := tk.Encode(nil, prose), []byte(nil)
	text, _ = tk.Decode(text, ids...)
	d := tk.NewDecoder()
	for name, run := range map[string]func(){
		"Encode":        func() { ids = tk.Encode(ids[:0], prose) },
		"EncodeSpecial": func() { ids = tk.EncodeSpecial(ids[:0], prose) },
		"Decode":        func() { text, _ = tk.Decode(text[:0], ids...) },
		"Push": func() {
			for _, id := range ids {
				if _, err := d.Push(id); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if raceEnabled {
		return // sync.Pool forgets on purpose
	}
	word := strings.Repeat("abcdefghij", 1000)
	if n := testing.AllocsPerRun(100, func() { ids = tk.Encode(ids[:0], word) }); n != 0 {
		t.Errorf("Encode of a long word allocates %v times", n)
	}
}

// ns/B should hardly grow with the length of a word, and MB/s not fall with the length of prose.
func BenchmarkEncode(b *testing.B) {
	tk, _ := loadGPT2(b)
	prose := strings.Repeat("How long do I have to return a tent? You can return any unused item within 30 days.\nIt's easy. ", 12000)
	random := rand.New(rand.NewPCG(5, 6))
	word := make([]byte, 1<<20)
	for i := range word {
		word[i] = byte('a' + random.IntN(26))
	}
	for name, text := range map[string]string{"prose": prose, "word": string(word), "letter": strings.Repeat("a", 1<<20)} {
		for _, size := range []int{1 << 10, 4 << 10, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKB", name, size>>10), func(b *testing.B) {
				ids := make([]int32, 0, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					ids = tk.Encode(ids[:0], text[:size])
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/B")
			})
		}
	}
}
