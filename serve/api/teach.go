package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/teach"
	"nightshift/models/template"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// Limits of what is taught.
const (
	maxTeach    = 100 // items that one request may bring
	maxBatch    = 64  // bytes of a batch's name
	askedAtOnce = 4   // questions that the model is asked beside each other
	minAsked    = 64  // tokens that an answer to such a question may have
)

// Said is what was said to be the right answer to a question.
type Said struct {
	Answer  string
	Editor  bool
	Source  string // where it was taught from, "" where somebody corrected an answer
	Time    time.Time
	Learned bool // the track remembers it
}

// by names who said something.
func (s Said) by() string {
	switch {
	case s.Source != "":
		return s.Source
	case s.Editor:
		return "an editor"
	}
	return "a user"
}

// lesson is an item that is to be taught.
type lesson struct {
	messages []replaystore.Message
	answer   string
	source   string
	answers  int // tokens of the answer
	state    wire.TeachState
}

// teach takes questions with their answers as an editor's corrections of what the model says to them now.
func (s *Server) teach(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleEditor)
	if err != nil {
		return err
	}
	body, err := s.body(c)
	if err != nil {
		return err
	}
	q, lessons, err := decodeTeach(body)
	if err != nil {
		return err
	}
	if err := who.may(q.Track); err != nil {
		return err
	}
	if !slices.ContainsFunc(s.deps.Versions.Models(), func(m ModelInfo) bool { return m.Champion.Track == q.Track }) {
		return notFound("model_not_found", "track", "there is no track %q", clip(q.Track))
	}
	ctx, cancel := context.WithCancel(s.base)
	defer cancel()
	defer watchSocket(c.Context().Conn(), s.cfg.SocketPoll, cancel)()
	if err := s.judge(ctx, q, lessons); err != nil {
		return err
	}
	answer := wire.Taught{Track: q.Track, Subject: teach.SubjectPrefix + q.Batch, Context: s.deps.Model.Config.Context}
	if !q.DryRun {
		if err := s.take(ctx, q, lessons); err != nil {
			return err
		}
	}
	for _, l := range lessons {
		answer.Items = append(answer.Items, l.state)
		if l.state.Taught {
			answer.Taught++
		}
	}
	return sendJSON(c, fiber.StatusOK, answer)
}

// decodeTeach reads what is to be taught.
func decodeTeach(body []byte) (q wire.TeachRequest, lessons []*lesson, err error) {
	r, o, err := read(body)
	if err != nil {
		return q, nil, err
	}
	q.Track, q.Batch = o.need("track"), o.need("batch")
	q.DryRun, q.Again = o.bool("dry_run"), o.bool("again")
	if len(q.Batch) > maxBatch || !plainRequestID.MatchString(q.Batch) {
		r.fail(badRequest("invalid_value", "batch", "batch must be 1 to %d letters, digits, '.', '_' and '-'", maxBatch))
	}
	items, ok := o.list("items", maxTeach)
	if !ok || len(items) == 0 {
		r.fail(badRequest("missing_field", "items", "items must have 1 to %d questions with their answers", maxTeach))
	}
	if err := o.end(); err != nil {
		return q, nil, err
	}
	for i, v := range items {
		l, err := decodeLesson(r.object(fmt.Sprintf("items[%d]", i), v))
		if err != nil {
			return q, nil, err
		}
		if slices.ContainsFunc(lessons, func(other *lesson) bool { return teach.Key(other.messages) == teach.Key(l.messages) }) {
			return q, nil, badRequest("invalid_value", fmt.Sprintf("items[%d]", i), "items[%d] asks what another item asks", i)
		}
		lessons = append(lessons, l)
	}
	return q, lessons, nil
}

// decodeLesson reads one item.
func decodeLesson(o *object) (*lesson, error) {
	l := &lesson{answer: strings.TrimSpace(o.need("answer")), source: o.limited("source", replaystore.MaxName)}
	for _, m := range decodeMessages(o) {
		l.messages = append(l.messages, replaystore.Message{Role: m.Role, Content: m.Content})
	}
	if n := len(l.messages); n > 0 && l.messages[n-1].Role != "user" {
		o.r.fail(badRequest("invalid_value", o.at("messages"), "the last of %s is of role %s; it must be the question, of role user", o.at("messages"), l.messages[n-1].Role))
	}
	if l.source == "" {
		o.r.fail(badRequest("missing_field", o.at("source"), "%s must say where the answer comes from, such as file:faq.md#12", o.at("source")))
	}
	if l.answer == "" {
		o.r.fail(badRequest("invalid_value", o.at("answer"), "%s is empty", o.at("answer")))
	}
	return l, o.end()
}

