package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// settings is what tokenizer.json says beside the vocabulary. Its truncation and padding are left aside: transformers sets both anew with
// every call.
type settings struct {
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    *step        `json:"normalizer"`
	PreTokenizer  *step        `json:"pre_tokenizer"`
	PostProcessor *step        `json:"post_processor"`
	Decoder       *step        `json:"decoder"`
	Model         struct {
		Type         string            `json:"type"`
		Dropout      *float64          `json:"dropout"`
		Unknown      *string           `json:"unk_token"`
		Prefix       *string           `json:"continuing_subword_prefix"`
		Suffix       *string           `json:"end_of_word_suffix"`
		FuseUnknown  bool              `json:"fuse_unk"`
		ByteFallback bool              `json:"byte_fallback"`
		WholeWords   bool              `json:"ignore_merges"`
		Merges       []json.RawMessage `json:"merges"`
	} `json:"model"`
}

// step is a normalizer, a pre-tokenizer, a post-processor or a decoder.
type step struct {
	Type          string  `json:"type"`
	Prefix        *bool   `json:"add_prefix_space"`
	Regex         *bool   `json:"use_regex"`
	Digits        bool    `json:"individual_digits"`
	PreTokenizers []*step `json:"pretokenizers"`
	Processors    []*step `json:"processors"`
	Normalizers   []*step `json:"normalizers"`
	Decoders      []*step `json:"decoders"`
	Behavior      string  `json:"behavior"`
	Invert        bool    `json:"invert"`
	Pattern       struct {
		Regex  string `json:"Regex"`
		String string `json:"String"`
	} `json:"pattern"`
	Prepend     string                   `json:"prepend"`
	Content     string                   `json:"content"`
	Start       int                      `json:"start"`
	Stop        int                      `json:"stop"`
	Replacement string                   `json:"replacement"`
	Scheme      string                   `json:"prepend_scheme"`
	Split       *bool                    `json:"split"`
	Single      []json.RawMessage        `json:"single"`
	Tokens      map[string]templateToken `json:"special_tokens"`
}

// templateToken is what a name in a template stands for.
type templateToken struct {
	IDs []int `json:"ids"`
}

// flat returns a step without its sequences.
func (s *step) flat() []*step {
	if s == nil {
		return nil
	}
	if s.Type != "Sequence" {
		return []*step{s}
	}
	var out []*step
	for _, list := range [][]*step{s.PreTokenizers, s.Processors, s.Normalizers, s.Decoders} {
		for _, inner := range list {
			out = append(out, inner.flat()...)
		}
	}
	return out
}

// bpe reports whether this is a BPE with merges.
func (s *settings) bpe() bool {
	return (s.Model.Type == "BPE" || s.Model.Type == "") && s.Model.Merges != nil
}

// byteLevel reports whether this is a byte-level BPE, whatever its other settings.
func (s *settings) byteLevel() bool {
	return s.bpe() && slices.ContainsFunc(s.PreTokenizer.flat(), func(p *step) bool { return p.Type == "ByteLevel" })
}

// sentencePiece reports whether this is a BPE of characters as SentencePiece makes it, whatever its other settings.
func (s *settings) sentencePiece() bool {
	words := slices.ContainsFunc(s.PreTokenizer.flat(), func(p *step) bool { return p.Type != "Metaspace" })
	return s.bpe() && !s.byteLevel() && (s.Model.ByteFallback || !words)
}

// check refuses by name what would give other ids and is not implemented.
func (s *settings) check() error {
	m := s.Model
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return errors.New("model.dropout makes ids random; set it to null")
	case m.Prefix != nil && *m.Prefix != "":
		return fmt.Errorf("model.continuing_subword_prefix %q is not implemented", *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return fmt.Errorf("model.end_of_word_suffix %q is not implemented", *m.Suffix)
	case m.ByteFallback && s.byteLevel():
		return errors.New("model.byte_fallback is not implemented for a byte-level vocabulary")
	}
	return nil
}

// into adds to a source what the settings say of its text.
func (s *settings) into(src *source) (err error) {
	if err = s.check(); err != nil {
		return err
	}
	if src.normal, err = normalizerOf(s.Normalizer.flat()); err != nil {
		return err
	}
	if src.prefix, err = templatePrefix(s.PostProcessor.flat()); err != nil {
		return err
	}
	src.wholeWords = s.Model.WholeWords
	if s.byteLevel() {
		src.rule, err = ruleOf(s.PreTokenizer.flat())
		return err
	}
	if src.meta, err = metaspaceOf(s.PreTokenizer.flat()); err != nil {
		return err
	}
	src.decoding, err = decodingOf(s.Decoder.flat())
	src.byteFallback, src.fuse = s.Model.ByteFallback, s.Model.FuseUnknown
	if s.Model.Unknown != nil {
		src.unknown = *s.Model.Unknown
	}
	return err
}

