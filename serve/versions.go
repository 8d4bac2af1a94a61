package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api"
)

// versions decides which version answers: it holds every track's champion in the bank and resolves model names.
type versions struct {
	engine   *engine.Engine
	registry *registry.Registry
	control  replaystore.Control
	log      *slog.Logger
	metrics  versionMetrics
	base     context.Context // of loading, which outlives the request that asked first

	loading singleflight.Group
	marks   sync.Map // digest → "pass" or "fail": self-tests
	sound   sync.Map // digest → true: loaded and tested by this process
	unsound sync.Map // digest → *refusal: what requests by name need not try again yet
	checked sync.Map // digest → *checked: what brings a version back in short
	buffers chan []byte
	waited  func(d time.Duration, how CacheResult) // may be nil

	mu      sync.Mutex                      // one change at a time
	lines   atomic.Pointer[map[string]line] // replaced as a whole
	loaded  atomic.Bool                     // every track has had its line
	watcher *registry.Watcher
	failing map[string]retry // track → activation that could not be served
}

// line is what serves a track. Its pins keep its versions in the bank until the line is replaced, unless so many tracks have
// their own that the bank has to be shared among them: then they are brought back when somebody asks.
type line struct {
	activation registry.Activation // the newest one that is served
	champion   registry.Ref
	candidate  registry.Ref // zero without a canary
	share      float64
	pins       []*engine.Pin
	lent       bool   // its versions may leave the bank
	problem    string // why a newer activation is not served
}

// retry is an activation that failed and when to try again.
type retry struct {
	activation registry.Activation
	at         time.Time
	wait       time.Duration
}

func newVersions(deps Deps, log *slog.Logger) *versions {
	v := &versions{engine: deps.Engine, registry: deps.Registry, control: deps.Store.Control(), log: log,
		metrics: newVersionMetrics(deps.Metrics), watcher: deps.Registry.Watcher(), failing: map[string]retry{}, base: context.Background()}
	v.lines.Store(&map[string]line{})
	v.buffers = make(chan []byte, 2*runtime.GOMAXPROCS(0))
	for range cap(v.buffers) {
		v.buffers <- nil
	}
	v.waited = deps.Waited
	return v
}

// start gives loading the context of the server's life.
func (v *versions) start(ctx context.Context) { v.base = ctx }

// refusal is a version that was refused, and when it is worth another try.
type refusal struct {
	err  error
	at   time.Time
	wait time.Duration
}

// mark remembers how loading a version went.
func (v *versions) mark(digest string, err error) {
	switch {
	case err == nil:
		v.sound.Store(digest, true)
		v.unsound.Delete(digest)
	case errors.Is(err, api.ErrRefused):
		v.marks.Store(digest, "fail")
		v.sound.Delete(digest)
		v.checked.Delete(digest)
		wait := firstRetry
		if old, ok := v.unsound.Load(digest); ok {
			wait = min(2*old.(*refusal).wait, lastRetry)
		}
		v.unsound.Store(digest, &refusal{err, time.Now().Add(wait), wait})
	}
}

// refused is the error of a version that was refused a moment ago: reading, testing and refusing it for every request
// would let anybody keep the engine busy.
func (v *versions) refused(ref registry.Ref) error {
	if r, ok := v.unsound.Load(ref.Digest); ok && time.Now().Before(r.(*refusal).at) {
		return fmt.Errorf("load version %s: %w", ref, r.(*refusal).err)
	}
	return nil
}

// CacheResult is how the adapter cache, the bank, served a request.
type CacheResult string

// The results.
const (
	CacheHit    CacheResult = "hit"    // the version was in the bank
	CacheReload CacheResult = "reload" // it was checked before, evicted, and came back into the bank
	ColdLoad    CacheResult = "cold"   // it was loaded, verified and tested
)

// hold pins a version, loading it when it is not in the bank.
func (v *versions) hold(ref registry.Ref) (*engine.Pin, error) {
	pin, _, err := v.bring(ref)
	return pin, err
}

// bring is hold, and says how the cache did.
func (v *versions) bring(ref registry.Ref) (pin *engine.Pin, from CacheResult, err error) {
	bank := v.engine.Bank()
	from = CacheHit
	for range 4 { // a version can be evicted between being loaded and being pinned
		if _, ok := v.sound.Load(ref.Digest); ok || ref.Base() {
			if pin, ok := bank.Pin(ref.Digest); ok {
				return pin, from, nil
			}
		}
		if from == CacheHit {
			from = ColdLoad
			if _, ok := v.checked.Load(ref.Digest); ok {
				from = CacheReload
			}
		}
		if err := v.load(ref.Digest); err != nil {
			return nil, from, fmt.Errorf("load version %s: %w", ref, err)
		}
	}
	return nil, from, fmt.Errorf("load version %s: the adapter bank is too small for what is asked of it; raise engine.bank_rows", ref)
}

