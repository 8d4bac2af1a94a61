package api

import (
	"fmt"
	"math"
	"strings"

	"github.com/gofiber/fiber/v2"

	"nightshift/models/template"
	"nightshift/serve/api/wire"
)

// tokenize makes the tokens of a prompt, or of a conversation as the model sees it. What counts as text in an answer's prompt does so
// here: no text becomes a special token.
func (s *Server) tokenize(c *fiber.Ctx) error {
	o, err := s.spelling(c)
	if err != nil {
		return err
	}
	prompt, asked := o.string("prompt")
	_, chat := o.get("messages")
	var messages []template.Message
	var variables map[string]any
	switch {
	case chat && asked:
		o.r.fail(badRequest("invalid_value", "messages", "prompt and messages are both given; give one of them"))
	case chat:
		messages, variables = decodeMessages(o), decodeVariables(o)
	case !asked:
		o.missing("prompt")
	}
	open := o.boolOrTrue("add_generation_prompt")
	begun := o.bool("add_special_tokens") // a conversation has those of its template
	bare := !o.boolOrTrue("add_special_tokens")
	spelled := o.bool("return_token_strs")
	if err := o.end(); err != nil {
		return err
	}
	m := s.deps.Model
	answer := wire.Tokenization{MaxModelLen: m.Config.Context}
	if chat {
		answer.Tokens, err = s.chatTokens("messages", messages, variables, open)
	} else {
		answer.Tokens = []int32{}
		if !bare {
			answer.Tokens = append(answer.Tokens, m.Tokenizer.Prefix()...)
		}
		if begin := m.Begin(); begun && len(answer.Tokens) == 0 && begin >= 0 {
			answer.Tokens = append(answer.Tokens, begin)
		}
		answer.Tokens = m.Tokenizer.Encode(answer.Tokens, prompt)
	}
	if err != nil {
		return err
	}
	answer.Count = len(answer.Tokens)
	if spelled {
		answer.TokenStrs = make([]string, answer.Count)
		for i, id := range answer.Tokens {
			answer.TokenStrs[i] = spell(m.Tokenizer, id, i == 0).readable()
		}
	}
	tellIgnored(c, o.r.ignored)
	return sendJSON(c, fiber.StatusOK, answer)
}

// detokenize makes the text of tokens, special tokens included.
func (s *Server) detokenize(c *fiber.Ctx) error {
	o, err := s.spelling(c)
	if err != nil {
		return err
	}
	items, ok := o.list("tokens", math.MaxInt)
	if !ok {
		o.missing("tokens")
	}
	ids := make([]int32, len(items))
	for i, item := range items {
		at := fmt.Sprintf("tokens[%d]", i)
		ids[i] = int32(o.r.int(at, item, 0, math.MaxInt32))
		if _, err := s.deps.Model.Tokenizer.Decode(nil, ids[i]); err != nil {
			o.r.fail(badRequest("invalid_value", at, "%s is %d, the model has no such token", at, ids[i]))
		}
	}
	if err := o.end(); err != nil {
		return err
	}
	text, err := s.deps.Model.Tokenizer.Decode(nil, ids...)
	if err != nil {
		return fmt.Errorf("spell tokens: %w", err)
	}
	return sendJSON(c, fiber.StatusOK, wire.Detokenization{Prompt: strings.ToValidUTF8(string(text), "\ufffd")})
}

// tokenFields are the rules of /tokenize and /detokenize, for what vLLM's clients send.
var tokenFields = joinFields(conversationFields, fields{
	"mm_processor_kwargs": refuse("only text is supported"),
	"tools":               refuse(noTools, `[]`),
})

// spelling reads the body of a request about tokens, which are the same for all models: one that is named must exist.
func (s *Server) spelling(c *fiber.Ctx) (*object, error) {
	who, err := s.authorize(c, roleGenerate)
	if err != nil {
		return nil, err
	}
	body, err := s.body(c)
	if err != nil {
		return nil, err
	}
	_, o, err := read(body)
	if err != nil {
		return nil, err
	}
	o.by(tokenFields)
	if name := o.limited("model", maxModel); name != "" && o.r.err == nil {
		if _, err := s.findModel(name, who); err != nil {
			return nil, err
		}
	}
	return o, nil
}
