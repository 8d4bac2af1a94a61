package tokenizer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// GGUF is what a GGUF file says of its tokenizer: the keys tokenizer.ggml.*.
type GGUF struct {
	Model  string    // gpt2 for byte-level BPE, llama for SentencePiece BPE
	Pre    string    // llama.cpp's name of how text is split, for gpt2
	Tokens []string  // by id
	Types  []int32   // token_type, by id; nil: all are normal
	Scores []float32 // by id, for llama
	Merges []string  // "left right" in order of rank; llama does without

	BOS, EOS, Unknown, Padding int // ids, −1 for none

	AddBOS         *bool // add_bos_token; nil: as llama.cpp takes it, true for llama and for Llama 3's splitter
	AddSpacePrefix *bool // add_space_prefix, for llama; nil: true
}

// The values of token_type. Control tokens stand for no text: ends of turn, roles. Bytes are <0xNN> of a SentencePiece vocabulary.
const (
	GGUFNormal      = 1
	GGUFUnknown     = 2
	GGUFControl     = 3
	GGUFUserDefined = 4
	GGUFUnused      = 5
	GGUFByte        = 6
)

// ggufSplitter is what a name in tokenizer.ggml.pre stands for in tokenizer.json.
type ggufSplitter struct {
	split      string // the expression of a Split, "" for ByteLevel's own
	digits     bool   // each digit on its own before it
	nfc        bool
	wholeWords bool
	bos        bool // texts begin with BOS where the file does not say
}

var ggufSplitters = map[string]ggufSplitter{
	"gpt-2":     {},
	"smollm":    {digits: true},
	"llama-bpe": {split: patternLlama3, wholeWords: true, bos: true},
	"llama-v3":  {split: patternLlama3, wholeWords: true, bos: true},
	"llama3":    {split: patternLlama3, wholeWords: true, bos: true},
	"qwen2":     {split: patternQwen2, nfc: true},
}

// FromGGUF makes tokenizer.json and tokenizer_config.json of a GGUF file's tokenizer, equivalent to those that its model has in Hugging
// Face's layout: Load and transformers read them. The chat template is not among them. Without merges, a SentencePiece vocabulary
// merges by its scores, as transformers converts it. Tokens that only fill the vocabulary up are left out, as gaps.
func FromGGUF(g GGUF) (tokenizer, config []byte, err error) {
	fail := func(err error) ([]byte, []byte, error) {
		return nil, nil, fmt.Errorf("convert GGUF tokenizer: %w", err)
	}
	if err := g.check(); err != nil {
		return fail(err)
	}
	var parts ordered
	switch g.Model {
	case "gpt2":
		parts, err = g.byteLevel()
	case "llama":
		parts, err = g.sentencePiece()
	default:
		err = fmt.Errorf("tokenizer.ggml.model %q is not implemented; gpt2 and llama are", g.Model)
	}
	if err != nil {
		return fail(err)
	}
	head := ordered{{"version", "1.0"}, {"truncation", nil}, {"padding", nil}, {"added_tokens", g.added()}}
	if tokenizer, err = encodeJSON(append(head, parts...)); err != nil {
		return fail(err)
	}
	if config, err = g.config(); err != nil {
		return fail(err)
	}
	return tokenizer, config, nil
}

func (g *GGUF) check() error {
	if len(g.Types) != 0 && len(g.Types) != len(g.Tokens) {
		return fmt.Errorf("tokenizer.ggml.token_type has %d elements for %d tokens", len(g.Types), len(g.Tokens))
	}
	if len(g.Scores) != 0 && len(g.Scores) != len(g.Tokens) {
		return fmt.Errorf("tokenizer.ggml.scores has %d elements for %d tokens", len(g.Scores), len(g.Tokens))
	}
	seen := make(map[string]int, len(g.Tokens))
	for id, token := range g.Tokens {
		if other, ok := seen[token]; ok || token == "" {
			return fmt.Errorf("tokenizer.ggml.tokens: token %d, %q, is empty or also token %d", id, token, other)
		}
		if seen[token] = id; !utf8.ValidString(token) {
			return fmt.Errorf("tokenizer.ggml.tokens: token %d, %q, is not UTF-8", id, token)
		}
	}
	for name, id := range map[string]int{"bos": g.BOS, "eos": g.EOS, "unknown": g.Unknown, "padding": g.Padding} {
		if id >= len(g.Tokens) {
			return fmt.Errorf("tokenizer.ggml.%s_token_id is %d, there are %d tokens", name, id, len(g.Tokens))
		}
	}
	return nil
}

