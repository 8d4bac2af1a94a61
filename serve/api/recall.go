package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"nightshift/internal/registry"
	"nightshift/models/template"
	"nightshift/replaystore"
)

// An interaction that was made a moment ago may come from another server of the store: it is looked for again after recallFirst,
// and after twice as long each time, up to recallLast.
const (
	recallFirst = 20 * time.Millisecond
	recallLast  = 640 * time.Millisecond
)

// recall puts what a request means by ids into its conversation: the answers that it refers to, and the conversation that it goes on
// from. Whose they are the answer is, too, so that it is erased with them.
func (s *Server) recall(ctx context.Context, q *query, who caller) error {
	a := q.response
	tracks := s.tracksOf(who, q.model)
	for at, r := range a.references {
		i, err := s.remembered(ctx, r.interaction, tracks)
		if err != nil {
			return orMissing(err, notFound("item_not_found", r.at, "there is no item %q: %s", clip(r.id), whyGone))
		}
		if err := s.goesOn(q, i, r.at); err != nil {
			return err
		}
		q.messages[at].Content = i.Answer
	}
	if a.previous != "" {
		const field = "previous_response_id"
		i, err := s.remembered(ctx, a.previous, tracks)
		if err != nil {
			return orMissing(err, notFound("previous_response_not_found", field, "there is no response %q: %s", clip(a.previousID), whyGone))
		}
		if err := s.goesOn(q, i, field); err != nil {
			return err
		}
		q.messages = append(conversation(i), q.messages...)
	}
	if a.instructions != "" {
		q.messages = append([]template.Message{{Role: "system", Content: a.instructions}}, q.messages...)
	}
	if len(q.messages) > replaystore.MaxMessages {
		return badRequest("invalid_value", "input", "the conversation has %d messages, at most %d are allowed", len(q.messages), replaystore.MaxMessages)
	}
	return nil
}

// whyGone says why an id may lead nowhere.
const whyGone = "it was not recorded, was forgotten with its person, is too old, or belongs to a track that this API key is not for"

// goesOn notes whose conversation goes on. An answer belongs to one person.
func (s *Server) goesOn(q *query, i replaystore.Interaction, at string) error {
	if len(i.Messages) == 1 && i.Messages[0].Role == replaystore.RolePrompt {
		return badRequest("invalid_value", at, "%s is a raw completion, no conversation can go on from it", at)
	}
	if i.Subject == "" {
		return nil
	}
	if mine := s.deps.Recorder.Subject(q.user); mine != "" && mine != i.Subject || q.subject != "" && q.subject != i.Subject {
		return badRequest("another_user", at, "%s is from a conversation with another user; an answer is forgotten with one person, so it goes on from what that one said only", at)
	}
	q.subject = i.Subject
	return nil
}

// conversation is what an interaction leaves to the next: all that was said but the instructions, which are for one answer.
func conversation(i replaystore.Interaction) []template.Message {
	var list []template.Message
	for _, m := range i.Messages {
		list = append(list, template.Message{Role: m.Role, Content: m.Content})
	}
	if i.Instructed && len(list) > 0 {
		list = list[1:]
	}
	return append(list, template.Message{Role: "assistant", Content: i.Answer})
}

// tracksOf are the tracks that the caller may use, that of a model name first.
func (s *Server) tracksOf(who caller, model string) []string {
	var tracks []string
	for _, m := range s.deps.Versions.Models() {
		if who.sees(m.Champion.Track) {
			tracks = append(tracks, m.Champion.Track)
		}
	}
	first, _ := registry.SplitName(model)
	slices.SortStableFunc(tracks, func(a, b string) int {
		switch {
		case a == first && b != first:
			return -1
		case b == first && a != first:
			return 1
		}
		return 0
	})
	return tracks
}

// remembered finds an interaction of one of the tracks, and waits a moment for one that may be on its way.
func (s *Server) remembered(ctx context.Context, id string, tracks []string) (replaystore.Interaction, error) {
	i, err := s.deps.Recorder.Recall(ctx, id, tracks)
	made, ok := replaystore.MadeAt(id)
	if !ok || time.Since(made) > onItsWay || !errors.Is(err, ErrUnknownInteraction) {
		return i, err
	}
	for pause := recallFirst; pause <= recallLast && errors.Is(err, ErrUnknownInteraction); pause *= 2 {
		select {
		case <-ctx.Done():
			return i, ctx.Err()
		case <-time.After(pause):
		}
		i, err = s.deps.Recorder.Recall(ctx, id, tracks)
	}
	return i, err
}

// conversationTokens renders a request's conversation. Where it may be truncated and does not leave room for an answer, the oldest
// messages go: instructions and other messages of the system stay, and so does the last.
func (s *Server) conversationTokens(q *query) ([]int32, error) {
	tokens, err := s.chatTokens(q.field(), q.messages, q.variables, true)
	if q.response == nil || !q.response.truncate {
		return tokens, err
	}
	limit := s.deps.Model.Config.Context
	limit -= min(q.maxTokens, limit/4)
	for err == nil && len(tokens) > limit {
		shorter, ok := withoutOldest(q.messages)
		if !ok {
			break
		}
		q.messages = shorter
		tokens, err = s.chatTokens(q.field(), q.messages, q.variables, true)
	}
	return tokens, err
}

// withoutOldest drops the first message that is not the system's, with the answers to it; ok is false where that is the last.
func withoutOldest(messages []template.Message) (shorter []template.Message, ok bool) {
	first := slices.IndexFunc(messages, func(m template.Message) bool { return m.Role != "system" })
	if first < 0 || first == len(messages)-1 {
		return messages, false
	}
	end := first + 1
	for end < len(messages)-1 && messages[end].Role == "assistant" {
		end++
	}
	return slices.Delete(slices.Clone(messages), first, end), true
}
