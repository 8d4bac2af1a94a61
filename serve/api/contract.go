package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// Generator makes answers: the engine. It owns the request's pin from the call on.
type Generator interface {
	Submit(ctx context.Context, r engine.Request) (*engine.Stream, error)
}

// Pinned is a version that is held for one request.
type Pinned struct {
	Ref registry.Ref
	Pin *engine.Pin
}

// Versions resolves model names.
type Versions interface {
	// Pin holds the version that a model name means now. subject decides on which side of a canary the request is; the
	// same subject is always on the same side. The errors wrap ErrUnknownModel or ErrNotReady.
	Pin(ctx context.Context, model, subject string) (Pinned, error)
	// Models lists the tracks that can be asked, sorted, with what serves each.
	Models() []ModelInfo
}

// ModelInfo is a track as /v1/models lists it.
type ModelInfo struct {
	Champion registry.Ref // Track is the model's name
	Created  time.Time
}

// Router picks the track of a request whose model name leaves it open.
type Router interface {
	// Model is the name of such requests, "" where there are none.
	Model() string
	// Tracks are those that it chooses among.
	Tracks() []string
	// Route chooses among the tracks that the caller may use by the tokens of what was asked, the last question last.
	Route(questions [][]int32, may func(track string) bool) Route
}

// Route is the choice of a track.
type Route struct {
	Track      string  // "" when the caller may use none
	Confidence float64 // that the request is the track's, 0 to 1; where Fallback is set, that it is the likeliest one's
	Fallback   bool    // not by what was asked: that speaks for no track
}

// Recorder keeps interactions.
type Recorder interface {
	// Subject turns a client's name for a person into a keyed hash; "" stays "".
	Subject(user string) string
	// Record redacts and keeps an interaction; logged says whether it is written.
	Record(i replaystore.Interaction) (logged bool)
	// Recall returns an interaction, which is looked for in the given tracks; ErrUnknownInteraction otherwise.
	Recall(ctx context.Context, id string, tracks []string) (replaystore.Interaction, error)
}

// FeedbackBox takes feedback.
type FeedbackBox interface {
	// Accept redacts and keeps all items or none, and returns once they are durable. An id that an interaction has
	// already with another content is a *FeedbackConflictError, and an interaction that was forgotten an UnknownInteraction.
	Accept(ctx context.Context, items []replaystore.Feedback) error
}

// Tracks reads tracks and their versions.
type Tracks interface {
	Tracks(ctx context.Context) ([]wire.Track, error)
	Adapters(ctx context.Context, track string) ([]wire.Adapter, error)
	Adapter(ctx context.Context, track string, number int) (wire.AdapterDetail, error)
	// NextNight says what the next night of a track would find; nil where nobody learns.
	NextNight(ctx context.Context, track string) *nightrecord.Plan
}

// Switch changes what a track serves. Each call returns after this server serves what was decided.
type Switch interface {
	Activate(ctx context.Context, o ActivationOrder) (wire.Activated, error)
	Rollback(ctx context.Context, track, actor, reason string) (wire.Activated, error)
	Hold(ctx context.Context, track, actor, reason string, hold bool) (wire.Activated, error)
}

// Catalog makes tracks and deletes them. Each call returns after this server does what was decided.
type Catalog interface {
	// Create makes a track that the base model serves.
	Create(ctx context.Context, track, actor, reason string) error
	// Delete ends a track and returns the activation that did. Answers that are under way finish.
	Delete(ctx context.Context, track, actor, reason string) (activation int, err error)
}

// Nights reads nights.
type Nights interface {
	// List returns the newest nights of some tracks first, as their records say; no track is every track.
	List(ctx context.Context, tracks []string, limit int) ([]Night, error)
	Read(ctx context.Context, id string) (Night, error)
	// Follow calls tell with everything that happens to a night, from its present state to the end.
	Follow(ctx context.Context, id string, tell func(event string, data json.RawMessage) error) error
}

// NightQueue asks for nights.
type NightQueue interface {
	Request(ctx context.Context, track, by string, dryRun bool) (id string, err error)
}

// Condition says how the server is.
type Condition interface {
	// Ready returns the reasons why the server cannot answer yet, none when it can, and what is wrong beyond that.
	Ready(ctx context.Context) (reasons, degraded []string)
	Status(ctx context.Context) wire.Status
}

// Errors of the interfaces, for errors.Is.
var (
	ErrUnknownModel       = errors.New("unknown model")
	ErrNotReady           = errors.New("the server is not ready")
	ErrUnknownInteraction = errors.New("unknown interaction")
	ErrNightRunning       = errors.New("a night is already queued or running for the track")
	ErrNoUpdater          = errors.New("there is no updater")
	ErrRefused            = errors.New("the version was refused")
	ErrUnavailable        = errors.New("it cannot be had now")
)

// UnknownModelError is ErrUnknownModel, and says in words of its own which model there is not.
type UnknownModelError string

// Error is the text.
func (e UnknownModelError) Error() string { return string(e) }

// Is makes it ErrUnknownModel.
func (UnknownModelError) Is(target error) bool { return target == ErrUnknownModel }

// FeedbackConflictError says that a feedback id was used before with another content.
type FeedbackConflictError struct{ ID, Interaction string }

// Error names the id.
func (e *FeedbackConflictError) Error() string {
	return "feedback " + e.ID + " on interaction " + e.Interaction + " exists with another content; use a new id to change your mind"
}

// ActivationOrder asks for a version in a track.
type ActivationOrder struct {
	Track  string
	Number int // 0 is the base model
	Actor  string
	Reason string
	Expect *int // activation number that the decision rests on
}

// Night is a night's record, verbatim, with the fields that access depends on.
type Night struct {
	ID, Track, State string
	Record           json.RawMessage
}