// Pin implements api.Versions.
func (v *versions) Pin(_ context.Context, model, subject string) (api.Pinned, error) {
	begin := time.Now()
	pinned, from, err := v.pin(model, subject)
	if err == nil {
		took := time.Since(begin)
		v.metrics.waited(took, from)
		if v.waited != nil {
			v.waited(took, from)
		}
	}
	return pinned, err
}

// pin finds out what a model's name means for a subject now, and pins it.
func (v *versions) pin(model, subject string) (api.Pinned, CacheResult, error) {
	track, selector := registry.SplitName(model)
	for {
		loaded := v.loaded.Load() // before the lines, which may become whole in between
		l, ok := (*v.lines.Load())[track]
		if !ok && !loaded {
			return api.Pinned{}, "", fmt.Errorf("the champions are being loaded: %w", api.ErrNotReady)
		}
		if !ok {
			return api.Pinned{}, "", api.UnknownModelError(fmt.Sprintf("there is no model %q; /v1/models lists them", clip(model)))
		}
		if selector != "" {
			return v.pinSelected(track, selector)
		}
		ref := l.choose(subject)
		if pin, ok := v.engine.Bank().Pin(ref.Digest); ok {
			return api.Pinned{Ref: ref, Pin: pin}, CacheHit, nil
		}
		if l.lent {
			return v.pinRef(ref)
		}
		// The line was replaced between reading it and pinning, and its version evicted: read the new one.
	}
}

// pinSelected pins what track@selector means now.
func (v *versions) pinSelected(track, selector string) (api.Pinned, CacheResult, error) {
	ref, err := v.registry.Resolve(track, selector)
	switch {
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrName):
		return api.Pinned{}, "", api.UnknownModelError(fmt.Sprintf("there is no model %q; /v1/adapters lists the versions of a track", clip(track+selector)))
	case err != nil:
		return api.Pinned{}, "", fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return v.pinRef(ref)
}

// pinRef pins a version that may have to be loaded.
func (v *versions) pinRef(ref registry.Ref) (api.Pinned, CacheResult, error) {
	if err := v.refused(ref); err != nil {
		return api.Pinned{}, "", fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	pin, from, err := v.bring(ref)
	if err != nil {
		return api.Pinned{}, from, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return api.Pinned{Ref: ref, Pin: pin}, from, nil
}

// choose takes the champion, or the candidate for the subjects whom the trial gives it to.
func (l line) choose(subject string) registry.Ref {
	if l.candidate.Digest == "" {
		return l.champion
	}
	return registry.Activation{Track: l.champion.Track, Digest: l.champion.Digest, Number: l.champion.Number,
		Candidate: l.candidate.Digest, CandidateNumber: l.candidate.Number, Share: l.share}.Arm(subject)
}

// Models implements api.Versions.
func (v *versions) Models() []api.ModelInfo {
	lines := *v.lines.Load()
	list := make([]api.ModelInfo, 0, len(lines))
	for _, track := range slices.Sorted(maps.Keys(lines)) {
		l := lines[track]
		list = append(list, api.ModelInfo{Champion: l.champion, Created: l.activation.Time})
	}
	return list
}

// problems lists the tracks that do not serve their newest activation.
func (v *versions) problems() []string {
	lines := *v.lines.Load()
	var list []string
	for _, track := range slices.Sorted(maps.Keys(lines)) {
		if l := lines[track]; l.problem != "" {
			list = append(list, fmt.Sprintf("track %s serves %s: %s", track, l.champion, l.problem))
		}
	}
	return list
}

// publish replaces the line of a track and lets the pins of the old one go. v.mu is held.
func (v *versions) publish(track string, l line) {
	old := *v.lines.Load()
	lines := maps.Clone(old)
	share(&l, lines, track, v.engine.Bank())
	lines[track] = l
	v.lines.Store(&lines)
	for _, pin := range old[track].pins {
		if !slices.Contains(l.pins, pin) {
			pin.Release()
		}
	}
	v.metrics.serving(track, l)
}

// drop ends the line of a track that was deleted. Answers in progress have pins of their own. v.mu is held.
func (v *versions) drop(track string) {
	old := *v.lines.Load()
	l, ok := old[track]
	if !ok {
		return
	}
	lines := maps.Clone(old)
	delete(lines, track)
	v.lines.Store(&lines)
	for _, pin := range l.pins {
		pin.Release()
	}
	delete(v.failing, track)
	v.metrics.gone(track)
	v.log.Info("a track is deleted", "track", track)
}

// share lets a new line's pins go when those of all other tracks hold half of the bank already: the other half is for
// requests that name a version, and for lines that share it.
func share(l *line, lines map[string]line, track string, bank *engine.Bank) {
	held := 0
	for name, other := range lines {
		if name != track {
			for _, pin := range other.pins {
				held += pin.Rows()
			}
		}
	}
	for _, pin := range l.pins {
		held += pin.Rows()
	}
	if len(l.pins) == 0 || held <= (bank.Rows()-1)/2 {
		return
	}
	for _, pin := range l.pins {
		pin.Release()
	}
	l.pins, l.lent = nil, true
}

// clip keeps a client's text short enough for a message.
func clip(text string) string {
	if r := []rune(text); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return text
}
