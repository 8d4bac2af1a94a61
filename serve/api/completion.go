package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
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
	track, _ := registry.SplitName(q.model)
	if err := who.may(track); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.base)
	g, err := s.begin(ctx, q)
	if err != nil {
		cancel()
		return err
	}
	c.Set("X-Nightshift-Adapter", g.ref.String())
	c.Set("X-Nightshift-Interaction", g.id)
	if q.stream {
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
	return sendJSON(c, fiber.StatusOK, answer)
}

// generation is one answer in the making.
type generation struct {
	server  *Server
	q       query
	id      string
	ref     registry.Ref
	subject string
	created time.Time
	prompt  []int32
	pieces  *engine.Stream

	text     strings.Builder
	tokens   []int32
	logProbs []float32
	last     time.Time
}

// begin pins the version, makes the prompt's tokens and submits the request.
func (s *Server) begin(ctx context.Context, q query) (*generation, error) {
	g := &generation{server: s, q: q, id: replaystore.NewID(), subject: s.deps.Recorder.Subject(q.user), created: time.Now()}
	side := g.subject
	if side == "" {
		side = g.id
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
	if g.prompt, err = s.promptTokens(q); err != nil {
		pinned.Pin.Release()
		return nil, err
	}
	g.pieces, err = s.deps.Generator.Submit(ctx, engine.Request{Prompt: g.prompt, Pin: pinned.Pin, MaxTokens: q.maxTokens, Sampling: q.sampling, Stop: q.stop, MaxWait: s.cfg.MaxWait})
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

// promptTokens turns the request's text into tokens.
func (s *Server) promptTokens(q query) ([]int32, error) {
	m := s.deps.Model
	if !q.chat {
		return m.Tokenizer.Encode(nil, q.prompt), nil
	}
	if m.Template == nil {
		return nil, badRequest("no_chat_template", "messages", "the model has no chat template; use /v1/completions")
	}
	ids, err := m.ChatTokens(q.messages)
	if err != nil {
		var refusal *template.Refusal
		if errors.As(err, &refusal) {
			return nil, badRequest("refused_by_template", "messages", "the model's chat template refuses the conversation: %s", refusal.Message)
		}
		p := badRequest("not_rendered", "messages", "the model's chat template cannot render this conversation")
		p.cause = err
		return nil, p
	}
	return ids, nil
}

// take keeps a piece and observes its time.
func (g *generation) take(p engine.Piece) {
	now := time.Now()
	g.text.WriteString(p.Text)
	if !p.HasToken {
		return
	}
	m := g.server.metrics
	if g.last.IsZero() {
		m.firstToken.WithLabelValues().Observe(now.Sub(g.created).Seconds())
	} else {
		m.nextToken.WithLabelValues().Observe(now.Sub(g.last).Seconds())
	}
	g.last = now
	g.tokens = append(g.tokens, p.Token)
	g.logProbs = append(g.logProbs, p.LogProb)
}

// whole waits for the answer and returns it in one piece.
func (g *generation) whole() (completion, error) {
	for p := range g.pieces.Pieces {
		g.take(p)
	}
	result := g.pieces.Result()
	from := g.close(result)
	if result.Err != nil {
		return completion{}, result.Err
	}
	answer := g.frame(true)
	finish := string(result.Finish)
	one := choice{FinishReason: &finish}
	content := g.text.String()
	if g.q.chat {
		one.Message = &message{Role: "assistant", Content: content}
	} else {
		one.Text = &content
	}
	answer.Choices = []choice{one}
	answer.Usage, answer.Nightshift, answer.Timings = g.usage(), from, timingsOf(result)
	return answer, nil
}

// stream sends the answer as it is made.
func (g *generation) stream(e *events, requestID string) {
	if g.q.chat {
		empty := ""
		g.chunk(e, choice{Delta: &delta{Role: "assistant", Content: &empty}})
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
		g.take(p)
		if p.Text != "" {
			g.chunk(e, g.part(p.Text, nil))
			ticker.Reset(g.server.cfg.KeepAlive)
		}
	}
	result := g.pieces.Result()
	from := g.close(result)
	if result.Err != nil {
		if g.server.base.Err() != nil {
			result.Err = engine.ErrClosed
		}
		g.server.failStream(e, result.Err, requestID)
		return
	}
	finish := string(result.Finish)
	last := g.frame(false)
	last.Choices = []choice{g.part("", &finish)}
	last.Nightshift, last.Timings = from, timingsOf(result)
	_ = e.send("", last) // as above
	if g.q.includeUsage {
		total := g.frame(false)
		total.Choices, total.Usage = []choice{}, g.usage()
		_ = e.send("", total)
	}
	_ = e.write("data: [DONE]\n\n")
}

// part is the choice of a chunk: some text, or the end.
func (g *generation) part(text string, finish *string) choice {
	switch {
	case !g.q.chat:
		return choice{Text: &text, FinishReason: finish}
	case finish != nil:
		return choice{Delta: &delta{}, FinishReason: finish}
	}
	return choice{Delta: &delta{Content: &text}}
}

func (g *generation) chunk(e *events, part choice) {
	f := g.frame(false)
	f.Choices = []choice{part}
	_ = e.send("", f) // a write that fails cancels the request
}

// frame is what every chunk and answer of this generation has in common.
func (g *generation) frame(whole bool) completion {
	f := completion{ID: "cmpl-" + g.id, Object: "text_completion", Created: g.created.Unix(), Model: g.ref.String(), SystemFingerprint: fingerprint(g.ref)}
	if g.q.chat {
		f.ID, f.Object = "chatcmpl-"+g.id, "chat.completion"
		if !whole {
			f.Object = "chat.completion.chunk"
		}
	}
	return f
}

func (g *generation) usage() *usage {
	return &usage{PromptTokens: len(g.prompt), CompletionTokens: len(g.tokens), TotalTokens: len(g.prompt) + len(g.tokens)}
}

// close counts and records the answer, before its last byte is sent. An answer of which nothing was made leaves no
// record; one that was cut off is recorded with what its reader may have seen.
func (g *generation) close(result engine.Result) *origin {
	s := g.server
	finish := string(result.Finish)
	switch {
	case errors.Is(result.Err, context.Canceled), errors.Is(result.Err, engine.ErrClosed):
		finish = "cancelled"
	case result.Err != nil:
		finish = "error"
	}
	s.metrics.tokens.WithLabelValues(g.ref.Track, "answer").Add(float64(len(g.tokens)))
	s.metrics.answers.WithLabelValues(g.ref.Track, g.ref.String(), finish).Inc()
	s.metrics.wait.WithLabelValues().Observe(result.Timings.Queue.Seconds())
	from := &origin{Interaction: g.id, Track: g.ref.Track, Version: versionOf(g.ref), Digest: g.ref.Digest, FeedbackToken: s.feedbackToken(g.id, g.ref.Track)}
	if result.Err != nil && (len(g.tokens) == 0 || !g.q.stream) {
		return from
	}
	from.Logged = s.deps.Recorder.Record(g.interaction(finish))
	return from
}

// interaction is the record of the answer.
func (g *generation) interaction(finish string) replaystore.Interaction {
	i := replaystore.Interaction{
		ID: g.id, Track: g.ref.Track, Time: g.created, Subject: g.subject, Answer: g.text.String(),
		PromptTokens: g.prompt, AnswerTokens: g.tokens, LogProbs: g.logProbs, Finish: finish,
		Sampling: replaystore.Sampling{Temperature: g.q.sampling.Temperature, TopP: g.q.sampling.TopP, TopK: g.q.sampling.TopK,
			Seed: g.q.sampling.Seed, MaxTokens: g.q.maxTokens},
		Version: g.ref.Digest, VersionNumber: g.ref.Number, Weights: g.server.cfg.Weights, Latency: time.Since(g.created),
	}
	if !g.q.chat {
		i.Messages = []replaystore.Message{{Role: replaystore.RolePrompt, Content: g.q.prompt}}
		return i
	}
	i.TemplateHash = g.server.deps.Model.Template.Digest()
	for _, m := range g.q.messages {
		i.Messages = append(i.Messages, replaystore.Message{Role: m.Role, Content: m.Content})
	}
	return i
}
