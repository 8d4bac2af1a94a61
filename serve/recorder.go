package serve

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"

	"nightshift/internal/redact"
	"nightshift/replaystore"
	"nightshift/serve/api"
)

// recorder writes interactions and feedback down, redacted.
type recorder struct {
	store    replaystore.Store
	redactor *redact.Redactor
	secret   []byte
	ledger   *ledger
	known    *known
}

// Subject implements api.Recorder.
func (r *recorder) Subject(user string) string { return Subject(r.secret, user) }

// Subject is the keyed hash under which a person's data is kept, of the name that clients give them; "" stays "".
func Subject(secret []byte, user string) string {
	if user == "" {
		return ""
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("subject\x00" + user))
	return hex.EncodeToString(mac.Sum(nil))[:32]
}

// Record implements api.Recorder. Tokens and log-probabilities of a redacted interaction are dropped: they would spell
// what was taken out.
func (r *recorder) Record(i replaystore.Interaction) (logged bool) {
	var spans []replaystore.Span
	for n := range i.Messages {
		i.Messages[n].Content = r.redact(&spans, fmt.Sprintf("messages.%d", n), i.Messages[n].Content)
	}
	i.Answer = r.redact(&spans, "answer", i.Answer)
	i.Sampling.Stop = slices.Clone(i.Sampling.Stop) // the request goes on with its own
	for n := range i.Sampling.Stop {
		i.Sampling.Stop[n] = r.redact(&spans, fmt.Sprintf("sampling.stop.%d", n), i.Sampling.Stop[n])
	}
	if i.Redacted = spans; len(spans) > 0 {
		i.PromptTokens, i.AnswerTokens, i.LogProbs = nil, nil, nil
	}
	return r.store.AppendAsync(replaystore.Event{Interaction: &i})
}

var interactionID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Recall implements api.Recorder.
func (r *recorder) Recall(ctx context.Context, id string, tracks []string) (replaystore.Interaction, error) {
	if interactionID.MatchString(id) {
		for _, track := range tracks {
			i, found, err := r.store.Interaction(ctx, track, id)
			if err != nil {
				return i, fmt.Errorf("find interaction %s: %w: %w", id, api.ErrUnavailable, err)
			}
			if found {
				return i, nil
			}
		}
	}
	return replaystore.Interaction{}, fmt.Errorf("find interaction %s: %w", clip(id), api.ErrUnknownInteraction)
}

// redact returns a text without personal data and notes where it was.
func (r *recorder) redact(spans *[]replaystore.Span, field, text string) string {
	clean, found := r.redactor.Text(text)
	for _, s := range found {
		*spans = append(*spans, replaystore.Span{Field: field, Start: s.At, End: s.At + len("[") + len(s.Rule) + len("]"), Rule: s.Rule})
	}
	return clean
}

// Known implements api.Recorder.
func (r *recorder) Known(ctx context.Context, track string, keys []string) (map[string]api.Said, error) {
	said, err := r.known.of(ctx, track, keys)
	if err != nil {
		return nil, fmt.Errorf("look for what is known: %w: %w", api.ErrUnavailable, err)
	}
	return said, nil
}

// Personal implements api.Recorder.
func (r *recorder) Personal(text string) (rules []string) {
	_, found := r.redactor.Text(text)
	for _, s := range found {
		rules = append(rules, s.Rule)
	}
	return rules
}

// Accept implements api.Recorder.
func (r *recorder) Accept(ctx context.Context, items []replaystore.Feedback) error {
	events := make([]replaystore.Event, len(items))
	for n := range items {
		f := items[n]
		if f.Correction != nil {
			clean := r.redact(&f.Redacted, "correction", *f.Correction)
			f.Correction = &clean
		}
		f.Comment = r.redact(&f.Redacted, "comment", f.Comment)
		events[n].Feedback = &f
	}
	undo, err := r.ledger.reserve(ctx, events)
	if err != nil {
		return err
	}
	if err := r.store.Append(ctx, events...); err != nil {
		undo()
		return fmt.Errorf("keep feedback: %w", err)
	}
	return nil
}
