package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

const chinese = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n你\n好\n世\n界\n，\n。\nhello\nwor\n##ld\n!\n7\n"

func loadChinese(t *testing.T) *Tokenizer {
	t.Helper()
	tk, err := Load(writeFiles(t, map[string][]byte{"vocab.txt": []byte(chinese), "tokenizer_config.json": []byte(`{"eos_token":"[SEP]","do_lower_case":true}`)}))
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// The ids are those of transformers' BertTokenizer with this vocabulary.
func TestBertVocabulary(t *testing.T) {
	tk := loadChinese(t)
	if tk.Exact() || tk.EOS() != 3 || tk.Size() != 16 || !tk.IsSpecial(3) || tk.IsSpecial(5) {
		t.Errorf("exact %t, end %d, size %d", tk.Exact(), tk.EOS(), tk.Size())
	}
	for text, want := range map[string][]int32{
		"":                     nil,
		"你好，世界。":               {5, 6, 9, 7, 8, 10},
		"Hello  world!":        {11, 12, 13, 14},
		"hello 你好 7":           {11, 5, 6, 15},
		"unseen":               {1},
		"\xff":                 nil, // BertNormalizer removes U+FFFD
		strings.Repeat("你", 3): {5, 5, 5},
	} {
		if got, err := tk.TryEncode(nil, text, false); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, id := range tk.Encode(nil, "你[SEP]好[CLS]") {
		if tk.IsSpecial(id) && id != 1 {
			t.Errorf("user text makes special token %d", id)
		}
	}
	if got := tk.EncodeSpecial(nil, "你好[SEP]"); !slices.Equal(got, []int32{5, 6, 3}) {
		t.Errorf("with the special token: %d", got)
	}
}

func TestBertDecode(t *testing.T) {
	tk := loadChinese(t)
	for _, text := range []string{"你好，世界。", "hello world!", "世界 hello", "7 hello"} {
		ids := tk.Encode(nil, text)
		back, err := tk.Decode(nil, ids...)
		if err != nil || string(back) != text {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
		var streamed strings.Builder
		d := tk.NewDecoder()
		for _, id := range ids {
			piece, err := d.Push(id)
			if err != nil {
				t.Fatal(err)
			}
			streamed.Write(piece)
		}
		streamed.Write(d.Flush())
		if streamed.String() != string(back) {
			t.Errorf("%q streams as %q", back, streamed.String())
		}
	}
}

func TestPipelineLimit(t *testing.T) {
	tk := loadChinese(t)
	long := strings.Repeat("你", maxText)
	if _, err := tk.TryEncode(nil, long, false); err == nil {
		t.Error("a text over the limit is encoded")
	}
	if got := tk.Encode([]int32{5}, long); !slices.Equal(got, []int32{5, 1}) {
		t.Errorf("a text over the limit is %d, want the unknown token", got)
	}
}

func TestUnigram(t *testing.T) {
	tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": []byte(`{"version":"1.0","truncation":null,"padding":null,
"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"</s>","special":true}],"normalizer":null,
"pre_tokenizer":{"type":"Metaspace","replacement":"▁","add_prefix_space":true},"post_processor":null,
"decoder":{"type":"Metaspace","replacement":"▁","add_prefix_space":true},
"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["</s>",0],["▁the",-1],["▁tent",-2],["s",-3],["▁",-4],["t",-5],["e",-5],["n",-5]]}}`)}))
	if err != nil {
		t.Fatal(err)
	}
	ids := tk.Encode(nil, "the tents")
	if !slices.Equal(ids, []int32{2, 3, 4}) {
		t.Errorf("the tents is %d", ids)
	}
	if back, err := tk.Decode(nil, ids...); err != nil || string(back) != "the tents" {
		t.Errorf("comes back as %q, %v", back, err)
	}
}

func TestPipelineConcurrently(t *testing.T) {
	tk := loadChinese(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				if got := tk.Encode(nil, "你好 hello"); !slices.Equal(got, []int32{5, 6, 11}) {
					t.Errorf("%d", got)
				}
			}
		})
	}
	wait.Wait()
}