// kind is the type of a token.
func (g *GGUF) kind(id int) int32 {
	if len(g.Types) == 0 {
		return GGUFNormal
	}
	return g.Types[id]
}

// fills reports whether a token only fills the vocabulary up to the rows of the embedding: llama.cpp's converter makes such.
func (g *GGUF) fills(id int) bool {
	return g.kind(id) == GGUFUnused && g.Tokens[id] == fmt.Sprintf("[PAD%d]", id)
}

func (g *GGUF) name(id int) string {
	if id < 0 {
		return ""
	}
	return g.Tokens[id]
}

// vocab lists the tokens with their ids.
func (g *GGUF) vocab() (list ordered) {
	for id, token := range g.Tokens {
		if !g.fills(id) {
			list = append(list, member{token, id})
		}
	}
	return list
}

// tokenFlags is an added token as tokenizer.json and tokenizer_config.json have it.
func (g *GGUF) tokenFlags(id int) ordered {
	return ordered{{"content", g.Tokens[id]}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}, {"special", g.kind(id) != GGUFUserDefined}}
}

// addedIDs lists the tokens that are found in text before it is split, special or not.
func (g *GGUF) addedIDs() (list []int) {
	for id := range g.Tokens {
		if kind := g.kind(id); kind == GGUFControl || kind == GGUFUserDefined || kind == GGUFUnknown {
			list = append(list, id)
		}
	}
	return list
}

func (g *GGUF) added() []ordered {
	list := []ordered{}
	for _, id := range g.addedIDs() {
		list = append(list, append(ordered{{"id", id}}, g.tokenFlags(id)...))
	}
	return list
}

// prefixed reports whether texts begin with BOS.
func (g *GGUF) prefixed(otherwise bool) bool {
	if g.AddBOS != nil {
		otherwise = *g.AddBOS
	}
	return otherwise && g.BOS >= 0
}

// template is the post-processor that puts BOS before texts.
func (g *GGUF) template() ordered {
	bos := g.name(g.BOS)
	token := func(kind int) ordered {
		return ordered{{"SpecialToken", ordered{{"id", bos}, {"type_id", kind}}}}
	}
	text := func(name string, kind int) ordered {
		return ordered{{"Sequence", ordered{{"id", name}, {"type_id", kind}}}}
	}
	return ordered{{"type", "TemplateProcessing"}, {"single", []ordered{token(0), text("A", 0)}}, {"pair", []ordered{token(0), text("A", 0), token(1), text("B", 1)}},
		{"special_tokens", ordered{{bos, ordered{{"id", bos}, {"ids", []int{g.BOS}}, {"tokens", []string{bos}}}}}}}
}

// byteLevel returns what tokenizer.json says of a byte-level BPE from the normalizer on.
func (g *GGUF) byteLevel() (ordered, error) {
	s, ok := ggufSplitters[g.Pre]
	if !ok {
		return nil, fmt.Errorf("tokenizer.ggml.pre %q does not say how text is split, or in a way that is not implemented; %s are: take tokenizer.json from the model's original files",
			g.Pre, strings.Join(slices.Sorted(maps.Keys(ggufSplitters)), ", "))
	}
	if len(g.Merges) == 0 {
		return nil, fmt.Errorf("tokenizer.ggml.merges is empty, which a byte-level BPE cannot do without")
	}
	level := ordered{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", s.split == ""}}
	var normalizer, before any
	pre, post := level, level
	if s.nfc {
		normalizer = ordered{{"type", "NFC"}}
	}
	if s.digits {
		before = ordered{{"type", "Digits"}, {"individual_digits", true}}
	} else if s.split != "" {
		before = ordered{{"type", "Split"}, {"pattern", ordered{{"Regex", s.split}}}, {"behavior", "Isolated"}, {"invert", false}}
	}
	if before != nil {
		pre = ordered{{"type", "Sequence"}, {"pretokenizers", []any{before, level}}}
	}
	if g.prefixed(s.bos) {
		post = ordered{{"type", "Sequence"}, {"processors", []any{level, g.template()}}}
	}
	return ordered{{"normalizer", normalizer}, {"pre_tokenizer", pre}, {"post_processor", post}, {"decoder", level},
		{"model", g.model(nil, false, s.wholeWords, g.Merges)}}, nil
}

// sentencePiece is byteLevel for a SentencePiece BPE.
func (g *GGUF) sentencePiece() (ordered, error) {
	merges := g.Merges
	if len(merges) == 0 {
		if len(g.Scores) == 0 {
			return nil, fmt.Errorf("neither tokenizer.ggml.scores nor tokenizer.ggml.merges is there")
		}
		merges = g.mergesOfScores()
	}
	replace := func(from, to string) ordered {
		return ordered{{"type", "Replace"}, {"pattern", ordered{{"String", from}}}, {"content", to}}
	}
	steps := []any{replace(" ", metaspaceRune)}
	decoders := []any{replace(metaspaceRune, " "), ordered{{"type", "ByteFallback"}}, ordered{{"type", "Fuse"}}}
	if g.AddSpacePrefix == nil || *g.AddSpacePrefix {
		steps = append([]any{ordered{{"type", "Prepend"}, {"prepend", metaspaceRune}}}, steps...)
		decoders = append(decoders, ordered{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}})
	}
	var post, unknown any
	if g.prefixed(true) {
		post = g.template()
	}
	if at := slices.Index(g.Types, GGUFUnknown); at >= 0 {
		unknown = g.Tokens[at]
	}
	if g.Unknown >= 0 {
		unknown = g.Tokens[g.Unknown]
	}
	return ordered{{"normalizer", ordered{{"type", "Sequence"}, {"normalizers", steps}}}, {"pre_tokenizer", nil}, {"post_processor", post},
		{"decoder", ordered{{"type", "Sequence"}, {"decoders", decoders}}}, {"model", g.model(unknown, slices.Contains(g.Types, GGUFByte), false, merges)}}, nil
}

