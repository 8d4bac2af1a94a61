package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
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
	return s.answer(c, q, who)
}

// answer makes what a request asks for, and sends it: as it is made, or in one piece.
func (s *Server) answer(c *fiber.Ctx, q query, who caller) error {
	q.maySpecial = who.has(roleSpecialTokens)
	if err := s.resolve(&q, who); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.base)
	g, err := s.begin(ctx, cancel, q)
	if err != nil {
		cancel()
		return err
	}
	if q.stream {
		g.head(c)
		id := requestID(c)
		return s.events(c, cancel, func(e *events) { g.stream(g.form(e, id), e) })
	}
	defer cancel()
	stop := watchSocket(c.Context().Conn(), s.cfg.SocketPoll, cancel)
	defer stop()
	answer, err := g.whole()
	if err != nil {
		return err
	}
	g.head(c)
	return sendJSON(c, fiber.StatusOK, answer)
}

// headChoices bounds the choices that the head of an answer tells of: proxies take a few KiB.
const headChoices = 16

// head tells in headers where the answer comes from, how to rate it, for clients that keep nothing of a body but its text, and
// what of the request was ignored.
func (g *generation) head(c *fiber.Ctx) {
	c.Set(headerAdapter, g.ref.String())
	tellIgnored(c, g.q.ignored)
	if g.q.unrecorded {
		return
	}
	ids := g.ids[:min(len(g.ids), headChoices)]
	tokens := make([]string, len(ids))
	for i, id := range ids {
		tokens[i] = g.server.feedbackToken(id, g.ref.Track)
	}
	c.Set(headerInteraction, strings.Join(ids, ","))
	c.Set(headerToken, strings.Join(tokens, ","))
}

// generation is the answer to one request in the making: one choice, or several.
type generation struct {
	server  *Server
	q       query
	cancel  context.CancelFunc // ends all of it
	ids     []string           // interactions, one a choice that is answered
	ref     registry.Ref
	subject string
	created time.Time
	asked   []*asked
	choices []*draft // of all prompts, in their order
}

// asked is one prompt of a request, with the answers to it as the engine makes them.
type asked struct {
	prompt  // of a raw completion
	tokens  []int32
	shown   string // its text as it is echoed
	special bool   // its text does not spell its tokens, for there are special ones among them
	pieces  *engine.Stream
}

// made is how many answers are made to each prompt.
func (q *query) made() int { return max(q.n, q.bestOf) }

// begin pins the version, makes the prompts' tokens and submits them. After an error the caller cancels ctx, which ends what
// was submitted.
func (s *Server) begin(ctx context.Context, cancel context.CancelFunc, q query) (*generation, error) {
	g := &generation{server: s, q: q, cancel: cancel, subject: cmp.Or(s.deps.Recorder.Subject(q.user), q.subject), created: time.Now()}
	if err := q.checkBias(s.deps.Model); err != nil {
		return nil, err
	}
	for range q.n * max(1, len(q.prompts)) {
		g.ids = append(g.ids, replaystore.NewID())
	}
	pin, err := g.pin(ctx, q.model)
	if err != nil {
		return nil, err
	}
	if g.asked, err = s.promptTokens(&g.q); err != nil {
		pin.Release()
		return nil, err
	}
	for i, a := range g.asked {
		if i > 0 { // a pin is for one prompt, and all are answered by the same version
			if pin, err = g.pin(ctx, g.ref.String()); err != nil {
				return nil, err
			}
		}
		if err := g.submit(ctx, a, pin); err != nil {
			return nil, err
		}
		for choice := range q.made() {
			g.choices = append(g.choices, &draft{g: g, of: a, choice: choice, index: len(g.choices), seed: sampling.ChoiceSeed(q.sampling.Seed, choice)})
		}
	}
	return g, nil
}

// pin holds the version that a model name means.
func (g *generation) pin(ctx context.Context, model string) (*engine.Pin, error) {
	side := g.subject
	if side == "" {
		side = g.ids[0]
	}
	pinned, err := g.server.deps.Versions.Pin(ctx, model, side)
	if err != nil {
		var p *Problem
		if errors.Is(err, ErrUnknownModel) && !errors.As(err, &p) {
			err = notFound("model_not_found", "model", "%s", err.Error())
		}
		return nil, err
	}
	g.ref = pinned.Ref
	return pinned.Pin, nil
}

// submit gives a prompt to the engine, which owns the pin from then on.
func (g *generation) submit(ctx context.Context, a *asked, pin *engine.Pin) (err error) {
	var deadline time.Time
	if g.q.timeout > 0 {
		deadline = g.created.Add(g.q.timeout)
	}
	q := &g.q
	a.pieces, err = g.server.deps.Generator.Submit(ctx, engine.Request{Prompt: a.tokens, Pin: pin, MaxTokens: q.maxTokens, Sampling: q.sampling, Adjustment: q.adjustment,
		Choices: q.made(), TopLogProbs: q.top, PromptLogProbs: q.echo && (q.logProbs || q.maxTokens == 0), Stop: q.stop, IgnoreEOS: q.ignoreEOS, ShowSpecial: q.showSpecial, Priority: q.priority, Group: g.ref.Track,
		MaxWait: g.server.cfg.MaxWait, Deadline: deadline})
	if err != nil {
		var refused *engine.PromptError
		if errors.As(err, &refused) {
			p := problemOf(err)
			p.Param = a.at
			return p
		}
		return err
	}
	g.server.metrics.tokens.WithLabelValues(g.ref.Track, "prompt").Add(float64(len(a.tokens)))
	return nil
}

