package replaytest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"nightshift/replaystore"
)

func testOrder(t *testing.T, env Env) {
	s := open(t, env)
	var want []string
	for n := range 25 {
		e, f := Interaction("support", n), Feedback("support", n, "f")
		must(t, s.Append(t.Context(), e, f))
		must(t, s.Append(t.Context(), Interaction("other", n)))
		want = append(want, e.Key(), f.Key())
	}
	for _, step := range []int{1, 7, 1000} {
		if got := ScanAll(t, s, "support", step); !slices.Equal(got, want) {
			t.Fatalf("step %d: got %v", step, got)
		}
	}
	events, cursor, err := s.Scan(t.Context(), "support", "", 20)
	must(t, err)
	if want := Interaction("support", 3); !reflect.DeepEqual(events[6].Interaction, want.Interaction) {
		t.Errorf("got %+v\nwant %+v", events[6].Interaction, want.Interaction)
	}
	if want := Feedback("support", 3, "f"); !want.Feedback.Editor || !reflect.DeepEqual(events[7].Feedback, want.Feedback) {
		t.Errorf("got %+v\nwant %+v, which is an editor's", events[7].Feedback, want.Feedback)
	}
	closeStore(t, s)
	s = open(t, env)
	must(t, s.Append(t.Context(), Interaction("support", 99)))
	must(t, s.Sync(t.Context()))
	events, _, err = s.Scan(t.Context(), "support", cursor, 1000)
	must(t, err)
	if len(events) != 31 || events[0].Key() != want[20] || events[30].Key() != "i:int-0099" {
		t.Fatalf("after reopening: %d events", len(events))
	}
	tracks, err := s.Tracks(t.Context())
	must(t, err)
	if !slices.Equal(tracks, []string{"other", "support"}) {
		t.Errorf("tracks %v", tracks)
	}
	if events, cursor, err := s.Scan(t.Context(), "unknown", "", 5); len(events) != 0 || cursor != "" || err != nil {
		t.Errorf("unknown track: %v %q %v", events, cursor, err)
	}
	if _, _, err := s.Scan(t.Context(), "support", "nonsense", 5); err == nil {
		t.Error("a cursor of another store is taken")
	}
}

func testIdempotency(t *testing.T, env Env) {
	s := open(t, env)
	i, f, g := Interaction("default", 1), Feedback("default", 1, "key-1"), Feedback("default", 2, "key-1")
	must(t, s.Append(t.Context(), i, i, f))
	must(t, s.Append(t.Context(), f, i))
	changed := Feedback("default", 1, "key-1")
	changed.Feedback.Comment = "a second try with another text"
	must(t, s.Append(t.Context(), changed, g))
	if !s.AppendAsync(i) {
		t.Error("known event refused")
	}
	want := []string{i.Key(), f.Key(), g.Key()}
	if got := ScanAll(t, s, "default", 10); !slices.Equal(got, want) {
		t.Fatalf("got %v", got)
	}
	closeStore(t, s)
	s = open(t, env)
	must(t, s.Append(t.Context(), g, f, i))
	must(t, s.Append(t.Context(), Interaction("elsewhere", 1)))
	if got := ScanAll(t, s, "default", 10); !slices.Equal(got, want) {
		t.Fatalf("after reopening: %v", got)
	}
	if got := ScanAll(t, s, "elsewhere", 10); len(got) != 1 {
		t.Fatalf("the id counts in its track: %v", got)
	}
	must(t, s.Append(t.Context()))
}

