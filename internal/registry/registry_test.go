package registry

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var ctx = context.Background()

func newRegistry(t testing.TB) *Registry {
	t.Helper()
	r, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func version(text string) Version {
	return Version{
		Config: []byte(`{"r":8,"name":"` + text + `"}`), Weights: bytes.Repeat([]byte(text), 100),
		Manifest: Manifest{Night: "n-" + text, Examples: len(text), SelfTest: []SelfTest{{Prompt: []int32{1}, Target: []int32{2}, Scores: []float32{-0.25}}}},
	}
}

func put(t testing.TB, r *Registry, track, text string) Ref {
	t.Helper()
	ref, err := r.Put(ctx, track, version(text))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func activate(t testing.TB, r *Registry, ref Ref) Activation {
	t.Helper()
	a, err := r.Activate(ctx, ref.Track, Activation{Digest: ref.Digest, Previous: Latest, Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPutAndLoad(t *testing.T) {
	r := newRegistry(t)
	one, two := put(t, r, "support", "one"), put(t, r, "support", "two")
	if one.Number != 1 || two.Number != 2 || one.Digest == two.Digest || one.String() != "support@1" {
		t.Fatalf("put gave %v and %v", one, two)
	}
	if again := put(t, r, "support", "one"); again != one {
		t.Errorf("the same bytes again: %v, want %v", again, one)
	}
	if other := put(t, r, "default", "two"); other.Number != 1 || other.Digest != two.Digest {
		t.Errorf("the same bytes in another track: %v", other)
	}
	config, weights, m, err := r.Load(two.Digest)
	want := version("two")
	if err != nil || !bytes.Equal(config, want.Config) || !bytes.Equal(weights, want.Weights) {
		t.Fatalf("load: %q %q %v", config, weights, err)
	}
	if m.Digest != two.Digest || m.Night != "n-two" || !reflect.DeepEqual(m.SelfTest, want.Manifest.SelfTest) || m.Created.IsZero() {
		t.Errorf("manifest: %+v", m)
	}
	if only, err := r.Version(two.Digest); err != nil || !reflect.DeepEqual(only, m) {
		t.Errorf("version: %+v, %v", only, err)
	}
	if refs, err := r.Versions("support"); err != nil || !slices.Equal(refs, []Ref{one, two}) {
		t.Errorf("versions: %v, %v", refs, err)
	}
	if tracks, err := r.Tracks(); err != nil || !slices.Equal(tracks, []string{"default", "support"}) {
		t.Errorf("tracks: %v, %v", tracks, err)
	}
	if _, _, _, err := r.Load(Digest(nil, nil)); !errors.Is(err, ErrNotFound) {
		t.Errorf("load of what is not there: %v", err)
	}
}

func TestVerifyIsAsked(t *testing.T) {
	var refuse error
	r, err := Open(t.TempDir(), func(config, weights []byte, m Manifest) error {
		if m.Digest != Digest(config, weights) {
			t.Errorf("verify was given digest %s with bytes of %s", m.Digest, Digest(config, weights))
		}
		return refuse
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := put(t, r, "default", "one")
	refuse = errors.New("shapes differ")
	if _, _, _, err := r.Load(ref.Digest); !errors.Is(err, refuse) {
		t.Errorf("load: %v", err)
	}
	if _, err := r.Put(ctx, "default", version("two")); !errors.Is(err, refuse) {
		t.Errorf("put: %v", err)
	}
	if refs, _ := r.Versions("default"); len(refs) != 1 {
		t.Errorf("a refused version was numbered: %v", refs)
	}
}

func TestResolve(t *testing.T) {
	r := newRegistry(t)
	create(t, r, "support")
	base := Ref{Track: "support"}
	if ref, err := r.Resolve("support", ""); err != nil || ref != base || ref.String() != "support@base" {
		t.Errorf("champion before any activation: %v, %v", ref, err)
	}
	if _, err := r.Resolve("support", "@prev"); !errors.Is(err, ErrNotFound) {
		t.Errorf("@prev before any activation: %v", err)
	}
	one, two := put(t, r, "support", "one"), put(t, r, "support", "two")
	activate(t, r, one)
	check := func(selector string, want Ref) {
		t.Helper()
		if ref, err := r.Resolve("support", selector); err != nil || ref != want {
			t.Errorf("resolve %q: %v, %v; want %v", selector, ref, err, want)
		}
	}
	check("@prev", base)
	activate(t, r, two)
	activate(t, r, two)
	check("", two)
	check("@prev", one)
	check("@1", one)
	check("@base", base)
	for _, selector := range []string{"@", "@0", "@-1", "@+1", "@01", "@1x", "17", "@latest", "@../x"} {
		if _, err := r.Resolve("support", selector); !errors.Is(err, ErrName) {
			t.Errorf("resolve %q: %v, want ErrName", selector, err)
		}
	}
	if _, err := r.Resolve("support", "@9"); !errors.Is(err, ErrNotFound) {
		t.Errorf("resolve @9: %v", err)
	}
	for name, want := range map[string][2]string{"a": {"a", ""}, "a@17": {"a", "@17"}, "a@base": {"a", "@base"}, "@": {"", "@"}} {
		if track, selector := SplitName(name); track != want[0] || selector != want[1] {
			t.Errorf("split %q: %q, %q", name, track, selector)
		}
	}
}

func TestCanary(t *testing.T) {
	r := newRegistry(t)
	one, two := put(t, r, "default", "one"), put(t, r, "default", "two")
	first := activate(t, r, one)
	a, err := r.Activate(ctx, "default", Activation{
		Digest: one.Digest, Candidate: two.Digest, Share: 0.05, Previous: first.Sequence, Actor: Updater, Night: "n1", Reason: "canary",
	})
	if err != nil || a.Sequence != 2 || a.Number != 1 || a.CandidateNumber != 2 || a.Previous != 1 || a.Time.IsZero() {
		t.Fatalf("canary: %+v, %v", a, err)
	}
	if got, err := r.Champion("default"); err != nil || got != a {
		t.Errorf("champion: %+v, %v; want %+v", got, err, a)
	}
	if ref, ok := a.Canary(); !ok || ref != two {
		t.Errorf("canary: %v, %v", ref, ok)
	}
	back, err := r.Rollback(ctx, "default", Updater, "thumbs down")
	if err != nil || back.Digest != one.Digest || back.Candidate != "" || back.Share != 0 || back.Held {
		t.Errorf("rollback of a canary: %+v, %v", back, err)
	}
	for name, bad := range map[string]Activation{
		"share without candidate": {Digest: one.Digest, Share: 0.5}, "share 0": {Digest: one.Digest, Candidate: two.Digest},
		"share 1": {Digest: one.Digest, Candidate: two.Digest, Share: 1}, "candidate is champion": {Digest: one.Digest, Candidate: one.Digest, Share: 0.5},
		"wrong number": {Digest: one.Digest, Number: 2}, "number of the base": {Number: 1},
	} {
		bad.Previous, bad.Actor = Latest, "ann"
		if _, err := r.Activate(ctx, "default", bad); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v, want ErrRequest", name, err)
		}
	}
	if _, err := r.Activate(ctx, "default", Activation{Digest: one.Digest, Previous: Latest}); !errors.Is(err, ErrRequest) {
		t.Errorf("without actor: %v", err)
	}
	elsewhere := put(t, r, "support", "three")
	if _, err := r.Activate(ctx, "default", Activation{Digest: elsewhere.Digest, Previous: Latest, Actor: "ann"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("version of another track: %v", err)
	}
	if _, err := r.Activate(ctx, "default", Activation{Digest: Digest(nil, nil), Previous: Latest, Actor: "ann"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("version that is not stored: %v", err)
	}
	if all, err := r.Activations("default"); err != nil || len(all) != 3 || all[1] != a || all[2] != back {
		t.Errorf("activations: %+v, %v", all, err)
	}
}

func TestConflict(t *testing.T) {
	r := newRegistry(t)
	one, two := put(t, r, "default", "one"), put(t, r, "default", "two")
	if _, err := r.Activate(ctx, "default", Activation{Digest: one.Digest, Previous: 0, Actor: Updater}); err != nil {
		t.Fatal(err)
	}
	for _, previous := range []int{0, 2, -2} {
		if _, err := r.Activate(ctx, "default", Activation{Digest: two.Digest, Previous: previous, Actor: Updater}); !errors.Is(err, ErrConflict) {
			t.Errorf("previous %d: %v, want ErrConflict", previous, err)
		}
	}
	if a, err := r.Activate(ctx, "default", Activation{Digest: two.Digest, Previous: 1, Actor: Updater}); err != nil || a.Sequence != 2 {
		t.Errorf("previous 1: %+v, %v", a, err)
	}
}

func TestRollbackAndHold(t *testing.T) {
	r := newRegistry(t)
	if _, err := r.Rollback(ctx, "default", "ann", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("rollback of nothing: %v", err)
	}
	one, two := put(t, r, "default", "one"), put(t, r, "default", "two")
	activate(t, r, one)
	activate(t, r, two)
	back, err := r.Rollback(ctx, "default", "ann", "wrong prices")
	if err != nil || back.Digest != one.Digest || !back.Held || back.Reason != "wrong prices" {
		t.Fatalf("rollback: %+v, %v", back, err)
	}
	if _, err := r.Activate(ctx, "default", Activation{Digest: two.Digest, Previous: back.Sequence, Actor: Updater}); !errors.Is(err, ErrHeld) {
		t.Errorf("the updater activates a held track: %v", err)
	}
	if _, err := r.Rollback(ctx, "default", "updater/7", ""); !errors.Is(err, ErrHeld) {
		t.Errorf("the updater rolls a held track back: %v", err)
	}
	if _, err := r.Release(ctx, "default", Updater, ""); !errors.Is(err, ErrHeld) {
		t.Errorf("the updater releases: %v", err)
	}
	if a := activate(t, r, two); !a.Held {
		t.Error("a person's activation ended the hold")
	}
	if again, err := r.Hold(ctx, "default", "bob", "more"); err != nil || again.Sequence != 4 {
		t.Errorf("hold of a held track: %+v, %v; want the activation in force", again, err)
	}
	free, err := r.Release(ctx, "default", "bob", "fixed")
	if err != nil || free.Held || free.Digest != two.Digest || free.Sequence != 5 {
		t.Errorf("release: %+v, %v", free, err)
	}
	down, err := r.Rollback(ctx, "default", Updater, "canary test")
	if err != nil || down.Held || down.Digest != one.Digest {
		t.Errorf("automatic rollback: %+v, %v", down, err)
	}
	// A hold of a track in which nothing was activated is a hold of the base model; a canary ends with a hold.
	create(t, r, "support")
	if a, err := r.Hold(ctx, "support", "ann", "audit"); err != nil || !a.Held || a.Digest != "" || a.Sequence != 2 {
		t.Errorf("hold of the base model: %+v, %v", a, err)
	}
	if _, err := r.Rollback(ctx, "support", "ann", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("rollback of the base model: %v", err)
	}
	if _, err := r.Activate(ctx, "default", Activation{Digest: one.Digest, Candidate: two.Digest, Share: 0.25, Previous: down.Sequence, Actor: Updater}); err != nil {
		t.Fatal(err)
	}
	if a, err := r.Hold(ctx, "default", "ann", ""); err != nil || a.Candidate != "" || a.Digest != one.Digest {
		t.Errorf("hold during a canary: %+v, %v", a, err)
	}
}

func TestRollbackToBase(t *testing.T) {
	r := newRegistry(t)
	activate(t, r, put(t, r, "default", "one"))
	back, err := r.Rollback(ctx, "default", "ann", "")
	if err != nil || back.Digest != "" || back.Number != 0 || !back.Champion().Base() {
		t.Errorf("rollback of the first version: %+v, %v", back, err)
	}
}

func TestNamesAreRefused(t *testing.T) {
	r := newRegistry(t)
	for _, track := range []string{"", ".", "..", "../x", "a/b", "A", "-a", "_a", "a.b", "a\x00", "ü", strings.Repeat("a", 64), "a\n"} {
		if _, err := r.Put(ctx, track, version("x")); !errors.Is(err, ErrName) {
			t.Errorf("put in track %q: %v", track, err)
		}
		_, activateErr := r.Activate(ctx, track, Activation{Actor: "ann"})
		_, championErr := r.Champion(track)
		_, resolveErr := r.Resolve(track, "@1")
		_, listErr := r.Activations(track)
		_, versionsErr := r.Versions(track)
		for i, err := range []error{activateErr, championErr, resolveErr, listErr, versionsErr} {
			if !errors.Is(err, ErrName) {
				t.Errorf("track %q, call %d: %v", track, i, err)
			}
		}
	}
	if err := CheckTrack("a-b_9" + strings.Repeat("x", 58)); err != nil {
		t.Error(err)
	}
	for _, digest := range []string{"", "x", "sha256:", "sha256:../../x", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("a", 65)} {
		if _, _, _, err := r.Load(digest); !errors.Is(err, ErrName) {
			t.Errorf("load %q: %v", digest, err)
		}
	}
	for _, name := range []string{"", "..", "../x", ".x", "a/b/c", "a b", strings.Repeat("a", 129)} {
		if err := r.CreateNight(name); !errors.Is(err, ErrName) {
			t.Errorf("create night %q: %v", name, err)
		}
		if err := r.WriteNightFile("n", name, nil); !errors.Is(err, ErrName) {
			t.Errorf("write night file %q: %v", name, err)
		}
		if _, err := r.ReadNight(name, "x"); !errors.Is(err, ErrName) {
			t.Errorf("read night %q: %v", name, err)
		}
		if _, err := r.NightFiles(name); !errors.Is(err, ErrName) {
			t.Errorf("files of night %q: %v", name, err)
		}
	}
}

func TestNights(t *testing.T) {
	r := newRegistry(t)
	if err := r.CreateNight("20260102T030405Z-support"); err != nil {
		t.Fatal(err)
	}
	if err := r.CreateNight("20260102T030405Z-support"); !errors.Is(err, ErrExists) {
		t.Errorf("the same night again: %v", err)
	}
	for _, text := range []string{"one", "two"} {
		if err := r.WriteNightFile("20260102T030405Z-support", "verdict.json", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if data, err := r.ReadNight("20260102T030405Z-support", "verdict.json"); err != nil || string(data) != text {
			t.Errorf("read: %q, %v", data, err)
		}
	}
	if names, err := r.NightFiles("20260102T030405Z-support"); err != nil || !slices.Equal(names, []string{"verdict.json"}) {
		t.Errorf("files: %v, %v", names, err)
	}
	if ids, err := r.ListNights(); err != nil || !slices.Equal(ids, []string{"20260102T030405Z-support"}) {
		t.Errorf("nights: %v, %v", ids, err)
	}
	if err := r.WriteNightFile("other", "x", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("write to a night that is not there: %v", err)
	}
	if _, err := r.ReadNight("other", "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("read from a night that is not there: %v", err)
	}
	if _, err := r.NightFiles("other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("files of a night that is not there: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	r := newRegistry(t)
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.Put(done, "default", version("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if _, err := r.Activate(done, "default", Activation{Actor: "ann"}); !errors.Is(err, context.Canceled) {
		t.Errorf("activate: %v", err)
	}
	if all, err := r.Activations("default"); err != nil || len(all) != 0 {
		t.Errorf("activations: %v, %v", all, err)
	}
}

func TestOpenSweepsLeftovers(t *testing.T) {
	r := newRegistry(t)
	put(t, r, "default", "one")
	old, young := filepath.Join(r.dir, "versions/sha256", ".tmp-version-X"), filepath.Join(r.trackDir("default", "versions"), ".tmp-000002.json-X")
	for _, path := range []string{old, young} {
		if err := os.Mkdir(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(r.Dir(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(old); err == nil {
		t.Error("an old leftover is still there")
	}
	if _, err := os.Lstat(young); err != nil {
		t.Error("a leftover that may be somebody's was removed")
	}
}