// promptTokens turns what a request asks into tokens: a conversation, or prompts.
func (s *Server) promptTokens(q *query) ([]*asked, error) {
	if q.chat {
		tokens, err := s.conversationTokens(q)
		return []*asked{{prompt: prompt{at: q.field()}, tokens: tokens}}, err
	}
	var list []*asked
	for _, p := range q.prompts {
		a, err := s.rawPrompt(q, p)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// chatTokens renders a conversation, which stands in a field of the request; open says that the assistant's answer follows.
func (s *Server) chatTokens(field string, messages []template.Message, variables map[string]any, open bool) ([]int32, error) {
	m := s.deps.Model
	if m.Template == nil {
		return nil, badRequest("no_chat_template", field, "the model has no chat template; use /v1/completions")
	}
	ids, err := m.ChatTokensWith(messages, variables, open)
	var refusal *template.Refusal
	var variable *template.VariableError
	switch {
	case err == nil:
		return ids, nil
	case errors.As(err, &variable):
		path := join("chat_template_kwargs", variable.Name)
		return nil, badRequest("invalid_value", path, "%s %s", path, variable.Reason)
	case errors.As(err, &refusal):
		return nil, badRequest("refused_by_template", field, "the model's chat template refuses the conversation: %s", refusal.Message)
	}
	p := badRequest("not_rendered", field, "the model's chat template cannot render this conversation")
	p.cause = err
	return nil, p
}

// pieces are those of the answers to all prompts as they come, with their choices counted through. The channel is closed after
// the last, and has room for all of them. An answer that fails ends the others.
func (g *generation) pieces() <-chan engine.Piece {
	if len(g.asked) == 1 {
		return g.asked[0].pieces.Pieces
	}
	room := 0
	for _, a := range g.asked {
		room += cap(a.pieces.Pieces)
	}
	all := make(chan engine.Piece, room)
	var open sync.WaitGroup
	for i, a := range g.asked {
		open.Go(func() {
			for p := range a.pieces.Pieces {
				p.Choice += i * g.q.made()
				all <- p
			}
			if firstError(a.pieces.Results()) != nil {
				g.cancel()
			}
		})
	}
	go func() {
		open.Wait()
		close(all)
	}()
	return all
}

// failed is why answers failed, nil when none did; that others were ended for it is not the reason. It may be called once the
// pieces have ended.
func (g *generation) failed() error {
	var failed error
	for _, a := range g.asked {
		if err := firstError(a.pieces.Results()); failed == nil || err != nil && !errors.Is(err, context.Canceled) {
			failed = err
		}
	}
	if failed != nil && g.server.base.Err() != nil {
		return engine.ErrClosed
	}
	return failed
}

func firstError(results []engine.Result) error {
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// whole waits for all choices and returns the answer in one piece.
func (g *generation) whole() (any, error) {
	for p := range g.pieces() {
		g.choices[p.Choice].take(p)
	}
	for _, c := range g.choices {
		c.ended()
	}
	if err := g.failed(); err != nil {
		return nil, err
	}
	if g.q.response != nil {
		c := g.choices[0]
		return g.response(c, newItem(g.ids[0], "", newPart(c.text.String(), c.logprobs())), c.record()), nil
	}
	return g.completion(), nil
}

// best are the choices to answer with. When more were made than wanted they are, for each prompt, those with the largest mean
// log-probability of a token, the best first, and otherwise all in their order.
func (g *generation) best() []*draft {
	if g.q.made() == g.q.n {
		return g.choices
	}
	var best []*draft
	for made := range slices.Chunk(g.choices, g.q.made()) {
		slices.SortStableFunc(made, func(a, b *draft) int { return cmp.Compare(b.meanLogProb(), a.meanLogProb()) })
		best = append(best, made[:g.q.n]...)
	}
	return best
}

// form is the shape of a stream. Its events are begin, the text of choices as it comes, the end of each, and finish or, where an
// answer failed, fail. A write that fails cancels the request, so its error is of no use here.
type form interface {
	begin()
	text(c *draft, text string)
	end(c *draft, from *origin)
	finish()
	fail(err error)
}

// form is the shape that the request asks for.
func (g *generation) form(e *events, requestID string) form {
	if g.q.response != nil {
		return &responseEvents{g: g, e: e, requestID: requestID}
	}
	return &chunks{g: g, e: e, requestID: requestID}
}

// stream sends the answer as it is made.
func (g *generation) stream(out form, e *events) {
	out.begin()
	ticker := time.NewTicker(g.server.cfg.KeepAlive)
	defer ticker.Stop()
	pieces := g.pieces()
	for open := true; open; {
		var p engine.Piece
		select {
		case p, open = <-pieces:
		case <-ticker.C:
			_ = e.comment() // a write that fails cancels the request, and the pieces end
			continue
		}
		if !open {
			break
		}
		c := g.choices[p.Choice]
		if text := c.take(p); text != "" {
			out.text(c, text)
			ticker.Reset(g.server.cfg.KeepAlive)
		}
		if p.Last {
			c.ended()
			from := c.record() // one that was cut off, too, with what its reader may have seen
			if c.result.Err == nil {
				out.end(c, from)
			}
		}
	}
	if err := g.failed(); err != nil {
		out.fail(err)
		return
	}
	out.finish()
}

// usage counts each prompt once, and the tokens of all choices that were made.
func (g *generation) usage() *usage {
	u := &usage{}
	for _, a := range g.asked {
		u.PromptTokens += len(a.tokens)
		u.Details.CachedTokens += a.pieces.Results()[0].Recalled
	}
	for _, c := range g.choices {
		u.CompletionTokens += len(c.tokens)
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}
