package api

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/internal/sampling"
	"nightshift/models/template"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
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
	c.Set(wire.HeaderAdapter, g.ref.String())
	tellIgnored(c, g.q.ignored)
	if g.q.unrecorded {
		return
	}
	ids := g.ids[:min(len(g.ids), headChoices)]
	tokens := make([]string, len(ids))
	for i, id := range ids {
		tokens[i] = g.server.feedbackToken(id, g.ref.Track)
	}
	c.Set(wire.HeaderInteraction, strings.Join(ids, ","))
	c.Set(wire.HeaderFeedback, strings.Join(tokens, ","))
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
	pieces  <-chan engine.Piece
	answers Answers
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
	a.pieces, a.answers, err = g.server.deps.Generator.Submit(ctx, engine.Request{Prompt: a.tokens, Pin: pin, MaxTokens: q.maxTokens, Sampling: q.sampling, Adjustment: q.adjustment,
		Choices: q.made(), TopLogProbs: q.top, PromptLogProbs: q.echo && (q.logProbs || q.maxTokens == 0), Stop: q.stop, IgnoreEOS: q.ignoreEOS, ShowSpecial: q.showSpecial, GoesOn: !q.chat, Priority: q.priority, Group: g.ref.Track,
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
