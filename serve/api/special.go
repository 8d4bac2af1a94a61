package api

import (
	"fmt"
	"slices"
	"strings"

	"nightshift/models/tokenizer"
)

// roleSpecialTokens lets a key put special tokens into raw completions: by their ids, or by add_special_tokens the one that texts
// begin with. No text ever becomes one, whoever sends it.
const roleSpecialTokens = "special_tokens"

const howSpecial = "that takes an API key with the role " + roleSpecialTokens + "; for turns use /v1/chat/completions"

// rawPrompt makes the tokens of a prompt, and its text where it was given by its tokens. What is echoed shows special tokens where the
// request asks for that, and what is recorded never does.
func (s *Server) rawPrompt(q *query, p prompt) (*asked, error) {
	m, a := s.deps.Model, &asked{prompt: p, tokens: p.ids}
	usual := 0 // tokens that the tokenizer's files put before every text
	if len(p.ids) == 0 {
		if !q.bare {
			a.tokens = m.Tokenizer.Prefix()
			usual = len(a.tokens)
		}
		if q.addSpecial && usual == 0 {
			begin, err := s.beginning(q)
			if err != nil {
				return nil, err
			}
			a.tokens = append(a.tokens, begin)
		}
		a.tokens = m.Tokenizer.Encode(a.tokens, p.text)
	}
	for i, id := range p.ids {
		at := fmt.Sprintf("%s[%d]", p.at, i)
		switch {
		case !m.Tokenizer.Has(id):
			return nil, badRequest("invalid_value", at, "%s is %d, the model has no such token", at, id)
		case m.Tokenizer.Reserved(id) && !q.maySpecial:
			return nil, badRequest("special_token", at, "%s is %d, a special token; %s", at, id, howSpecial)
		}
	}
	a.special = slices.ContainsFunc(a.tokens[usual:], m.Tokenizer.Reserved)
	var err error
	if len(p.ids) > 0 {
		visible := slices.DeleteFunc(slices.Clone(p.ids), m.Tokenizer.IsSpecial)
		if a.text, err = spelled(m.Tokenizer, visible); err != nil {
			return nil, err
		}
	}
	if a.shown = a.text; q.showSpecial && a.special {
		a.shown, err = spelled(m.Tokenizer, a.tokens)
	}
	return a, err
}

// beginning is the token that texts begin with, for a caller who may put it before a prompt.
func (s *Server) beginning(q *query) (int32, error) {
	if !q.maySpecial {
		return 0, badRequest("special_token", "add_special_tokens", "add_special_tokens puts a special token before the prompt; %s", howSpecial)
	}
	begin := s.deps.Model.Begin()
	if begin < 0 {
		return 0, badRequest("special_token", "add_special_tokens", "the model has no token that texts begin with; leave add_special_tokens out or send false")
	}
	return begin, nil
}

// spelled is the text of tokens, special ones as the model's files spell them.
func spelled(t *tokenizer.Tokenizer, ids []int32) (string, error) {
	text, err := t.Decode(nil, ids...)
	if err != nil {
		return "", fmt.Errorf("spell the prompt's tokens: %w", err)
	}
	return strings.ToValidUTF8(string(text), "\ufffd"), nil
}
