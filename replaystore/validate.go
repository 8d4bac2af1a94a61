package replaystore

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Limits of one event. They keep a journal record and a Redis value at a size that moves in one piece.
const (
	MaxTrack    = 64       // bytes of a track's name
	MaxID       = 128      // bytes of an id or a subject
	MaxName     = 256      // bytes of a version, a template hash, a finish reason, a stratum
	MaxMessages = 1024     // messages of one conversation
	MaxText     = 1 << 20  // bytes of one text
	MaxTokens   = 1 << 20  // tokens of a prompt or of an answer
	MaxStops    = 64       // stop strings of one answer, each a text of at most MaxName bytes
	MaxBiases   = 100_000  // tokens with a bias of one answer
	MaxSpans    = 10_000   // redacted spans of one event
	MaxEncoded  = 12 << 20 // bytes of an encoded event or memory item
	MaxWeight   = 1e6      // weight of an example; the smallest is 1e-6
)

// InvalidError says which field of which thing is wrong, and what would be right.
type InvalidError struct {
	What   string // "interaction 0192…", "feedback f1", "track"
	Reason string
}

func (e *InvalidError) Error() string { return e.What + " " + e.Reason }

func invalid(what, format string, args ...any) error {
	return &InvalidError{What: what, Reason: fmt.Sprintf(format, args...)}
}

// Validate checks sizes, encodings and ranges. Its errors are *InvalidError.
func (e Event) Validate() error {
	set := 0
	for _, is := range []bool{e.Interaction != nil, e.Feedback != nil, e.Erasure != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return invalid("event", "must have exactly one of interaction, feedback and erasure; it has %d", set)
	}
	switch {
	case e.Interaction != nil:
		return e.Interaction.validate()
	case e.Feedback != nil:
		return e.Feedback.validate()
	}
	return e.Erasure.validate()
}

// ValidTrack checks a track's name: 1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit.
func ValidTrack(track string) error {
	if !plainName(track, MaxTrack) {
		return invalid("track "+clip(track), "must be 1 to %d letters, digits, '.', '_' or '-', starting with a letter or digit", MaxTrack)
	}
	return nil
}

// ValidSubject checks a subject's keyed hash: 1 to 128 printable ASCII characters without spaces.
func ValidSubject(subject string) error {
	if !printable(subject) {
		return invalid("subject", "must be 1 to %d printable ASCII characters without spaces", MaxID)
	}
	return nil
}

func (i *Interaction) validate() error {
	if !plainName(i.ID, MaxID) {
		return invalid("interaction "+clip(i.ID), "must have an id of 1 to %d letters, digits, '.', '_' or '-'", MaxID)
	}
	what := "interaction " + i.ID
	if err := common(what, i.Track, i.Subject, i.Time, i.Redacted); err != nil {
		return err
	}
	if err := validMessages(what, i.Messages); err != nil {
		return err
	}
	if err := validText(what, "answer", i.Answer); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{{"finish", i.Finish}, {"version", i.Version}, {"weights", i.Weights}, {"template_hash", i.TemplateHash}} {
		if err := validName(what, f.name, f.value); err != nil {
			return err
		}
	}
	if err := validTokens(what, "prompt_tokens", i.PromptTokens); err != nil {
		return err
	}
	if err := validTokens(what, "answer_tokens", i.AnswerTokens); err != nil {
		return err
	}
	if n := len(i.LogProbs); n > 0 {
		if len(i.Redacted) > 0 {
			return invalid(what, "is redacted, so its logprobs must be dropped")
		}
		if n != len(i.AnswerTokens) {
			return invalid(what, "has %d logprobs for %d answer tokens; give one a token or none", n, len(i.AnswerTokens))
		}
	}
	for n, v := range i.LogProbs {
		if !finite(float64(v)) || v > 1e-3 {
			return invalid(what, "logprobs[%d] is %v; it must be finite and not above 0", n, v)
		}
	}
	if i.Previous != "" && !plainName(i.Previous, MaxID) {
		return invalid(what, "must name the interaction that it goes on from by its id")
	}
	if i.VersionNumber < 0 || i.Latency < 0 {
		return invalid(what, "has a negative version number or latency")
	}
	return i.Sampling.validate(what)
}

func (s *Sampling) validate(what string) error {
	for _, f := range []struct {
		name  string
		value float32
	}{{"temperature", s.Temperature}, {"top_p", s.TopP}, {"min_p", s.MinP}, {"repetition_penalty", s.Repetition}, {"presence_penalty", s.Presence},
		{"frequency_penalty", s.Frequency}} {
		if !finite(float64(f.value)) {
			return invalid(what, "%s is %v; it must be a finite number", f.name, f.value)
		}
	}
	if s.TopK < 0 || s.MaxTokens < 0 || s.MinTokens < 0 {
		return invalid(what, "has a negative top_k, max_tokens or min_tokens")
	}
	if len(s.LogitBias) > MaxBiases {
		return invalid(what, "logit_bias has %d tokens; the limit is %d", len(s.LogitBias), MaxBiases)
	}
	if len(s.Stop) > MaxStops {
		return invalid(what, "stop has %d strings; the limit is %d", len(s.Stop), MaxStops)
	}
	for id, v := range s.LogitBias {
		if id < 0 || !finite(float64(v)) {
			return invalid(what, "logit_bias of token %d is %v; it must be finite, and token ids are not negative", id, v)
		}
	}
	for n, stop := range s.Stop {
		if err := validName(what, fmt.Sprintf("stop[%d]", n), stop); err != nil {
			return err
		}
	}
	return nil
}

