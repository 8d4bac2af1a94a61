package api

import (
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/serve/api/wire"
)

// responses answers in the shape of OpenAI's API of responses.
func (s *Server) responses(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleGenerate)
	if err != nil {
		return err
	}
	body, err := s.body(c)
	if err != nil {
		return err
	}
	q, err := decodeResponse(body, s.cfg.Defaults)
	if err != nil {
		return err
	}
	if err := s.recall(s.base, &q, who); err != nil {
		return err
	}
	return s.answer(c, q, who)
}

// getResponse reads a response back from its record.
func (s *Server) getResponse(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleGenerate)
	if err != nil {
		return err
	}
	id, err := param(c, "response")
	if err != nil {
		return err
	}
	if c.QueryBool("stream") {
		return badRequest("unsupported_field", "stream", "a response that has been made is not streamed again; leave stream out")
	}
	missing := notFound("response_not_found", "response", "there is no response %q: %s", clip(id), whyGone)
	if err := checkIncluded(c); err != nil {
		return err
	}
	i, err := s.remembered(s.base, interactionOf(id), s.tracksOf(who, ""))
	if err != nil {
		return orMissing(err, missing)
	}
	return sendJSON(c, fiber.StatusOK, recorded(i))
}

// checkIncluded refuses what a response that is read back cannot hold: its log-probabilities are not kept as they were sent.
func checkIncluded(c *fiber.Ctx) error {
	asked := c.Context().QueryArgs()
	for _, name := range []string{"include", "include[]"} {
		for _, v := range asked.PeekMulti(name) {
			if what := string(v); what == includeLogprobs || what != "" && !slices.Contains(includes, what) {
				return badRequest("unsupported_field", "include", "include is %q, which a response that is read back cannot hold here", clip(what))
			}
		}
	}
	return nil
}

// begun is the response that is being made.
func (g *generation) begun() wire.Response {
	a := g.q.response
	r := newResponse(g.ids[0], g.created.Unix(), g.ref.String())
	if a.instructions != "" {
		r.Instructions = &a.instructions
	}
	if a.maxTokens > 0 {
		r.MaxOutputTokens = &a.maxTokens
	}
	if a.previous != "" {
		id := wire.ResponsePrefix + a.previous
		r.PreviousResponseID = &id
	}
	if a.truncate {
		r.Truncation = "auto"
	}
	if g.q.user != "" {
		r.User = &g.q.user
	}
	r.Metadata, r.Store, r.TopLogprobs, r.Temperature = g.q.metadata, !g.q.unrecorded, g.q.top, g.q.sampling.Temperature
	if g.q.sampling.TopP > 0 {
		r.TopP = g.q.sampling.TopP
	}
	return r
}

// response is the answer when it has ended.
func (g *generation) response(c *draft, item wire.OutputItem, from *wire.Origin) wire.Response {
	r, u := g.begun(), g.usage()
	r.Usage = &wire.ResponseUsage{InputTokens: u.PromptTokens, InputTokensDetails: wire.InputDetails{PromptDetails: u.Details}, OutputTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
	r.Nightshift, r.Timings = from, timingsOf(c.result)
	closeResponse(&r, string(c.result.Finish), item, time.Now().Unix())
	return r
}

// logprobs are the log-probabilities of a response's text that were not sent yet.
func (c *draft) logprobs() []wire.ChatToken {
	if all, ok := c.wireLogprobs().(*wire.ChatLogprobs); ok {
		return all.Content
	}
	return nil
}