// judge says of each item whether it can be taught, and what it would change.
func (s *Server) judge(ctx context.Context, q wire.TeachRequest, lessons []*lesson) error {
	keys := make([]string, len(lessons))
	for i, l := range lessons {
		keys[i] = teach.Key(l.messages)
	}
	known, err := s.deps.Recorder.Known(ctx, q.Track, keys)
	if err != nil {
		return err
	}
	m := s.deps.Model
	for i, l := range lessons {
		prompt, err := s.chatTokens(fmt.Sprintf("items[%d].messages", i), templateMessages(l.messages), nil, true)
		if err != nil {
			return err
		}
		l.answers = len(m.Answer(nil, l.answer))
		l.state = wire.TeachState{State: wire.TeachNew, Tokens: len(prompt) + l.answers}
		for _, text := range append([]string{l.answer}, texts(l.messages)...) {
			l.state.Rules = append(l.state.Rules, s.deps.Recorder.Personal(text)...)
		}
		slices.Sort(l.state.Rules)
		l.state.Rules = slices.Compact(l.state.Rules)
		said, found := known[keys[i]]
		switch {
		case l.state.Tokens > m.Config.Context:
			l.state.State = wire.TeachTooLong
		case len(l.state.Rules) > 0:
			l.state.State = wire.TeachRedacted
		case !found:
		case !teach.Same(said.Answer, l.answer):
			l.state.State, l.state.Before, l.state.By = wire.TeachChanges, said.Answer, said.by()
		case said.Learned:
			l.state.State = wire.TeachLearned
		default:
			l.state.State = wire.TeachSaid
		}
	}
	return nil
}

// wanted says whether an item is to be kept.
func wanted(state string, again bool) bool {
	return state == wire.TeachNew || state == wire.TeachChanges || again && (state == wire.TeachSaid || state == wire.TeachLearned)
}

// take asks the model what can be taught, and keeps its answers with what they should have been: all of these corrections, or none.
func (s *Server) take(ctx context.Context, q wire.TeachRequest, lessons []*lesson) error {
	user := teach.SubjectPrefix + q.Batch
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for _, l := range lessons {
		if wanted(l.state.State, q.Again) {
			group.Go(func() error { return s.ask(ctx, q.Track, user, l) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var items []replaystore.Feedback
	now := time.Now()
	for _, l := range lessons {
		if wanted(l.state.State, q.Again) {
			items = append(items, replaystore.Feedback{ID: replaystore.NewID(), Interaction: l.state.Interaction, Track: q.Track, Time: now, Subject: s.deps.Recorder.Subject(user),
				Correction: &l.answer, Editor: true, Source: l.source})
		}
	}
	if len(items) == 0 {
		return nil
	}
	if err := s.deps.Recorder.Accept(ctx, items); err != nil {
		return err
	}
	for _, l := range lessons {
		if l.state.Taught = wanted(l.state.State, q.Again); l.state.Taught {
			s.metrics.feedback.WithLabelValues(q.Track, "correction").Inc()
		}
	}
	return nil
}

// ask has the track answer a question as anybody would ask it, greedily and after everybody else, and records that. A night learns a
// correction by what it corrects, so that there must be some answer.
func (s *Server) ask(ctx context.Context, track, user string, l *lesson) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	room := s.deps.Model.Config.Context - (l.state.Tokens - l.answers)
	q := query{chat: true, model: track, messages: templateMessages(l.messages), n: 1, user: user, priority: maxPriority,
		maxTokens: min(max(minAsked, 2*l.answers), s.cfg.Defaults.Limit, room)}
	q.adjustment.MinTokens = 1
	g, err := s.begin(ctx, cancel, q)
	if err != nil {
		return err
	}
	for p := range g.pieces() {
		g.choices[p.Choice].take(p)
	}
	said := g.choices[0]
	said.ended()
	if err := g.failed(); err != nil {
		return err
	}
	in := said.interaction(g.ids[0])
	l.state.Interaction, l.state.Answered = in.ID, in.Answer
	if !s.deps.Recorder.Record(in) {
		return fmt.Errorf("keep the answer to a question that is taught: %w", ErrUnavailable)
	}
	return nil
}

// templateMessages are messages as templates take them.
func templateMessages(messages []replaystore.Message) []template.Message {
	list := make([]template.Message, len(messages))
	for i, m := range messages {
		list[i] = template.Message{Role: m.Role, Content: m.Content}
	}
	return list
}

// texts are what messages say.
func texts(messages []replaystore.Message) []string {
	list := make([]string, len(messages))
	for i, m := range messages {
		list[i] = m.Content
	}
	return list
}
