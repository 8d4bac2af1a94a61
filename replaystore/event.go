package replaystore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// NewID makes a unique id that sorts by time (UUID version 7).
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// MadeAt is when NewID made an id; ok is false for any other.
func MadeAt(id string) (t time.Time, ok bool) {
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.Version() != 7 || parsed.String() != id {
		return time.Time{}, false
	}
	seconds, nanoseconds := parsed.Time().UnixTime()
	return time.Unix(seconds, nanoseconds), true
}

// Erasure says that a subject's data up to a time was deleted. It keeps the keyed hash so that late copies of what was
// deleted, from another server's journal for instance, can be recognised and refused.
type Erasure struct {
	ID      string    `json:"id"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
	Tracks  []string  `json:"tracks,omitempty"` // where something was deleted, sorted
	// Interactions are the ids of the deleted ones, sorted: what is made from them must go too, wherever it is.
	Interactions []string `json:"interactions,omitempty"`
}

// Covers reports whether a record of the subject at that time is erased.
func (e *Erasure) Covers(subject string, t time.Time) bool {
	return subject != "" && subject == e.Subject && !t.After(e.Time)
}

// Event is what a track's history is made of. Exactly one field is set.
type Event struct {
	Interaction *Interaction
	Feedback    *Feedback
	Erasure     *Erasure
}

// Key identifies an event within its track. Feedback ids are chosen by clients and count per interaction, so one client
// cannot occupy another's id.
func (e Event) Key() string {
	switch {
	case e.Interaction != nil:
		return InteractionKey(e.Interaction.ID)
	case e.Feedback != nil:
		return "f:" + e.Feedback.Interaction + "/" + e.Feedback.ID
	case e.Erasure != nil:
		return "e:" + e.Erasure.ID
	}
	return ""
}

// InteractionKey is the Key of the interaction with that id.
func InteractionKey(id string) string { return "i:" + id }

// Track is the track of an interaction or feedback; an erasure has none of its own.
func (e Event) Track() string {
	switch {
	case e.Interaction != nil:
		return e.Interaction.Track
	case e.Feedback != nil:
		return e.Feedback.Track
	}
	return ""
}

// Time is when the event happened.
func (e Event) Time() time.Time {
	switch {
	case e.Interaction != nil:
		return e.Interaction.Time
	case e.Feedback != nil:
		return e.Feedback.Time
	case e.Erasure != nil:
		return e.Erasure.Time
	}
	return time.Time{}
}

// Subject is the keyed hash of the person the event is from.
func (e Event) Subject() string {
	switch {
	case e.Interaction != nil:
		return e.Interaction.Subject
	case e.Feedback != nil:
		return e.Feedback.Subject
	case e.Erasure != nil:
		return e.Erasure.Subject
	}
	return ""
}

// InteractionID is the id of the interaction the event is, or is about; "" for an erasure.
func (e Event) InteractionID() string {
	switch {
	case e.Interaction != nil:
		return e.Interaction.ID
	case e.Feedback != nil:
		return e.Feedback.Interaction
	}
	return ""
}

// EncodingVersion is written into every encoded event. Fields may be added under the same number; a change of meaning
// takes a new one.
const EncodingVersion = 1

// wireEvent is the JSON form of an event.
type wireEvent struct {
	V           int          `json:"v"`
	Interaction *Interaction `json:"interaction,omitempty"`
	Feedback    *Feedback    `json:"feedback,omitempty"`
	Erasure     *Erasure     `json:"erasure,omitempty"`
}

// Encode validates the event and returns its canonical JSON: fixed field order, UTC times, no HTML escapes, no newline.
func (e Event) Encode() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	w := wireEvent{V: EncodingVersion}
	switch {
	case e.Interaction != nil:
		i := *e.Interaction
		i.Time = canonicalTime(i.Time)
		w.Interaction = &i
	case e.Feedback != nil:
		f := *e.Feedback
		f.Time = canonicalTime(f.Time)
		w.Feedback = &f
	default:
		x := *e.Erasure
		x.Time = canonicalTime(x.Time)
		w.Erasure = &x
	}
	data, err := EncodeJSON(w)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.Key(), err)
	}
	if len(data) > MaxEncoded {
		return nil, invalid("event "+e.Key(), "is %d bytes when encoded; the limit is %d", len(data), MaxEncoded)
	}
	return data, nil
}

// DecodeEvent reads what Encode wrote and validates it.
func DecodeEvent(data []byte) (Event, error) {
	var w wireEvent
	if err := json.Unmarshal(data, &w); err != nil {
		return Event{}, fmt.Errorf("decode event: %w", err)
	}
	if w.V != EncodingVersion {
		return Event{}, fmt.Errorf("decode event: encoding version %d, this program reads version %d", w.V, EncodingVersion)
	}
	e := Event{Interaction: w.Interaction, Feedback: w.Feedback, Erasure: w.Erasure}
	if err := e.Validate(); err != nil {
		return Event{}, fmt.Errorf("decode event: %w", err)
	}
	return e, nil
}

// EncodeJSON is json.Marshal without HTML escapes.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// canonicalTime drops the zone and the monotonic reading.
func canonicalTime(t time.Time) time.Time { return t.Round(0).UTC() }
