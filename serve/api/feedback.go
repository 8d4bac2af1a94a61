package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// Limits of feedback.
const (
	maxFeedback        = 100     // items that one request may bring
	maxComment         = 4 << 10 // bytes of a comment
	minCorrectionLimit = 4 << 10 // bytes of a correction that every model takes
	tokenBytes         = 4       // bytes of text in one token, generously
)

// onItsWay is how long after its beginning an interaction may be unknown here, because it comes from another server or has not ended.
const onItsWay = 10 * time.Minute

// UnknownInteraction is the error of an interaction that does not exist, or no more.
func UnknownInteraction(interaction string) error {
	return notFound("interaction_not_found", "interaction", "there is no interaction %q", clip(interaction))
}

// MaxFeedbackPerInteraction is how many items of feedback one interaction takes. Repeated ids do not count.
const MaxFeedbackPerInteraction = 32

// TooMuchFeedback is the error of an interaction that has all the feedback that it takes.
func TooMuchFeedback(interaction string) error {
	return &Problem{Status: fiber.StatusConflict, Type: typeConflict, Code: "too_much_feedback", Param: "interaction",
		Message: fmt.Sprintf("interaction %q has %d items of feedback, which is the maximum", clip(interaction), MaxFeedbackPerInteraction)}
}

// maxCorrection is the bytes that a correction may have: about what fits into the model's context. More could not be learned.
func (s *Server) maxCorrection() int {
	return max(minCorrectionLimit, tokenBytes*s.deps.Model.Config.Context)
}

// opinion is an item of feedback as a client sends it.
type opinion struct {
	path  string // of the item in the body, "" for a single one
	token string
	user  string // counts where the sender's key has the role feedback or editor
	event replaystore.Feedback
}

func (s *Server) feedback(c *fiber.Ctx) error {
	who, known, err := s.identify(c)
	if err != nil {
		return err
	}
	body, err := s.body(c)
	if err != nil {
		return err
	}
	opinions, err := decodeFeedback(body, s.maxCorrection())
	if err != nil {
		return err
	}
	now := time.Now()
	items := make([]replaystore.Feedback, 0, len(opinions))
	ids := make([]string, 0, len(opinions))
	for _, o := range opinions {
		if o.event.Track, err = s.feedbackTrack(c, o, who, known); err != nil {
			return err
		}
		if o.event.Editor && !(known && who.has(roleEditor) && who.sees(o.event.Track)) {
			return &Problem{Status: fiber.StatusForbidden, Type: typePermission, Code: "role_missing", Param: join(o.path, "editor"),
				Message: join(o.path, "editor") + " needs an API key with the role editor for the track of this answer; leave it out to give feedback like anybody"}
		}
		if known && who.rates() && who.sees(o.event.Track) {
			o.event.Subject = s.deps.Recorder.Subject(o.user)
		} // else its sender holds a token only: the person is the one whom the request named
		if o.event.ID == "" {
			o.event.ID = replaystore.NewID()
		}
		o.event.Time = now
		if err := (replaystore.Event{Feedback: &o.event}).Validate(); err != nil {
			return badRequest("invalid_value", o.path, "%s", err.Error())
		}
		items = append(items, o.event)
		ids = append(ids, o.event.ID)
	}
	if err := s.deps.Recorder.Accept(s.base, items); err != nil {
		return err
	}
	for _, f := range items {
		s.metrics.feedback.WithLabelValues(f.Track, feedbackKind(f)).Inc()
	}
	return sendJSON(c, fiber.StatusAccepted, wire.FeedbackAccepted{Accepted: len(ids), IDs: ids})
}

func feedbackKind(f replaystore.Feedback) string {
	switch {
	case f.Correction != nil:
		return "correction"
	case f.Rating == nil:
		return "comment"
	case *f.Rating < 0:
		return "negative"
	}
	return "positive"
}

