package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
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
	c.Set("X-Nightshift-Adapter", g.ref.String())
	if !q.unrecorded {
		c.Set("X-Nightshift-Interaction", g.ids[0])
	}
	if len(q.ignored) > 0 {
		c.Set("X-Nightshift-Ignored", ignoredHeader(q.ignored))
	}
	if q.stream {
		id := requestID(c)
		return s.events(c, cancel, func(e *events) { g.stream(e, id) })
	}
	defer cancel()
	stop := watchSocket(c.Context().Conn(), s.cfg.SocketPoll, cancel)
	defer stop()
	answer, err := g.whole()
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, answer)
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
	g := &generation{server: s, q: q, cancel: cancel, subject: s.deps.Recorder.Subject(q.user), created: time.Now()}
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
		tokens, err := s.chatTokens(q)
		return []*asked{{prompt: prompt{at: "messages"}, tokens: tokens}}, err
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

// chatTokens renders a conversation.
func (s *Server) chatTokens(q *query) ([]int32, error) {
	m := s.deps.Model
	if m.Template == nil {
		return nil, badRequest("no_chat_template", "messages", "the model has no chat template; use /v1/completions")
	}
	ids, err := m.ChatTokensWith(q.messages, q.variables)
	if err != nil {
		var refusal *template.Refusal
		var variable *template.VariableError
		if errors.As(err, &variable) {
			path := join("chat_template_kwargs", variable.Name)
			return nil, badRequest("invalid_value", path, "%s %s", path, variable.Reason)
		}
		if errors.As(err, &refusal) {
			return nil, badRequest("refused_by_template", "messages", "the model's chat template refuses the conversation: %s", refusal.Message)
		}
		p := badRequest("not_rendered", "messages", "the model's chat template cannot render this conversation")
		p.cause = err
		return nil, p
	}
	return ids, nil
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
func (g *generation) whole() (completion, error) {
	for p := range g.pieces() {
		g.choices[p.Choice].take(p)
	}
	for _, c := range g.choices {
		c.ended()
	}
	if err := g.failed(); err != nil {
		return completion{}, err
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
		if len(g.ids) > 1 {
			one.Nightshift, one.Timings = from, times
		}
		answer.Choices = append(answer.Choices, one)
	}
	return answer, nil
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
			g.chunk(e, c.part(text, nil))
			ticker.Reset(g.server.cfg.KeepAlive)
		}
		if p.Last {
			g.endChoice(e, c)
		}
	}
	if err := g.failed(); err != nil {
		g.server.failStream(e, err, requestID)
		return
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
func (g *generation) endChoice(e *events, c *draft) {
	c.ended()
	from := c.record()
	if c.result.Err != nil {
		return // the stream says so once, for all choices
	}
	finish := string(c.result.Finish)
	last := g.frame(false)
	last.Choices = []choice{c.part("", &finish)}
	last.Nightshift, last.Timings = from, timingsOf(c.result)
	_ = e.send("", last) // a write that fails cancels the request
}

func (g *generation) chunk(e *events, part choice) {
	f := g.frame(false)
	f.Choices = []choice{part}
	_ = e.send("", f) // a write that fails cancels the request
}

// frame is what every chunk and answer of this generation has in common.
func (g *generation) frame(whole bool) completion {
	f := completion{ID: "cmpl-" + g.ids[0], Object: "text_completion", Created: g.created.Unix(), Model: g.ref.String(), SystemFingerprint: fingerprint(g.ref)}
	if g.q.chat {
		f.ID, f.Object = "chatcmpl-"+g.ids[0], "chat.completion"
		if !whole {
			f.Object = "chat.completion.chunk"
		}
	}
	return f
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
