package api

import (
	"strings"

	"nightshift/internal/registry"
	"nightshift/serve/api/wire"
)

// Bounds of what a route is chosen by.
const (
	routedQuestions = 4    // the last ones of a conversation
	routedTokens    = 1024 // the last ones of each
)

// resolve puts the track in the place of a model name that leaves it open, and checks that the caller may use it. What the caller
// may not use is not chosen either.
func (s *Server) resolve(q *query, who caller) error {
	track, selector := registry.SplitName(q.model)
	if !s.leavesOpen(track) {
		return who.may(track)
	}
	if selector != "" {
		return notFound("model_not_found", "model", "there is no model %q: %s has no versions of its own; name a track", clip(q.model), track)
	}
	choice := s.deps.Versions.Route(s.questions(q), who.sees)
	if choice.Track == "" {
		return forbidden("track_not_allowed", "this API key is for none of the tracks that %q chooses among: %s", track, strings.Join(s.cfg.Open.Tracks, ", "))
	}
	s.metrics.routed.WithLabelValues(choice.Track, map[bool]string{true: "fallback", false: "questions"}[choice.Fallback]).Inc()
	q.model, q.routed = choice.Track, &wire.Routed{Confidence: choice.Confidence, Fallback: choice.Fallback}
	return nil
}

// leavesOpen says whether a model name leaves the track open.
func (s *Server) leavesOpen(name string) bool {
	return name != "" && name == s.cfg.Open.Name
}

// questions are the tokens of what was asked, the last question last. What has no text that can be read is no question; the
// request is refused for it later.
func (s *Server) questions(q *query) [][]int32 {
	var list [][]int32
	add := func(tokens []int32) {
		list = append(list, tokens[max(0, len(tokens)-routedTokens):])
	}
	for _, p := range q.prompts {
		if len(p.ids) == 0 {
			p.ids = s.deps.Model.Tokenizer.Encode(nil, p.text)
		}
		add(p.ids)
	}
	for _, m := range q.messages {
		if m.Role == "user" {
			add(s.deps.Model.Tokenizer.Encode(nil, m.Content))
		}
	}
	return list[max(0, len(list)-routedQuestions):]
}

// routerModel is the model name that leaves the track open, for a caller who may use some of the tracks.
func (s *Server) routerModel(who caller) (wire.Model, bool) {
	o := wire.Model{Object: "model", OwnedBy: "nightshift"}
	if o.ID = s.cfg.Open.Name; o.ID == "" {
		return o, false
	}
	for _, track := range s.cfg.Open.Tracks {
		if who.sees(track) {
			o.Tracks = append(o.Tracks, track)
		}
	}
	return o, len(o.Tracks) > 0
}