func (g *GGUF) model(unknown any, bytes, wholeWords bool, merges []string) ordered {
	return ordered{{"type", "BPE"}, {"dropout", nil}, {"unk_token", unknown}, {"continuing_subword_prefix", nil}, {"end_of_word_suffix", nil},
		{"fuse_unk", unknown != nil}, {"byte_fallback", bytes}, {"ignore_merges", wholeWords}, {"vocab", g.vocab()}, {"merges", merges}}
}

// mergesOfScores makes the merges of a SentencePiece vocabulary, as generate_merges of transformers does: every way to make a token of
// two others, the token with the highest score first. Tokens that no text becomes take no part.
func (g *GGUF) mergesOfScores() []string {
	ids := make(map[string]int, len(g.Tokens))
	for id, token := range g.Tokens {
		if kind := g.kind(id); (kind == GGUFNormal || kind == GGUFUserDefined) && !strings.Contains(token, " ") {
			ids[token] = id
		}
	}
	type pair struct {
		left, right string
		ids         [2]int
		lengths     [2]int
		score       float32
	}
	var all []pair
	for id, token := range g.Tokens {
		if at, ok := ids[token]; !ok || at != id {
			continue
		}
		from, chars := len(all), utf8.RuneCountInString(token)
		n := 0
		for i := range token {
			if i > 0 {
				n++
				left, okLeft := ids[token[:i]]
				right, okRight := ids[token[i:]]
				if okLeft && okRight {
					all = append(all, pair{token[:i], token[i:], [2]int{left, right}, [2]int{n, chars - n}, g.Scores[id]})
				}
			}
		}
		slices.SortFunc(all[from:], func(a, b pair) int { return slices.Compare(a.ids[:], b.ids[:]) })
	}
	slices.SortStableFunc(all, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.score, a.score), slices.Compare(b.lengths[:], a.lengths[:]))
	})
	merges := make([]string, len(all))
	for i, p := range all {
		merges[i] = p.left + " " + p.right
	}
	return merges
}

// config returns tokenizer_config.json.
func (g *GGUF) config() ([]byte, error) {
	var decoder ordered
	for _, id := range g.addedIDs() {
		decoder = append(decoder, member{fmt.Sprint(id), g.tokenFlags(id)})
	}
	settings := ordered{{"clean_up_tokenization_spaces", false}, {"tokenizer_class", "PreTrainedTokenizerFast"}}
	for _, named := range []struct {
		key string
		id  int
	}{{"bos_token", g.BOS}, {"eos_token", g.EOS}, {"unk_token", g.Unknown}, {"pad_token", g.Padding}} {
		if named.id >= 0 {
			settings = append(settings, member{named.key, g.Tokens[named.id]})
		}
	}
	return indented(append(settings, member{"added_tokens_decoder", decoder}))
}
