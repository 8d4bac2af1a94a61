package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/routing"
	"nightshift/models/tokenizer"
	"nightshift/serve/api"
)

// fallbackTrack answers what no track was made for.
const fallbackTrack = "default"

// starterFile beside a model holds what it was trained on: that is what fallbackTrack knows from the beginning.
const starterFile = "rehearsal.jsonl"

// ancestry bounds of how many versions questions are counted, the newest first.
const ancestry = 64

// Router says among which tracks a request may be routed.
type Router struct {
	Tracks     []string `yaml:"tracks" doc:"Tracks among which requests with the router's model name are routed, by what each has learned from, such as [support, billing]. default is\nalways among them. Empty: off."`
	Model      string   `yaml:"model" doc:"Model name of requests that leave the track open."`
	Confidence float64  `yaml:"confidence" min:"0" max:"1" doc:"Minimum probability of a routing decision. Requests below it are answered by the track default."`
}

// Check implements config.Checker.
func (r Router) Check(report func(key, format string, args ...any)) {
	if registry.CheckTrack(r.Model) != nil {
		report("model", "want a name like that of a track, not %q", r.Model)
	}
	for i, track := range r.Tracks {
		if registry.CheckTrack(track) != nil || slices.Contains(r.Tracks[:i], track) {
			report(fmt.Sprintf("tracks[%d]", i), "%q is no name of a track, or there twice", track)
		}
	}
}

// router picks the track of a request that leaves it open, by what the versions that serve the tracks have learned from: the
// questions of the nights that made them. It keeps counts in memory and reads them from the nights, so that what was erased
// is not counted once a track is read again: after its next activation, or after a restart.
type router struct {
	model      string // the name that asks for it; "" where it is off
	tracks     []string
	confidence float64
	modelDir   string
	tokenizer  *tokenizer.Tokenizer
	vocab      int
	registry   *registry.Registry
	log        *slog.Logger

	state atomic.Pointer[routerState]
}

// routerState is what the router knows, replaced as a whole.
type routerState struct {
	champions map[string]string // track → digest that its profile is of
	profiles  map[string]*routing.Profile
	router    *routing.Router
}

// newRouter makes a router that knows nothing yet.
func newRouter(c Router, deps Deps, modelDir string, log *slog.Logger) *router {
	m := deps.Engine.Model()
	tracks := slices.Clone(c.Tracks)
	if !slices.Contains(tracks, fallbackTrack) {
		tracks = append(tracks, fallbackTrack)
	}
	r := &router{tracks: tracks, confidence: c.Confidence, modelDir: modelDir, tokenizer: m.Tokenizer, vocab: m.Config.Vocab, registry: deps.Registry, log: log}
	if len(c.Tracks) > 0 {
		r.model = c.Model
	}
	r.state.Store(&routerState{router: routing.New(nil, r.vocab)})
	return r
}

// check refuses a name for requests that a track has already: what is asked of that track would be routed.
func (r *router) check() error {
	known, err := r.registry.Tracks()
	if err != nil {
		return err
	}
	if r.model != "" && slices.Contains(known, r.model) {
		return fmt.Errorf("route requests for %q: there is a track of that name; choose another with router.model", r.model)
	}
	return nil
}

// refresh reads anew what the tracks have learned from whose champions have changed. One whose nights cannot be read keeps what
// is known of it.
func (r *router) refresh(lines map[string]line) {
	if r.model == "" {
		return
	}
	old := r.state.Load()
	next := &routerState{champions: maps.Clone(old.champions), profiles: maps.Clone(old.profiles)}
	if next.champions == nil {
		next.champions, next.profiles = map[string]string{}, map[string]*routing.Profile{}
	}
	changed := false
	for _, track := range r.tracks {
		digest := lines[track].champion.Digest
		if known, ok := next.champions[track]; ok && known == digest {
			continue
		}
		profile, err := r.profile(track, digest)
		if err != nil {
			r.log.Warn("what a track learned from cannot be read; requests are routed as before", "track", track, "version", digest, "error", err)
		}
		if next.champions[track] = digest; err == nil {
			next.profiles[track] = profile
		}
		changed = true
	}
	if changed {
		next.router = routing.New(next.profiles, r.vocab)
		r.state.Store(next)
	}
}

// profile counts the questions that a version and those that it comes from were made of.
func (r *router) profile(track, digest string) (*routing.Profile, error) {
	p := &routing.Profile{}
	if track == fallbackTrack && r.modelDir != "" {
		data, err := os.ReadFile(filepath.Join(r.modelDir, starterFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		questions, err := nightrecord.StarterQuestions(data)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", starterFile, err)
		}
		r.count(p, questions)
	}
	seen := map[string]bool{"": true}
	for todo := []string{digest}; len(todo) > 0 && len(seen) <= ancestry; todo = todo[1:] {
		if seen[todo[0]] {
			continue
		}
		seen[todo[0]] = true
		manifest, err := r.registry.Version(todo[0])
		if err != nil {
			return nil, err
		}
		if err := r.countNight(p, manifest.Night); err != nil {
			return nil, err
		}
		todo = append(todo, manifest.Origins()...)
	}
	return p, nil
}

// countNight counts the questions of a night. One of which nothing is left taught nothing any more.
func (r *router) countNight(p *routing.Profile, night string) error {
	if night == "" {
		return nil
	}
	data, err := r.registry.ReadNight(night, nightrecord.SelectionFile)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	questions, err := nightrecord.LearnedQuestions(data)
	if err != nil {
		return fmt.Errorf("read selection of night %s: %w", night, err)
	}
	r.count(p, questions)
	return nil
}

func (r *router) count(p *routing.Profile, questions []string) {
	for _, q := range questions {
		p.Add(r.tokenizer.Encode(nil, q))
	}
}

// Route implements api.Versions. The last question decides; where that leaves it open, so do those before it, one by one: "and
// for how long?" belongs to what it follows.
func (r *router) Route(questions [][]int32, may func(track string) bool) api.Route {
	known := r.state.Load().router
	var tokens []int32
	choice := routing.Choice{}
	for _, q := range slices.Backward(questions) {
		tokens = append(tokens, q...)
		choice = known.Choose(tokens, may)
		if choice.Confidence >= r.confidence {
			return api.Route{Track: choice.Name, Confidence: choice.Confidence}
		}
	}
	route := api.Route{Track: choice.Name, Confidence: choice.Confidence, Fallback: true}
	if may(fallbackTrack) {
		route.Track = fallbackTrack
	} else if route.Track == "" { // nothing was learned that the caller may use: the first
		if at := slices.IndexFunc(r.tracks, may); at >= 0 {
			route.Track = r.tracks[at]
		}
	}
	return route
}
