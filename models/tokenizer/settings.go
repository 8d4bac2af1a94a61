package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// settings is what tokenizer.json says beside the vocabulary.
type settings struct {
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    *step        `json:"normalizer"`
	PreTokenizer  *step        `json:"pre_tokenizer"`
	PostProcessor *step        `json:"post_processor"`
	Model         struct {
		Type         string            `json:"type"`
		Dropout      *float64          `json:"dropout"`
		Prefix       *string           `json:"continuing_subword_prefix"`
		Suffix       *string           `json:"end_of_word_suffix"`
		ByteFallback bool              `json:"byte_fallback"`
		WholeWords   bool              `json:"ignore_merges"`
		Merges       []json.RawMessage `json:"merges"`
	} `json:"model"`
}

// step is a normalizer, a pre-tokenizer or a post-processor.
type step struct {
	Type          string            `json:"type"`
	Prefix        bool              `json:"add_prefix_space"`
	Regex         *bool             `json:"use_regex"`
	PreTokenizers []*step           `json:"pretokenizers"`
	Processors    []*step           `json:"processors"`
	Normalizers   []*step           `json:"normalizers"`
	Single        []json.RawMessage `json:"single"`
	Behavior      string            `json:"behavior"`
	Invert        bool              `json:"invert"`
	Pattern       struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
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
	for _, list := range [][]*step{s.PreTokenizers, s.Processors, s.Normalizers} {
		for _, inner := range list {
			out = append(out, inner.flat()...)
		}
	}
	return out
}

// byteLevel reports whether this is a byte-level BPE, whatever its other settings.
func (s *settings) byteLevel() bool {
	if s.Model.Type != "BPE" && s.Model.Type != "" || s.Model.Merges == nil {
		return false
	}
	for _, p := range s.PreTokenizer.flat() {
		if p.Type == "ByteLevel" {
			return true
		}
	}
	return false
}

// check refuses by name what would give other ids than GPT-2's byte-level BPE.
func (s *settings) check() error {
	m := s.Model
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return errors.New("model.dropout makes ids random; set it to null")
	case m.Prefix != nil && *m.Prefix != "":
		return fmt.Errorf("model.continuing_subword_prefix %q is not implemented", *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return fmt.Errorf("model.end_of_word_suffix %q is not implemented", *m.Suffix)
	case m.WholeWords:
		return errors.New("model.ignore_merges is not implemented")
	case m.ByteFallback:
		return errors.New("model.byte_fallback is not implemented for a byte-level vocabulary")
	}
	for _, n := range s.Normalizer.flat() {
		return fmt.Errorf("normalizer %s is not implemented for a byte-level vocabulary", n.Type)
	}
	for _, p := range s.PostProcessor.flat() {
		if p.Type == "ByteLevel" || p.Type == "TemplateProcessing" && len(p.Single) == 1 {
			continue
		}
		return fmt.Errorf("post_processor %s adds tokens to every text; put them into the chat template and set post_processor to null", p.Type)
	}
	return checkSplitter(s.PreTokenizer.flat())
}

// checkSplitter accepts ByteLevel with its own expression, or that expression in a Split before it.
func checkSplitter(steps []*step) error {
	split := false
	for _, p := range steps {
		switch p.Type {
		case "ByteLevel":
			if p.Prefix {
				return errors.New("pre_tokenizer ByteLevel: add_prefix_space is not implemented; set it to false if the model was trained so")
			}
			if p.Regex == nil || *p.Regex {
				split = true
			}
		case "Split":
			if p.Pattern.Regex != pattern || p.Invert || p.Behavior != "Isolated" {
				return fmt.Errorf("pre_tokenizer Split with pattern %q: only GPT-2's expression, isolated, is implemented", p.Pattern.Regex)
			}
			split = true
		default:
			return fmt.Errorf("pre_tokenizer %s is not implemented for a byte-level vocabulary", p.Type)
		}
	}
	if !split {
		return errors.New("pre_tokenizer ByteLevel: use_regex is false and nothing else splits; text that is not split is not implemented")
	}
	return nil
}