func testRefusals(t *testing.T, env Env) {
	s := open(t, env)
	bad := Interaction("default", 2)
	bad.Interaction.Answer = "\xff"
	var invalid *replaystore.InvalidError
	if err := s.Append(t.Context(), Interaction("default", 1), bad); !errors.As(err, &invalid) {
		t.Fatalf("bad UTF-8: %v", err)
	}
	if got := ScanAll(t, s, "default", 10); len(got) != 0 {
		t.Fatalf("a part of a refused call was written: %v", got)
	}
	if s.AppendAsync(bad) {
		t.Error("bad event logged")
	}
	e := replaystore.Event{Erasure: &replaystore.Erasure{ID: "e1", Subject: "s", Time: T0}}
	if err := s.Append(t.Context(), e); err == nil || !strings.Contains(err.Error(), "Erase") {
		t.Errorf("erasure appended: %v", err)
	}
	if err := s.Append(t.Context(), replaystore.Event{}); err == nil {
		t.Error("empty event appended")
	}
	if err := s.Admit(t.Context(), "no track", Item(1, "")); err == nil {
		t.Error("bad track admitted")
	}
	if err := s.Admit(t.Context(), "default", replaystore.MemoryItem{}); err == nil {
		t.Error("empty item admitted")
	}
	if err := s.Retire(t.Context(), "no track", "x"); err == nil {
		t.Error("bad track retired from")
	}
	if _, err := s.Erase(t.Context(), ""); err == nil {
		t.Error("nobody erased")
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Lost != 1 || st.Degraded != "" {
		t.Errorf("stats %+v %v", st, err)
	}
}

func testAsync(t *testing.T, env Env) {
	s := open(t, env)
	for n := range 20 {
		if !s.AppendAsync(Interaction("default", n)) {
			t.Fatal("not logged")
		}
		if _, ok, err := s.Interaction(t.Context(), "default", fmt.Sprintf("int-%04d", n)); !ok || err != nil {
			t.Fatalf("interaction %d cannot be found at once: %v", n, err)
		}
	}
	if got := ScanAll(t, s, "default", 100); len(got) != 20 {
		t.Fatalf("%d events", len(got))
	}
	closeStore(t, s)
	if got := ScanAll(t, open(t, env), "default", 100); len(got) != 20 {
		t.Fatalf("%d events after reopening", len(got))
	}
}

func testConcurrency(t *testing.T, env Env) {
	s := open(t, env)
	const writers, each = 8, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				e := Interaction("default", n*writers/2+w/2) // two writers for each
				if err := s.Append(t.Context(), e); err != nil {
					t.Error(err)
				}
				if _, ok, err := s.Interaction(t.Context(), "default", e.Interaction.ID); !ok || err != nil {
					t.Errorf("acknowledged %s is not there: %v", e.Interaction.ID, err)
				}
			}
		})
	}
	wg.Go(func() { // a reader never misses what it has passed
		var cursor replaystore.Cursor
		seen := make(map[string]bool)
		for len(seen) < writers/2*each && t.Context().Err() == nil && !t.Failed() {
			if err := s.Sync(t.Context()); err != nil {
				t.Error(err)
			}
			events, next, err := s.Scan(t.Context(), "default", cursor, 9)
			if err != nil {
				t.Error(err)
			}
			cursor = next
			for _, e := range events {
				if seen[e.Key()] {
					t.Errorf("%s twice", e.Key())
				}
				seen[e.Key()] = true
			}
		}
	})
	wg.Wait()
	got := ScanAll(t, s, "default", 33)
	if len(got) != writers/2*each {
		t.Fatalf("%d events", len(got))
	}
	if again := ScanAll(t, s, "default", 1000); !slices.Equal(got, again) {
		t.Error("two scans differ in order")
	}
}

func testLookup(t *testing.T, env Env) {
	s := open(t, env)
	want := Interaction("a", 1)
	must(t, s.Append(t.Context(), want))
	check := func(s replaystore.Store) {
		t.Helper()
		got, ok, err := s.Interaction(t.Context(), "a", "int-0001")
		if !ok || err != nil || !reflect.DeepEqual(&got, want.Interaction) {
			t.Errorf("got %+v %t %v", got, ok, err)
		}
		if _, ok, err := s.Interaction(t.Context(), "b", "int-0001"); ok || err != nil {
			t.Errorf("another track's: %t %v", ok, err)
		}
		if _, ok, err := s.Interaction(t.Context(), "a", "int-0002"); ok || err != nil {
			t.Errorf("unknown: %t %v", ok, err)
		}
	}
	check(s)
	closeStore(t, s)
	check(open(t, env))
}

func testClosed(t *testing.T, env Env) {
	s := open(t, env)
	closeStore(t, s)
	closeStore(t, s)
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"append": func() error { return s.Append(ctx, Interaction("default", 1)) },
		"admit":  func() error { return s.Admit(ctx, "default", Item(1, "")) },
		"retire": func() error { return s.Retire(ctx, "default", "x") },
		"forget": func() error { _, err := s.Erase(ctx, "x"); return err },
		"stats":  func() error { _, err := s.Stats(ctx); return err },
		"sync":   func() error { return s.Sync(ctx) },
		"tracks": func() error { _, err := s.Tracks(ctx); return err },
		"scan":   func() error { _, _, err := s.Scan(ctx, "default", "", 1); return err },
		"memory": func() error { _, err := s.Rehearsal(ctx, "default"); return err },
		"lookup": func() error { _, _, err := s.Interaction(ctx, "default", "x"); return err },
	} {
		if err := call(); !errors.Is(err, replaystore.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.AppendAsync(Interaction("default", 1)) {
		t.Error("logged by a closed store")
	}
}
