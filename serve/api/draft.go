package api

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// draft is one choice of a generation in the making. Each that is answered is an interaction of its own, with its own
// feedback token, because a reader rates one answer and not all of them.
type draft struct {
	g        *generation
	of       *asked // what it answers
	choice   int    // which of the engine's answers to that
	index    int    // as its reader sees it
	seed     uint64
	text     strings.Builder
	plain    strings.Builder // without special tokens, as it is recorded
	tokens   []int32
	logProbs []float32
	last     time.Time
	echoed   bool
	marks    marks
	result   engine.Result
}

// take keeps a piece, observes its time and returns the text to show: the prompt comes first when it is echoed.
func (c *draft) take(p engine.Piece) (show string) {
	show = p.Text
	if c.g.q.echo && !c.echoed {
		c.echoed = true
		c.markPrompt()
		show = c.of.shown + show
	}
	c.text.WriteString(p.Text)
	c.plain.WriteString(p.Plain)
	if !p.HasToken {
		return show
	}
	now, m := time.Now(), c.g.server.metrics
	if c.last.IsZero() {
		m.firstToken.WithLabelValues().Observe(now.Sub(c.g.created).Seconds())
	} else {
		latency := now.Sub(c.last)
		m.nextToken.WithLabelValues().Observe(latency.Seconds())
		if told := c.g.server.deps.InterToken; told != nil {
			told(latency)
		}
	}
	c.last = now
	c.tokens = append(c.tokens, p.Token)
	c.logProbs = append(c.logProbs, p.LogProb)
	if c.g.q.logProbs && !p.End {
		c.mark(p.Token, &p.LogProb, p.Top)
	}
	return show
}

// markPrompt notes the log-probabilities of the prompt's tokens; the first has none.
func (c *draft) markPrompt() {
	if !c.g.q.logProbs {
		return
	}
	known := c.of.answers.Prompt()
	for i, id := range c.of.tokens {
		if i == 0 || i >= len(known) {
			c.mark(id, nil, nil)
			continue
		}
		c.mark(id, &known[i].LogProb, known[i].Top)
	}
	c.marks.endText()
}

// mark notes the log-probability of a token.
func (c *draft) mark(id int32, logProb *float32, top []sampling.Choice) {
	c.marks.add(c.g.server.deps.Model.Tokenizer, id, c.g.q.showSpecial, logProb, top)
}

// meanLogProb is what best_of chooses by; an answer without a token, which a timeout leaves, is the last choice.
func (c *draft) meanLogProb() float64 {
	if len(c.tokens) == 0 {
		return math.Inf(-1)
	}
	sum := 0.0
	for _, v := range c.logProbs {
		sum += float64(v)
	}
	return sum / float64(len(c.logProbs))
}

// part is the choice of a chunk: some text, or the end.
func (c *draft) part(text string, finish *string) wire.Choice {
	one := wire.Choice{Index: c.index, Logprobs: c.wireLogprobs(), FinishReason: finish}
	switch {
	case !c.g.q.chat:
		one.Text = &text
	case finish != nil:
		one.Delta = &wire.Delta{}
	default:
		one.Delta = &wire.Delta{Content: &text}
	}
	return one
}

// whole is the choice of an answer in one piece.
func (c *draft) whole() wire.Choice {
	finish, content := string(c.result.Finish), c.text.String()
	one := wire.Choice{Index: c.index, Logprobs: c.wireLogprobs(), FinishReason: &finish}
	if c.g.q.chat {
		one.Message = &wire.Message{Role: "assistant", Content: content}
		return one
	}
	if c.g.q.echo {
		content = c.of.shown + content
	}
	one.Text = &content
	return one
}

// wireLogprobs are the log-probabilities that were not sent yet, nil when none were asked for.
func (c *draft) wireLogprobs() any {
	marks := c.marks.list
	c.marks.list = nil
	switch {
	case !c.g.q.logProbs, len(marks) == 0 && c.g.q.stream:
		return nil
	case c.g.q.chat:
		return chatLogprobsOf(marks)
	}
	return textLogprobsOf(marks)
}

// ended keeps how the choice ended and counts it. Its last piece has come.
func (c *draft) ended() {
	r := c.of.answers.Ended(c.choice)
	c.result = r
	m, ref := c.g.server.metrics, c.g.ref
	m.tokens.WithLabelValues(ref.Track, "answer").Add(float64(len(c.tokens)))
	m.answers.WithLabelValues(ref.Track, ref.String(), c.finish()).Inc()
	m.wait.WithLabelValues().Observe(r.Timings.Queue.Seconds())
}

// finish is how the choice ended, for records.
func (c *draft) finish() string {
	switch err := c.result.Err; {
	case errors.Is(err, context.Canceled), errors.Is(err, engine.ErrClosed):
		return "cancelled"
	case err != nil:
		return "error"
	}
	return string(c.result.Finish)
}

// record writes the choice down, before its last byte is sent. One of which nothing was made leaves no record, unless its reader
// has the feedback token already, which the head of a stream brings. Neither does one whose request asks for none: it cannot be
// rated.
func (c *draft) record() *wire.Origin {
	s, ref, id := c.g.server, c.g.ref, c.g.ids[c.index]
	from := &wire.Origin{Interaction: id, Track: ref.Track, Version: versionOf(ref), Digest: ref.Digest, Routed: c.g.q.routed}
	if c.g.q.unrecorded {
		from.Note = "nothing of this answer was recorded, because the request says store: false; it cannot be rated"
		return from
	}
	from.FeedbackToken = s.feedbackToken(id, ref.Track)
	if len(c.tokens) > 0 || c.g.q.stream {
		from.Logged = s.deps.Recorder.Record(c.interaction(id))
	}
	return from
}

// interaction is the record of the choice.
func (c *draft) interaction(id string) replaystore.Interaction {
	g := c.g
	i := replaystore.Interaction{
		ID: id, Track: g.ref.Track, Time: g.created, Subject: g.subject, Answer: c.plain.String(),
		PromptTokens: c.of.tokens, AnswerTokens: c.tokens, LogProbs: c.logProbs, Finish: c.finish(),
		Sampling: g.q.record(c.seed), Version: g.ref.Digest, VersionNumber: g.ref.Number, Weights: g.server.cfg.Weights, Latency: time.Since(g.created),
	}
	if !g.q.chat {
		i.SpecialPrompt = c.of.special
		i.Messages = []replaystore.Message{{Role: replaystore.RolePrompt, Content: c.of.text}}
		return i
	}
	if t, err := g.server.deps.Model.Template.With(g.q.variables); err == nil { // they were accepted when the prompt was made
		i.TemplateHash = t.Digest()
	}
	if a := g.q.response; a != nil {
		i.Instructed, i.Previous = a.instructions != "", a.previous
	}
	for _, m := range g.q.messages {
		i.Messages = append(i.Messages, replaystore.Message{Role: m.Role, Content: m.Content})
	}
	return i
}