// templatePrefix reads which tokens a post-processor puts before a text.
func templatePrefix(steps []*step) (prefix []int32, err error) {
	for _, p := range steps {
		switch {
		case p.Type == "ByteLevel": // it changes offsets only
		case p.Type == "TemplateProcessing" && len(prefix) == 0:
			if prefix, err = p.before(); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("post_processor %s adds tokens to every text in a way that is not implemented; put them into the chat template and set post_processor to null", p.Type)
		}
	}
	return prefix, nil
}

// before lists the tokens that a template has before the text. Behind it there may be none: a model would have to go on behind them.
func (s *step) before() (ids []int32, err error) {
	texts := 0
	for _, raw := range s.Single {
		var part struct {
			SpecialToken *struct {
				ID string `json:"id"`
			}
			Sequence *struct {
				ID string `json:"id"`
			}
		}
		if err := json.Unmarshal(raw, &part); err != nil {
			return nil, fmt.Errorf("post_processor TemplateProcessing: single: %w", err)
		}
		switch {
		case part.Sequence != nil && part.SpecialToken == nil && part.Sequence.ID == "A" && texts == 0:
			texts++
		case part.SpecialToken != nil && part.Sequence == nil && texts == 0:
			token, ok := s.Tokens[part.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("post_processor TemplateProcessing: special_tokens has no %q", part.SpecialToken.ID)
			}
			for _, id := range token.IDs {
				ids = append(ids, int32(id))
			}
		case part.SpecialToken != nil && texts == 1:
			return nil, fmt.Errorf("post_processor TemplateProcessing adds %q behind every text, which a model cannot go on from; take it out of single", part.SpecialToken.ID)
		default:
			return nil, fmt.Errorf("post_processor TemplateProcessing: single has %s where special tokens and one text are expected", raw)
		}
	}
	if texts == 0 {
		return nil, errors.New("post_processor TemplateProcessing: single has no text")
	}
	return ids, nil
}

// metaspaceOf reads the pre-tokenizer of a SentencePiece BPE: Metaspace, or none where the normalizer does its work.
func metaspaceOf(steps []*step) (*metaspace, error) {
	m := &metaspace{}
	for _, p := range steps {
		if p.Type != "Metaspace" || m.replace {
			return nil, fmt.Errorf("pre_tokenizer %s is not implemented for a vocabulary with byte_fallback; one Metaspace is, or null", p.Type)
		}
		if p.Replacement != metaspaceRune {
			return nil, fmt.Errorf("pre_tokenizer Metaspace: replacement %q is not implemented, %q is", p.Replacement, metaspaceRune)
		}
		m.replace, m.each = true, p.Split == nil || *p.Split
		switch without := p.Prefix != nil && !*p.Prefix; {
		case p.Scheme == "never" || without && p.Scheme == "":
			m.prefix = prefixNever
		case without:
			return nil, fmt.Errorf("pre_tokenizer Metaspace: prepend_scheme is %q and add_prefix_space false; make them agree", p.Scheme)
		case p.Scheme == "first":
			m.prefix = prefixFirst
		case p.Scheme == "always" || p.Scheme == "":
			m.prefix = prefixAlways
		default:
			return nil, fmt.Errorf("pre_tokenizer Metaspace: prepend_scheme %q is not known; first, always and never are", p.Scheme)
		}
	}
	return m, nil
}

// decoding says how the tokens of a SentencePiece BPE become text.
type decoding struct {
	replace []string // pairs of old and new, one after the other
	bytes   bool     // <0xNN> is a byte
	strip   int      // spaces that a text loses at its beginning
}

// decodingOf reads a decoder: any of Replace, ByteFallback, Fuse and Strip, in this order.
func decodingOf(steps []*step) (d decoding, err error) {
	fused, stage := false, 0
	for _, p := range steps {
		order := map[string]int{"Replace": 1, "ByteFallback": 2, "Fuse": 3, "Strip": 4}[p.Type]
		if order == 0 || order < stage {
			return d, fmt.Errorf("decoder %s is not implemented for a SentencePiece vocabulary, or not at its place: Replace, ByteFallback, Fuse, Strip are, in this order", p.Type)
		}
		switch stage = order; p.Type {
		case "Replace":
			if p.Pattern.String == "" {
				return d, errors.New("decoder Replace is implemented for a String, not for a Regex or an empty one")
			}
			d.replace = append(d.replace, p.Pattern.String, p.Content)
		case "ByteFallback":
			d.bytes = true
		case "Fuse":
			fused = true
		case "Strip":
			if !fused || p.Content != " " || p.Stop != 0 || p.Start < 0 || d.strip > 0 {
				return d, errors.New("decoder Strip is implemented for spaces at the beginning of the fused text")
			}
			d.strip = p.Start
		}
	}
	if !fused {
		return d, errors.New("decoder: none that fuses tokens is there; a SentencePiece vocabulary has Sequence with Replace, ByteFallback, Fuse, Strip")
	}
	return d, nil
}
