package nighttest

import (
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/update/history"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Shop is a store, a registry and a clock.
type Shop struct {
	*testing.T
	Store    *localstore.Store
	Registry *registry.Registry
	Now      time.Time
	said     int
}

// New opens a shop in which nothing was said yet. Who is held out does not depend on chance.
func New(t *testing.T) *Shop {
	t.Helper()
	s := &Shop{T: t, Now: time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)}
	var err error
	if s.Store, err = localstore.Open(localstore.Config{Dir: filepath.Join(t.TempDir(), "store"), Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Store.Close() })
	if s.Registry, err = registry.Open(filepath.Join(t.TempDir(), "registry"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := replaystore.LoadSecret(filepath.Join(s.Registry.Dir(), "heldout.key"), []byte(strings.Repeat("k", replaystore.SecretSize))); err != nil {
		t.Fatal(err)
	}
	return s
}

// In is the same shop in another test.
func (s *Shop) In(t *testing.T) *Shop {
	other := *s
	other.T = t
	return &other
}

// CreateTrack makes a track.
func (s *Shop) CreateTrack(name string) {
	s.Helper()
	if _, err := s.Registry.CreateTrack(s.Context(), name, "ann", ""); err != nil {
		s.Fatal(err)
	}
}

// Count numbers what is said.
func (s *Shop) Count() int {
	s.said++
	return s.said
}

// Correct has the people from one to before another correct answers: person p asks for every good in one of the ways.
func (s *Shop) Correct(from, to int) {
	s.Helper()
	for p := from; p < to; p++ {
		for g := range Goods {
			s.Feedback(p, Question(p+g, g), "no idea", Answer(g))
		}
	}
}

// Teach has people say what a good costs now, asked for in every way.
func (s *Shop) Teach(from, to, good int, price string) {
	s.Helper()
	for p := from; p < to; p++ {
		for f := range Questions {
			s.Feedback(p, Question(f, good), Answer(good), "it costs "+price)
		}
	}
}

// Feedback stores one interaction and its correction, two hours old.
func (s *Shop) Feedback(person int, prompt, said, correction string) replaystore.Interaction {
	s.Helper()
	number := s.Count()
	at := s.Now.Add(-2*time.Hour + time.Duration(number)*time.Second)
	in := replaystore.Interaction{ID: replaystore.NewID(), Track: registry.Default, Time: at, Subject: fmt.Sprintf("person%02d", person), Messages: Raw(prompt), Answer: said}
	fb := replaystore.Feedback{ID: fmt.Sprintf("f%d", number), Interaction: in.ID, Track: in.Track, Time: at, Subject: in.Subject, Correction: &correction}
	if err := s.Store.Append(s.Context(), replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &fb}); err != nil {
		s.Fatal(err)
	}
	return in
}

// Remember gives a track a memory: every price, shifted, in all ways to ask, each from a person of its own.
func (s *Shop) Remember(track string, shift int) {
	s.Helper()
	in := replaystore.Interaction{ID: replaystore.NewID(), Track: track, Time: s.Now, Subject: track + "-person0", Messages: Raw("hello"), Answer: "good day"}
	if err := s.Store.Append(s.Context(), replaystore.Event{Interaction: &in}); err != nil { // so that the store knows the track
		s.Fatal(err)
	}
	var items []replaystore.MemoryItem
	for g := range Goods {
		for f := range Questions {
			items = append(items, replaystore.MemoryItem{Weight: 1, Example: replaystore.Example{ID: fmt.Sprintf("%s-%d-%d", track, g, f), Kind: replaystore.SFT, Time: s.Now,
				Subject: fmt.Sprintf("%s-person%d", track, f), Prompt: Raw(Question(f, g)), Completion: Answer((g + shift) % len(Goods))}})
		}
	}
	if err := s.Store.Admit(s.Context(), track, items...); err != nil {
		s.Fatal(err)
	}
}

// Send sends a signal over the control stream.
func (s *Shop) Send(signal any) {
	s.Helper()
	if _, err := replaystore.Send(s.Context(), s.Store.Control(), signal); err != nil {
		s.Fatal(err)
	}
}

// Champion is the state of the default track.
func (s *Shop) Champion() registry.Activation {
	s.Helper()
	a, err := s.Registry.Champion(registry.Default)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// Memory are the ids in the default track's rehearsal memory.
func (s *Shop) Memory() []string {
	s.Helper()
	r, err := s.Store.Rehearsal(s.Context(), registry.Default)
	if err != nil {
		s.Fatal(err)
	}
	var ids []string
	for _, m := range r.Items() {
		ids = append(ids, m.ID)
	}
	return ids
}

// Selected reads a night's frozen selection.
func (s *Shop) Selected(night string) []selection.Item {
	s.Helper()
	data, err := s.Registry.ReadNight(night, work.SelectionFile)
	if err != nil {
		s.Fatal(err)
	}
	items, err := selection.DecodeItems(data)
	if err != nil {
		s.Fatal(err)
	}
	return items
}

// Erase forgets a person in the store and in the registry.
func (s *Shop) Erase(person string) history.Traces {
	s.Helper()
	report, err := s.Store.Erase(s.Context(), person)
	if err != nil {
		s.Fatal(err)
	}
	traces, err := history.Erase(s.Registry, report)
	if err != nil {
		s.Fatal(err)
	}
	return traces
}

// Owed is what the tracks have to unlearn.
func (s *Shop) Owed() []history.Withdrawal {
	s.Helper()
	list, err := history.Withdrawals(s.Registry, s.Now)
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// Put stores an adapter of Model, made of a seed, and returns it with its version.
func (s *Shop) Put(track string, c adapter.Config, seed float64, m registry.Manifest) (*adapter.Adapter, registry.Ref) {
	s.Helper()
	a := Adapter(s.T, c)
	for _, target := range a.Targets() {
		for i := range a.Factors[target].B {
			a.Factors[target].B[i] = float32(math.Sin(seed + float64(i*i)))
		}
	}
	config, weights, err := a.Files()
	if err != nil {
		s.Fatal(err)
	}
	ref, err := s.Registry.Put(s.Context(), track, registry.Version{Config: config, Weights: weights, Manifest: m})
	if err != nil {
		s.Fatal(err)
	}
	return a, ref
}

// smallest is the shape of versions whose weights nobody looks at.
var smallest = adapter.Config{Rank: 1, Alpha: 1, Modules: []string{"mlp.c_fc"}}

// Learned stores a version of a track as a night would have that was trained on a person's example, and uses up its evidence.
func (s *Shop) Learned(track, night, person string, seed float64, parent string) registry.Ref {
	s.Helper()
	_, ref := s.Put(track, smallest, seed, registry.Manifest{Night: night, Parent: parent})
	items := []selection.Item{
		{Example: replaystore.Example{ID: night + "-a", Kind: replaystore.SFT, Interaction: night + "-a", Subject: person, Prompt: Raw("a"), Completion: "b"}, Use: selection.New},
		{Example: replaystore.Example{ID: night + "-b", Kind: replaystore.SFT, Interaction: night + "-b", Subject: "other", Prompt: Raw("b"), Completion: "c"}, Use: selection.New},
		{Example: replaystore.Example{ID: night + "-c", Kind: replaystore.SFT, Interaction: night + "-c", Subject: "measured", Prompt: Raw("d"), Completion: "e"}, Use: selection.HeldOut},
	}
	data, err := selection.EncodeItems(items)
	if err == nil {
		err = s.Registry.CreateNight(night)
	}
	if err == nil {
		err = s.Registry.WriteNightFile(night, work.SelectionFile, data)
	}
	if err == nil {
		s.Now = s.Now.Add(time.Hour)
		err = history.Of(s.Registry).Write(night, history.CursorFile, history.Completion{Track: track, Completed: s.Now, Digest: ref.Digest, Published: true})
	}
	if err != nil {
		s.Fatal(err)
	}
	return ref
}

// Activate makes a version the champion, with another on trial where one is given.
func (s *Shop) Activate(actor string, champion, candidate registry.Ref) registry.Activation {
	s.Helper()
	a := registry.Activation{Digest: champion.Digest, Previous: registry.Latest, Actor: actor, Candidate: candidate.Digest}
	if candidate.Digest != "" {
		a.Share = 0.5
	}
	a, err := s.Registry.Activate(s.Context(), champion.Track, a)
	if err != nil {
		s.Fatal(err)
	}
	return a
}
