package api

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/template"
	"nightshift/models/tokenizer"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

const (
	digest3 = "sha256:333333333333333333"
	digest2 = "sha256:222222222222222222"
)

// textModel is what turns text into tokens, of the model that ships; there is no checkpoint behind it.
var textModel = sync.OnceValues(func() (*engine.Model, error) {
	const dir = "../../models/demo/checkpoint"
	words, err := tokenizer.Load(dir)
	if err != nil {
		return nil, err
	}
	chat, err := template.Load(dir)
	if err != nil {
		return nil, err
	}
	m := &engine.Model{Tokenizer: words, Template: chat}
	m.Config.Context, m.Config.Vocab = 128, 2048
	return m, nil
})

// fakeGenerator answers every request with the same words.
type fakeGenerator struct {
	says  []string      // a piece each
	ends  engine.Result // of every answer
	err   error         // of Submit
	hold  chan struct{} // nil, or the pieces wait until it is closed or the request ends
	begun chan struct{} // nil, or is told of every request
	burst error         // nil, or what ends an answer after its first piece

	mu       sync.Mutex
	requests []engine.Request
}

// fakeAnswers are what a fakeGenerator answers to one prompt.
type fakeAnswers struct {
	prompt  []engine.PromptToken
	results []engine.Result
	done    chan struct{}
}

func (a *fakeAnswers) Prompt() []engine.PromptToken   { return a.prompt }
func (a *fakeAnswers) Ended(choice int) engine.Result { return a.results[choice] }
func (a *fakeAnswers) Results() []engine.Result {
	<-a.done
	return a.results
}

func (g *fakeGenerator) Submit(ctx context.Context, r engine.Request) (<-chan engine.Piece, Answers, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r)
	if g.begun != nil {
		g.begun <- struct{}{}
	}
	if g.err != nil {
		return nil, nil, g.err
	}
	pieces := make(chan engine.Piece, r.Choices*(len(g.says)+1))
	a := &fakeAnswers{prompt: make([]engine.PromptToken, len(r.Prompt)), results: make([]engine.Result, r.Choices), done: make(chan struct{})}
	answer := func(failed error) {
		defer close(a.done)
		defer close(pieces)
		for choice := range r.Choices {
			end := g.ends
			end.Tokens = len(g.says)
			if end.Err = failed; end.Err == nil {
				end.Err = g.burst
			}
			for i, text := range g.says {
				if failed != nil || g.burst != nil && i > 0 {
					break
				}
				pieces <- engine.Piece{Choice: choice, Token: int32(10*choice + i), LogProb: -0.5 - float32(choice), Text: text, Plain: text, HasToken: true}
			}
			a.results[choice] = end
			pieces <- engine.Piece{Choice: choice, Last: true}
		}
	}
	if g.hold == nil {
		answer(nil)
		return pieces, a, nil
	}
	go func() { // the house waits until all requests have ended
		select {
		case <-g.hold:
			answer(nil)
		case <-ctx.Done():
			answer(ctx.Err())
		}
	}()
	return pieces, a, nil
}

// last is the newest request.
func (g *fakeGenerator) last() engine.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests[len(g.requests)-1]
}

// fakeVersions has the tracks default and support.
type fakeVersions struct {
	err   error // of Pin
	route Route

	mu   sync.Mutex
	pins []string // model and subject
}

func (v *fakeVersions) Pin(_ context.Context, model, subject string) (Pinned, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pins = append(v.pins, model+" "+subject)
	if v.err != nil {
		return Pinned{}, v.err
	}
	for _, ref := range []registry.Ref{{Track: "default", Number: 3, Digest: digest3}, {Track: "support"}, {Track: "default", Number: 2, Digest: digest2}} {
		if model == ref.Track || model == ref.String() {
			return Pinned{Ref: ref, Pin: &engine.Pin{Digest: ref.Digest}}, nil
		}
	}
	return Pinned{}, UnknownModelError(fmt.Sprintf("there is no model %q", model))
}

func (v *fakeVersions) Models() []ModelInfo {
	return []ModelInfo{{Champion: registry.Ref{Track: "default", Number: 3, Digest: digest3}, Created: time.Unix(1_700_000_000, 0)}, {Champion: registry.Ref{Track: "support"}}}
}

func (v *fakeVersions) Route(_ [][]int32, may func(string) bool) Route {
	if !may(v.route.Track) {
		return Route{}
	}
	return v.route
}

// fakeRecorder keeps everything in memory.
type fakeRecorder struct {
	err   error // of Accept, Recall and Known
	known map[string]Said

	mu           sync.Mutex
	interactions map[string]replaystore.Interaction
	feedback     []replaystore.Feedback
}

