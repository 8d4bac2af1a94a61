// Package tokenizer turns text into the token ids of a language model and back.
//
// Files are loaded by sugarme/tokenizer. BPE is encoded here, with exactly the ids of the reference implementation (Hugging Face's
// tokenizers), in O(n log n) for any text and without locks and caches: byte-level BPE with the splitters of GPT-2, SmolLM2, Llama 3
// and Qwen2 (without allocation in the steady state, but for text that a normalizer changes), and the BPE of characters that
// SentencePiece makes (Llama 2, TinyLlama, Mistral). Other families (WordPiece, Unigram, BPE with other pre-tokenizers) run through
// sugarme's pipeline as it is, behind recover and an input limit; Exact reports which of the two it is.
//
// Invariants: Encode never makes a special token, whatever the text says; only EncodeSpecial and the special pieces of EncodePieces do.
// The one exception is the unknown token of a vocabulary of characters that lacks bytes. Bytes that are not UTF-8 are kept: decoding what
// BPE encoded returns the same bytes, but for what a normalizer changed (NFC; SentencePiece reads ▁ as a space), and for bytes that
// a vocabulary has no token for (Missing). The reference implementation has no such text and spells the same bytes as U+FFFD. A setting
// that would change ids and is not implemented is refused by name when the files are loaded. A Tokenizer is read-only and may be used by
// any number of goroutines at once; a Decoder belongs to one stream.
//
// Text begins or goes on. Some vocabularies put a space before a text that begins, and take it away when they decode: Encode,
// EncodeWhole, EncodePieces, Decode and NewDecoder take what they are given for the beginning, EncodeMore and NewDecoderOfMore for what
// follows other text. Some models were trained on texts with a token before them: EncodeWhole puts it there, nothing else does.
//
// The Unicode tables are those of Go's package unicode: a letter that a later version of Unicode adds is split as a
// symbol.
package tokenizer

import "slices"

// Tokenizer is a loaded vocabulary with its merges and its added tokens.
type Tokenizer struct {
	tokens   []string         // by id, the text it adds; "" is an id that does not exist
	names    map[string]int32 // as spelled in the files
	special  []bool           // by id
	plain    matcher          // added tokens that are not special: part of the vocabulary of any text
	all      matcher          // added tokens, special ones included
	late     matcher          // added tokens that are not special and are looked for in normalized text
	normal   normalizer
	split    *splitter  // of byte-level BPE
	meta     *metaspace // of SentencePiece BPE
	bpe      *merger    // nil for the other families
	pipeline *pipeline  // nil for BPE that is encoded here
	unknown  int32      // the token that stands for text without one, −1 where every text has tokens
	prefix   []int32
	strip    int // spaces that a text loses at its beginning when it is decoded
	eos, bos int32
	digest   string
}

// Encode appends the ids of text to dst. Text that spells a special token stays text. Text that the pipeline of another
// family cannot encode becomes one unknown token; TryEncode reports it. Where a vocabulary puts a space before texts, text is
// taken for the beginning of one; EncodeMore is for what follows.
func (t *Tokenizer) Encode(dst []int32, text string) []int32 {
	return t.orUnknown(t.between(dst, text, 0, len(text), &t.plain, begins))
}

// EncodeSpecial is Encode for text that the caller vouches for, a template's own: registered special tokens become their
// ids, the leftmost first and of those the longest.
func (t *Tokenizer) EncodeSpecial(dst []int32, text string) []int32 {
	return t.orUnknown(t.between(dst, text, 0, len(text), &t.all, begins))
}

// EncodeMore is Encode for text that goes on where other text ended: no space is put before it.
func (t *Tokenizer) EncodeMore(dst []int32, text string) []int32 {
	return t.orUnknown(t.between(dst, text, 0, len(text), &t.plain, goesOn))
}

// EncodeWhole is Encode for a whole text outside a chat, as transformers encodes it by default: what Prefix returns, then the
// text.
func (t *Tokenizer) EncodeWhole(dst []int32, text string) []int32 {
	return t.Encode(append(dst, t.prefix...), text)
}

// TryEncode is Encode, or EncodeSpecial where special is set, that says why a text cannot be encoded; dst is then
// returned with what came before. BPE that is encoded here takes every text.
func (t *Tokenizer) TryEncode(dst []int32, text string, special bool) ([]int32, error) {
	if special {
		return t.between(dst, text, 0, len(text), &t.all, begins)
	}
	return t.between(dst, text, 0, len(text), &t.plain, begins)
}