// feedbackTrack finds the track of the interaction that an opinion is about, and whether its sender may rate it: with the
// answer's token, or with the role. A token proves that there is the interaction: while it may be on its way, it is not looked for.
func (s *Server) feedbackTrack(c *fiber.Ctx, o opinion, who caller, known bool) (string, error) {
	missing := notFound("interaction_not_found", join(o.path, "interaction"), "there is no interaction %q", clip(o.event.Interaction))
	if o.token != "" {
		track, ok := s.tokenTrack(o.token, o.event.Interaction)
		if !ok {
			return "", forbidden("wrong_token", "the feedback token does not belong to interaction %q", clip(o.event.Interaction))
		}
		if made, ok := replaystore.MadeAt(o.event.Interaction); ok && time.Since(made) < onItsWay {
			return track, nil
		}
		_, err := s.deps.Recorder.Recall(c.Context(), o.event.Interaction, []string{track})
		return track, orMissing(err, missing)
	}
	if !known {
		return "", &Problem{Status: 401, Type: typeKey, Code: "missing_token", Param: join(o.path, "token"),
			Message: "give the feedback token of the answer, or an API key with the role feedback"}
	}
	if !who.rates() {
		return "", forbidden("role_missing", "give the feedback token of the answer; this API key does not have the role feedback")
	}
	i, err := s.deps.Recorder.Recall(c.Context(), o.event.Interaction, s.tracksOf(who, ""))
	return i.Track, orMissing(err, missing)
}

func orMissing(err error, missing *Problem) error {
	if err == nil {
		return nil
	}
	if p := problemOf(err); p.Status == fiber.StatusNotFound {
		return missing
	}
	return err
}

// decodeFeedback reads one item or a batch.
func decodeFeedback(body []byte, maxCorrection int) ([]opinion, error) {
	r, o, err := read(body)
	if err != nil {
		return nil, err
	}
	items, batch := o.list("items", maxFeedback)
	if !batch {
		one, err := decodeOpinion(o, maxCorrection)
		return []opinion{one}, err
	}
	if len(items) == 0 {
		r.fail(badRequest("invalid_value", "items", "items is empty"))
	}
	if err := o.end(); err != nil {
		return nil, err
	}
	var all []opinion
	for i, v := range items {
		one, err := decodeOpinion(r.object(fmt.Sprintf("items[%d]", i), v), maxCorrection)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func decodeOpinion(o *object, maxCorrection int) (opinion, error) {
	p := opinion{path: o.path, event: replaystore.Feedback{Interaction: interactionOf(o.need("interaction")), ID: o.limited("id", replaystore.MaxID)}}
	if id, given := o.string("id"); given && id == "" {
		o.r.fail(badRequest("invalid_value", o.at("id"), "%s is empty; leave it out or give one", o.at("id")))
	}
	p.event.Editor = o.bool("editor")
	p.token, p.user = o.limited("token", 512), o.limited("user", maxUser)
	if v, ok := o.get("rating"); ok {
		rating := decodeRating(o, v)
		p.event.Rating = &rating
	}
	if text, ok := o.string("correction"); ok {
		if text == "" {
			o.r.fail(badRequest("invalid_value", o.at("correction"), "%s is empty", o.at("correction")))
		}
		if len(text) > maxCorrection {
			o.r.fail(badRequest("invalid_value", o.at("correction"), "%s has %d bytes, at most %d are allowed: the model's context holds no more",
				o.at("correction"), len(text), maxCorrection))
		}
		p.event.Correction = &text
	}
	p.event.Comment = o.limited("comment", maxComment)
	if p.event.Rating == nil && p.event.Correction == nil && p.event.Comment == "" {
		o.r.fail(badRequest("missing_field", o.path, "feedback needs at least one of rating, correction and comment"))
	}
	return p, o.end()
}

// interactionOf is the interaction of an answer's id, which may be all that a client has kept. Nothing but what comes before one is no
// interaction's id, and stays as it is.
func interactionOf(id string) string {
	for _, kind := range []string{wire.ChatPrefix, wire.TextPrefix, wire.ResponsePrefix, wire.MessagePrefix} {
		if bare, ok := strings.CutPrefix(id, kind); ok && bare != "" {
			return bare
		}
	}
	return id
}

// decodeRating reads a number from −1 to 1, or a thumb.
func decodeRating(o *object, v value) float64 {
	switch {
	case v.kind == number:
		return o.r.float(o.at("rating"), v, -1, 1)
	case v.kind == text && v.text == "up":
		return 1
	case v.kind == text && v.text == "down":
		return -1
	case v.kind == text:
		o.r.fail(badRequest("invalid_value", o.at("rating"), "%s is %q, it must be up, down or a number from -1 to 1", o.at("rating"), clip(v.text)))
	default:
		o.r.wrong(o.at("rating"), v, "up, down or a number from -1 to 1")
	}
	return 0
}