func (r *fakeRecorder) Subject(user string) string {
	if user == "" {
		return ""
	}
	return "hash-of-" + user
}

func (r *fakeRecorder) Record(i replaystore.Interaction) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interactions[i.ID] = i
	return true
}

func (r *fakeRecorder) Recall(_ context.Context, id string, tracks []string) (replaystore.Interaction, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.interactions[id]
	switch {
	case r.err != nil:
		return i, r.err
	case !ok || !slices.Contains(tracks, i.Track):
		return replaystore.Interaction{}, fmt.Errorf("find interaction: %w", ErrUnknownInteraction)
	}
	return i, nil
}

func (r *fakeRecorder) Accept(_ context.Context, items []replaystore.Feedback) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	var fresh []replaystore.Feedback
	for _, f := range items {
		at := slices.IndexFunc(r.feedback, func(g replaystore.Feedback) bool { return g.Interaction == f.Interaction && g.ID == f.ID })
		switch {
		case at < 0:
			fresh = append(fresh, f)
		case !reflect.DeepEqual(r.feedback[at].Rating, f.Rating):
			return &FeedbackConflictError{ID: f.ID, Interaction: f.Interaction}
		}
	}
	r.feedback = append(r.feedback, fresh...)
	return nil
}

func (r *fakeRecorder) Known(context.Context, string, []string) (map[string]Said, error) {
	return r.known, r.err
}

func (r *fakeRecorder) Personal(text string) []string {
	if strings.Contains(text, "@") {
		return []string{"email"}
	}
	return nil
}

// fakeAdmin says what it is told to say and notes what is asked of it.
type fakeAdmin struct {
	reasons, degraded []string
	err               error // of all that can fail
	events            []wire.Event
	after             error // of FollowNight, after its events

	mu       sync.Mutex
	orders   []Order
	requests []string
	asked    string // of Nights
}

func (a *fakeAdmin) Ready(context.Context) (reasons, degraded []string) { return a.reasons, a.degraded }
func (a *fakeAdmin) Status(context.Context) wire.Status {
	return wire.Status{Version: "v1", Model: "tiny", Updater: "none", Store: wire.StoreStatus{Kind: "local"}}
}

func (a *fakeAdmin) Tracks(context.Context) ([]wire.Track, error) {
	three := 3
	return []wire.Track{{Track: "default", Champion: wire.Champion{Version: &three, Digest: digest3, Activation: 5}, Versions: 3, Interactions: 7}, {Track: "support"}}, a.err
}

func (a *fakeAdmin) NextNight(_ context.Context, track string) *nightrecord.Plan {
	return &nightrecord.Plan{Track: track, Needs: []nightrecord.Need{}, Sentences: []string{}, Help: []string{}}
}

func (a *fakeAdmin) Adapters(_ context.Context, track string) ([]wire.Adapter, error) {
	return []wire.Adapter{{Track: track, Version: 3, State: "champion"}}, a.err
}

func (a *fakeAdmin) Adapter(_ context.Context, track string, number int) (wire.AdapterDetail, error) {
	if a.err != nil {
		return wire.AdapterDetail{}, a.err
	}
	return wire.AdapterDetail{Adapter: wire.Adapter{Track: track, Version: number}, Manifest: json.RawMessage(`{"digest":"<d>"}`)}, nil
}

func (a *fakeAdmin) Change(_ context.Context, o Order) (wire.Activated, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.orders = append(a.orders, o)
	return wire.Activated{Activation: 6, Serving: true, Hold: o.Change == Hold}, a.err
}

func (a *fakeAdmin) Nights(_ context.Context, tracks []string, limit int) ([]RawNight, error) {
	a.asked = fmt.Sprint(tracks, limit)
	return []RawNight{{ID: "n1", Track: "default", State: "published", Record: json.RawMessage(`{"id":"n1"}`)}}, a.err
}

func (a *fakeAdmin) Night(_ context.Context, id string) (RawNight, error) {
	track, ok := map[string]string{"n1": "default", "n2": "support"}[id]
	if !ok {
		return RawNight{}, fmt.Errorf("night %s: %w", id, registry.ErrNotFound)
	}
	return RawNight{ID: id, Track: track, Record: json.RawMessage(`{"id":"` + id + `"}`)}, a.err
}

func (a *fakeAdmin) FollowNight(ctx context.Context, _ string, tell func(string, json.RawMessage) error) error {
	for _, e := range a.events {
		if err := tell(e.Name, json.RawMessage(e.Data)); err != nil {
			return err
		}
	}
	if a.after == nil && len(a.events) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	return a.after
}

func (a *fakeAdmin) RequestNight(_ context.Context, track, by string, dryRun bool) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, fmt.Sprint(track, " ", by, " ", dryRun))
	return "n7", a.err
}
