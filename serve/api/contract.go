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

// Generator makes answers: the engine.
type Generator interface {
	// Submit takes a prompt and owns the request's pin from the call on. The pieces are those of all answers to it as they come; the
	// channel is closed after the last, and has room for all of them.
	Submit(ctx context.Context, r engine.Request) (<-chan engine.Piece, Answers, error)
}

// Answers are the answers to one prompt: a stream of the engine.
type Answers interface {
	// Prompt is what the model thinks of the prompt's tokens, where that was asked for; it may be called once a piece has come.
	Prompt() []engine.PromptToken
	// Ended says how one answer ended; it may be called once its last piece has come.
	Ended(choice int) engine.Result
	// Results waits for the end of all answers and says how each ended.
	Results() []engine.Result
}

// Pinned is a version that is held for one request.
type Pinned struct {
	Ref registry.Ref
	Pin *engine.Pin
}

// Versions says which version answers a request.
type Versions interface {
	// Pin holds the version that a model name means now. subject decides on which side of a canary the request is; the
	// same subject is always on the same side. The errors wrap ErrUnknownModel or ErrNotReady.
	Pin(ctx context.Context, model, subject string) (Pinned, error)
	// Models lists the tracks that can be asked, sorted, with what serves each.
	Models() []ModelInfo
	// Route chooses among those tracks of Config.Open that the caller may use, by the tokens of what was asked, the last question
	// last. It is asked about requests for that model only.
	Route(questions [][]int32, may func(track string) bool) Route
}

// ModelInfo is a track as /v1/models lists it.
type ModelInfo struct {
	Champion registry.Ref // Track is the model's name
	Created  time.Time
}

// Route is the choice of a track.
type Route struct {
	Track      string  // "" when the caller may use none
	Confidence float64 // that the request is the track's, 0 to 1; where Fallback is set, that it is the likeliest one's
	Fallback   bool    // not by what was asked: that speaks for no track
}

// Recorder keeps interactions and what is said about them.
type Recorder interface {
	// Subject turns a client's name for a person into a keyed hash; "" stays "".
	Subject(user string) string
	// Record redacts and keeps an interaction; logged says whether it is written.
	Record(i replaystore.Interaction) (logged bool)
	// Recall returns an interaction, which is looked for in the given tracks; ErrUnknownInteraction otherwise.
	Recall(ctx context.Context, id string, tracks []string) (replaystore.Interaction, error)
	// Accept redacts and keeps all items of feedback or none, and returns once they are durable. An id that an interaction has
	// already with another content is a *FeedbackConflictError, and an interaction that was erased an UnknownInteraction.
	Accept(ctx context.Context, items []replaystore.Feedback) error
	// Known is what was said to be right on a track, or is remembered, by the teach.Key of the conversation; keys are those that are wanted.
	Known(ctx context.Context, track string, keys []string) (map[string]Said, error)
	// Personal names the rules by which personal data would be taken out of a text.
	Personal(text string) []string
}

// Admin shows how the server, its tracks and their nights are, and changes them.
type Admin interface {
	// Ready returns the reasons why the server cannot answer yet, none when it can, and what is wrong beyond that.
	Ready(ctx context.Context) (reasons, degraded []string)
	// Status describes the server; who asks and how is left to the API.
	Status(ctx context.Context) wire.Status

	Tracks(ctx context.Context) ([]wire.Track, error)
	// NextNight says what the next night of a track would find; nil where nobody learns.
	NextNight(ctx context.Context, track string) *nightrecord.Plan
	Adapters(ctx context.Context, track string) ([]wire.Adapter, error)
	Adapter(ctx context.Context, track string, number int) (wire.AdapterDetail, error)
	// Change does what is ordered, and returns after this server serves what was decided.
	Change(ctx context.Context, o Order) (wire.Activated, error)

	// Nights returns the newest nights of some tracks first, as their records say; no track is every track.
	Nights(ctx context.Context, tracks []string, limit int) ([]RawNight, error)
	Night(ctx context.Context, id string) (RawNight, error)
	// FollowNight calls tell with everything that happens to a night, from its present state to the end.
	FollowNight(ctx context.Context, id string, tell func(event string, data json.RawMessage) error) error
	// RequestNight asks for a night and returns its id; ErrNightRunning or ErrNoUpdater where there will be none.
	RequestNight(ctx context.Context, track, by string, dryRun bool) (id string, err error)
}

// Change is what an Order asks for.
type Change int

// The changes.
const (
	Activate Change = iota // a version becomes the champion
	Rollback               // the champion before this one is the champion again
	Hold                   // nights may not change what serves
	Release                // nights may change what serves
	Create                 // a track, which the base model serves
	Delete                 // a track; its answers that are in flight finish
)

// Order asks for a change of a track.
type Order struct {
	Change Change
	Track  string
	Number int  // of Activate: the version, 0 is the base model
	Expect *int // of Activate: the activation that the decision rests on
	Actor  string
	Reason string
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

// RawNight is a night's record, verbatim, with the fields that access depends on.
type RawNight struct {
	ID, Track string
	State     nightrecord.State
	Record    json.RawMessage
}
