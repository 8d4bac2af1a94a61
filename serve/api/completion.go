package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/internal/sampling"
	"nightshift/models/template"
	"nightshift/replaystore"
)

func (s *Server) chatCompletions(c *fiber.Ctx) error { return s.complete(c, true) }
func (s *Server) completions(c *fiber.Ctx) error     { return s.complete(c, false) }

// complete answers both kinds of completion.
func (s *Server) complete(c *fiber.Ctx, chat bool) error {
	who, err := s.authorize(c, roleGenerate)
	if err != nil {
		return err
	}
	body, err := s.body(c)
	if err != nil {
		return err
	}
	q, err := decodeQuery(body, chat, s.cfg.Defaults)
	if err != nil {
		return err
	}
	if err := s.resolve(&q, who); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.base)
	g, err := s.begin(ctx, q)
	if err != nil {
		cancel()
		return err
	}
	if q.stream {
		g.head(c)
		id := requestID(c)
		return s.events(c, cancel, func(e *events) { g.stream(e, id) })
	}
	defer cancel()
	stop := watchSocket(c.Context().Conn(), s.cfg.SocketPoll, cancel)
	defer stop()
	answer, err := g.whole()
	if err != nil {
		if s.base.Err() != nil {
			err = engine.ErrClosed
		}
		return err
	}
	g.head(c)
	return sendJSON(c, fiber.StatusOK, answer)
}

// headChoices bounds the choices that the head of an answer tells of: proxies take a few KiB.
const headChoices = 16

// head tells in headers where the answer comes from and how to rate it, for clients that keep nothing of a body but its text.
func (g *generation) head(c *fiber.Ctx) {
	ids := g.ids[:min(len(g.ids), headChoices)]
	tokens := make([]string, len(ids))
	for i, id := range ids {
		tokens[i] = g.server.feedbackToken(id, g.ref.Track)
	}
	c.Set(headerAdapter, g.ref.String())
	c.Set(headerInteraction, strings.Join(ids, ","))
	c.Set(headerToken, strings.Join(tokens, ","))
}

// generation is the answer to one request in the making: one choice, or several.
type generation struct {
	server  *Server
	q       query
	ids     []string // interactions, one a choice that is answered
	ref     registry.Ref
	subject string
	created time.Time
	prompt  []int32
	pieces  *engine.Stream
	choices []*draft
}

// begin pins the version, makes the prompt's tokens and submits the request.
func (s *Server) begin(ctx context.Context, q query) (*generation, error) {
	g := &generation{server: s, q: q, subject: s.deps.Recorder.Subject(q.user), created: time.Now()}
	if err := q.checkBias(s.deps.Model.Config.Vocab); err != nil {
		return nil, err
	}
	for range q.n {
		g.ids = append(g.ids, replaystore.NewID())
	}
	side := g.subject
	if side == "" {
		side = g.ids[0]
	}
	pinned, err := s.deps.Versions.Pin(ctx, q.model, side)
	if err != nil {
		var p *Problem
		if errors.Is(err, ErrUnknownModel) && !errors.As(err, &p) {
			err = notFound("model_not_found", "model", "%s", err.Error())
		}
		return nil, err
	}
	g.ref = pinned.Ref
	if g.prompt, err = s.promptTokens(&g.q); err != nil {
		pinned.Pin.Release()
		return nil, err
	}
	made := max(q.n, q.bestOf)
	for i := range made {
		g.choices = append(g.choices, &draft{g: g, index: i, seed: sampling.ChoiceSeed(q.sampling.Seed, i)})
	}
	var deadline time.Time
	if q.timeout > 0 {
		deadline = g.created.Add(q.timeout)
	}
	g.pieces, err = s.deps.Generator.Submit(ctx, engine.Request{Prompt: g.prompt, Pin: pinned.Pin, MaxTokens: q.maxTokens, Sampling: q.sampling, Adjustment: q.adjustment,
		Choices: made, TopLogProbs: q.top, PromptLogProbs: q.echo && (q.logProbs || q.maxTokens == 0), Stop: q.stop, IgnoreEOS: q.ignoreEOS, Priority: q.priority, Group: g.ref.Track,
		MaxWait: s.cfg.MaxWait, Deadline: deadline})
	if err != nil {
		var prompt *engine.PromptError
		if errors.As(err, &prompt) {
			p := problemOf(err)
			p.Param = promptParam(q)
			return nil, p
		}
		return nil, err
	}
	s.metrics.tokens.WithLabelValues(g.ref.Track, "prompt").Add(float64(len(g.prompt)))
	return g, nil
}

func promptParam(q query) string {
	if q.chat {
		return "messages"
	}
	return "prompt"
}

// promptTokens turns the request's text into tokens, or its tokens into the text that is echoed and recorded.
func (s *Server) promptTokens(q *query) ([]int32, error) {
	m := s.deps.Model
	switch {
	case len(q.promptIDs) > 0:
		return q.promptIDs, s.spellPrompt(q)
	case !q.chat:
		return m.Tokenizer.Encode(nil, q.prompt), nil
	}
	return s.chatTokens(q.messages, true)
}

// notRendered is the problem of a conversation that the model's chat template does not take.
func notRendered(err error) *Problem {
	var refusal *template.Refusal
	if errors.As(err, &refusal) {
		return badRequest("refused_by_template", "messages", "the model's chat template refuses the conversation: %s", refusal.Message)
	}
	p := badRequest("not_rendered", "messages", "the model's chat template cannot render this conversation")
	p.cause = err
	return p
}