func (t *Tokenizer) orUnknown(dst []int32, err error) []int32 {
	if err != nil && t.unknown >= 0 {
		dst = append(dst, t.unknown)
	}
	return dst
}

// between appends the ids of text[low:high], in which tokens are looked for; where says what stands before text.
func (t *Tokenizer) between(dst []int32, text string, low, high int, tokens *matcher, where place) ([]int32, error) {
	for low < high {
		if low > 0 {
			where = follows
		}
		m := tokens.find(text, low, low, high)
		var err error
		if dst, err = t.part(dst, text[low:m.from], where); err != nil {
			return dst, err
		}
		if m.ok {
			dst = append(dst, m.id)
		}
		low = m.to
	}
	return dst, nil
}

// part appends the ids of text between added tokens.
func (t *Tokenizer) part(dst []int32, text string, where place) ([]int32, error) {
	if text == "" {
		return dst, nil
	}
	if t.bpe == nil {
		return t.pipeline.encode(dst, text)
	}
	text = t.normal.apply(text, where)
	for low := 0; low < len(text); where = follows {
		m := t.late.find(text, low, low, len(text))
		dst = t.words(dst, text[low:m.from], where)
		if m.ok {
			dst = append(dst, m.id)
		}
		low = m.to
	}
	return dst, nil
}

// words appends the ids of normalized text.
func (t *Tokenizer) words(dst []int32, text string, where place) []int32 {
	if t.meta != nil && text != "" {
		text = t.meta.prepare(text, where)
		for i := 0; i < len(text); {
			end := t.meta.next(text, i)
			dst = t.bpe.encode(dst, text[i:end])
			i = end
		}
		return dst
	}
	for i := 0; i < len(text); {
		end := t.split.next(text, i)
		dst = t.bpe.encode(dst, text[i:end])
		i = end
	}
	return dst
}

// Size is one more than the highest id.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// Has reports whether there is a token of that id. Ids below Size may be gaps.
func (t *Tokenizer) Has(id int32) bool {
	return id >= 0 && int(id) < len(t.tokens) && t.tokens[id] != ""
}

// Gaps lists the ids below Size that no token has, ascending.
func (t *Tokenizer) Gaps() (gaps []int32) {
	for id := range t.tokens {
		if t.tokens[id] == "" {
			gaps = append(gaps, int32(id))
		}
	}
	return gaps
}

// EOS is the id of eos_token, the end-of-text token of the tokenizer's files; −1 if they name none.
func (t *Tokenizer) EOS() int32 { return t.eos }

// BOS is the id of bos_token, the one that texts begin with; −1 if the files name none.
func (t *Tokenizer) BOS() int32 { return t.bos }

// Prefix lists the tokens that the files put before every text, a BOS or none: where Encode makes a whole prompt, the model was trained
// on Prefix and the prompt, which is what EncodeWhole makes. EncodePieces does without, as chat templates write it themselves.
func (t *Tokenizer) Prefix() []int32 { return slices.Clone(t.prefix) }

// Missing lists the bytes that a byte-level vocabulary has no token for, ascending. They are left out of text.
func (t *Tokenizer) Missing() (list []byte) {
	for b := 0; b < 256 && t.split != nil; b++ {
		if t.bpe.bytes[b] < 0 {
			list = append(list, byte(b))
		}
	}
	return list
}

// Exact reports whether ids are those of the reference implementation by construction: byte-level and SentencePiece BPE.
func (t *Tokenizer) Exact() bool { return t.bpe != nil }

// ID returns the id of a token as the files spell it: "<|endoftext|>", "Ġthe".
func (t *Tokenizer) ID(token string) (int32, bool) {
	id, ok := t.names[token]
	return id, ok
}

// IsSpecial reports whether id is a registered special token.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.special) && t.special[id]
}

// Reserved reports whether id is a special token that no text becomes. The unknown token is special, too, but stands for text where a
// vocabulary does not have all bytes.
func (t *Tokenizer) Reserved(id int32) bool { return t.IsSpecial(id) && id != t.unknown }

// Digest is "sha256:" and the hash of the vocabulary, the merges, the added tokens and the settings that change ids in a canonical form:
// the same for tokenizer.json and for vocab.json with merges.txt.
func (t *Tokenizer) Digest() string { return t.digest }