func (f *Feedback) validate() error {
	if !printable(f.ID) {
		return invalid("feedback", "must have an id of 1 to %d printable ASCII characters without spaces", MaxID)
	}
	what := "feedback " + f.ID
	if !plainName(f.Interaction, MaxID) {
		return invalid(what, "must name its interaction by id")
	}
	if err := common(what, f.Track, f.Subject, f.Time, f.Redacted); err != nil {
		return err
	}
	if f.Rating == nil && f.Correction == nil && f.Comment == "" {
		return invalid(what, "is empty; give a rating, a correction or a comment")
	}
	if f.Rating != nil && !(*f.Rating >= -1 && *f.Rating <= 1) {
		return invalid(what, "has rating %v; it must be from -1 to 1", *f.Rating)
	}
	if f.Correction != nil {
		if err := validText(what, "correction", *f.Correction); err != nil {
			return err
		}
	}
	if err := validName(what, "source", f.Source); err != nil {
		return err
	}
	return validText(what, "comment", f.Comment)
}

func (e *Erasure) validate() error {
	if !plainName(e.ID, MaxID) {
		return invalid("erasure", "must have an id")
	}
	if err := ValidSubject(e.Subject); err != nil {
		return err
	}
	for _, t := range e.Tracks {
		if err := ValidTrack(t); err != nil {
			return err
		}
	}
	for _, id := range e.Interactions {
		if !plainName(id, MaxID) {
			return invalid("erasure "+e.ID, "names an interaction by a bad id")
		}
	}
	return validTime("erasure "+e.ID, e.Time)
}

// common checks the fields that interactions and feedback share.
func common(what, track, subject string, t time.Time, spans []Span) error {
	if err := ValidTrack(track); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if subject != "" {
		if err := ValidSubject(subject); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := validTime(what, t); err != nil {
		return err
	}
	if len(spans) > MaxSpans {
		return invalid(what, "has %d redacted spans; the limit is %d", len(spans), MaxSpans)
	}
	for n, s := range spans {
		if s.Start < 0 || s.End < s.Start || len(s.Field) > MaxName || len(s.Rule) > MaxName || !utf8.ValidString(s.Field+s.Rule) {
			return invalid(what, "redacted[%d] is not a span: start %d, end %d", n, s.Start, s.End)
		}
	}
	return nil
}

// validTime wants a time that JSON and a millisecond index can hold.
func validTime(what string, t time.Time) error {
	if y := t.UTC().Year(); y < 1970 || y > 9999 {
		return invalid(what, "must have a time between the years 1970 and 9999")
	}
	return nil
}

func validMessages(what string, messages []Message) error {
	if n := len(messages); n == 0 || n > MaxMessages {
		return invalid(what, "has %d messages; it must have 1 to %d", n, MaxMessages)
	}
	total := 0
	for n, m := range messages {
		if m.Role == "" {
			return invalid(what, "messages[%d] has no role", n)
		}
		if err := validName(what, fmt.Sprintf("messages[%d].role", n), m.Role); err != nil {
			return err
		}
		if err := validText(what, fmt.Sprintf("messages[%d].content", n), m.Content); err != nil {
			return err
		}
		total += len(m.Content)
	}
	if total > MaxText {
		return invalid(what, "has %d bytes of messages; the limit is %d", total, MaxText)
	}
	return nil
}

func validText(what, field, text string) error {
	if len(text) > MaxText {
		return invalid(what, "%s is %d bytes; the limit is %d", field, len(text), MaxText)
	}
	if !utf8.ValidString(text) {
		return invalid(what, "%s is not valid UTF-8", field)
	}
	return nil
}

func validName(what, field, name string) error {
	if len(name) > MaxName || !utf8.ValidString(name) {
		return invalid(what, "%s must be valid UTF-8 of at most %d bytes", field, MaxName)
	}
	return nil
}

func validTokens(what, field string, tokens []int32) error {
	if len(tokens) > MaxTokens {
		return invalid(what, "%s has %d tokens; the limit is %d", field, len(tokens), MaxTokens)
	}
	for n, t := range tokens {
		if t < 0 {
			return invalid(what, "%s[%d] is %d; token ids are not negative", field, n, t)
		}
	}
	return nil
}

func plainName(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for n, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (n == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

func printable(s string) bool {
	if s == "" || len(s) > MaxID {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// clip keeps an invalid name short and printable in an error.
func clip(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return fmt.Sprintf("%q", s)
}