// spellPrompt makes the text of a prompt that was given by its tokens. They are as little trusted as a text: what no text can
// become, special tokens such as those between the turns of a chat, is refused.
func (s *Server) spellPrompt(q *query) error {
	m := s.deps.Model
	for i, id := range q.promptIDs {
		at := fmt.Sprintf("%s[%d]", q.promptAt, i)
		if _, err := m.Tokenizer.Decode(nil, id); err != nil || int(id) >= m.Config.Vocab {
			return badRequest("invalid_value", at, "%s is %d, the model has no such token", at, id)
		}
		if m.Tokenizer.IsSpecial(id) || int(id) == m.Config.EOS {
			return badRequest("special_token", at, "%s is %d, a special token; a prompt holds text only, use /v1/chat/completions for turns", at, id)
		}
	}
	spelled, err := m.Tokenizer.Decode(nil, q.promptIDs...)
	if err != nil {
		return fmt.Errorf("spell the prompt's tokens: %w", err)
	}
	q.prompt = strings.ToValidUTF8(string(spelled), "\ufffd")
	return nil
}

// whole waits for all choices and returns the answer in one piece.
func (g *generation) whole() (completion, error) {
	for p := range g.pieces.Pieces {
		g.choices[p.Choice].take(p)
	}
	var failed error
	for i, r := range g.pieces.Results() {
		g.choices[i].ended(r)
		if r.Err != nil {
			failed = r.Err
		}
	}
	if failed != nil {
		return completion{}, failed
	}
	answer := g.frame(true)
	answer.Usage = g.usage()
	for i, c := range g.best() {
		c.index = i
		from, times := c.record(), timingsOf(c.result)
		one := c.whole()
		if i == 0 {
			answer.Nightshift, answer.Timings = from, times
		}
		if g.q.n > 1 {
			one.Nightshift, one.Timings = from, times
		}
		answer.Choices = append(answer.Choices, one)
	}
	return answer, nil
}

// best are the choices to answer with: those with the largest mean log-probability of a token when more were made than
// wanted, the best first, and otherwise all in their order.
func (g *generation) best() []*draft {
	if len(g.choices) > g.q.n {
		slices.SortStableFunc(g.choices, func(a, b *draft) int { return cmp.Compare(b.meanLogProb(), a.meanLogProb()) })
	}
	return g.choices[:g.q.n]
}

// stream sends the answer as it is made: the chunks of the choices as they come, and of each a last one.
func (g *generation) stream(e *events, requestID string) {
	if g.q.chat {
		empty := ""
		for _, c := range g.choices {
			g.chunk(e, choice{Index: c.index, Delta: &delta{Role: "assistant", Content: &empty}})
		}
	}
	ticker := time.NewTicker(g.server.cfg.KeepAlive)
	defer ticker.Stop()
	for open := true; open; {
		var p engine.Piece
		select {
		case p, open = <-g.pieces.Pieces:
		case <-ticker.C:
			_ = e.comment() // a write that fails cancels the request, and the pieces end
			continue
		}
		if !open {
			break
		}
		c := g.choices[p.Choice]
		if text := c.take(p); text != "" {
			g.chunk(e, c.part(text, nil))
			ticker.Reset(g.server.cfg.KeepAlive)
		}
		if p.Last {
			g.endChoice(e, c, g.pieces.Ended(p.Choice))
		}
	}
	for _, r := range g.pieces.Results() {
		if r.Err != nil {
			if g.server.base.Err() != nil {
				r.Err = engine.ErrClosed
			}
			g.server.failStream(e, r.Err, requestID)
			return
		}
	}
	if g.q.includeUsage {
		total := g.frame(false)
		total.Choices, total.Usage = []choice{}, g.usage()
		_ = e.send("", total) // as above
	}
	_ = e.write("data: [DONE]\n\n")
}

// endChoice records a choice that has ended in a stream, and tells its reader. One that was cut off is recorded with what its
// reader may have seen.
func (g *generation) endChoice(e *events, c *draft, r engine.Result) {
	c.ended(r)
	from := c.record()
	if r.Err != nil {
		return // the stream says so once, for all choices
	}
	finish := string(r.Finish)
	last := g.frame(false)
	last.Choices = []choice{c.part("", &finish)}
	last.Nightshift, last.Timings = from, timingsOf(r)
	_ = e.send("", last) // a write that fails cancels the request
}

func (g *generation) chunk(e *events, part choice) {
	f := g.frame(false)
	f.Choices = []choice{part}
	_ = e.send("", f) // a write that fails cancels the request
}

// frame is what every chunk and answer of this generation has in common.
func (g *generation) frame(whole bool) completion {
	f := completion{ID: textPrefix + g.ids[0], Object: "text_completion", Created: g.created.Unix(), Model: g.ref.String(), SystemFingerprint: fingerprint(g.ref)}
	if g.q.chat {
		f.ID, f.Object = chatPrefix+g.ids[0], "chat.completion"
		if !whole {
			f.Object = "chat.completion.chunk"
		}
	}
	return f
}

// usage counts the prompt once, and the tokens of all choices that were made.
func (g *generation) usage() *usage {
	u := &usage{PromptTokens: len(g.prompt)}
	u.Details.CachedTokens = g.pieces.Results()[0].Recalled
	for _, c := range g.choices {
		u.CompletionTokens += len(c.tokens)
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}
