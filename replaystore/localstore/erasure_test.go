package localstore

import (
	"context"
	"fmt"
	"testing"

	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(config(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestInterruptedErasure stops Erase after the erasure is durable and before anything is removed; Open goes on.
func TestInterruptedErasure(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for n := range 9 {
		must(t, s.Append(t.Context(), replaytest.Interaction("default", n)))
	}
	it := replaytest.Item(1, "a")
	must(t, s.Admit(t.Context(), "default", it, replaytest.Item(2, "a")))
	e := replaystore.Erasure{ID: "e1", Subject: "subject-1", Time: s.cfg.Now(), Tracks: []string{"default"}, Interactions: []string{"int-0001", "int-0004", "int-0007"}}
	must(t, s.writeErasure(e, true))
	must(t, s.Close())

	for range 2 {
		s = open(t, dir)
		if got := replaytest.ScanAll(t, s, "default", 100); len(got) != 7 || got[6] != "e:e1" {
			t.Fatalf("got %v", got)
		}
		if r, err := s.Rehearsal(t.Context(), "default"); err != nil || len(r.Items()) != 1 {
			t.Fatalf("memory %+v %v", r, err)
		}
		replaytest.AssertGone(t, dir, "answer 4")
		replaytest.AssertGone(t, dir, "prompt 1")
		must(t, s.Close())
	}
}

// TestSnapshots: after many admissions the memory stands in snapshots, and what they replace goes with the next Erase.
func TestSnapshots(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for n := 0; n < 2*snapshotEvery; n += 64 {
		var items []replaystore.MemoryItem
		for i := range 64 {
			items = append(items, replaytest.Item(n+i, fmt.Sprint("s", i%3)))
		}
		must(t, s.Admit(t.Context(), "default", items...))
	}
	want, err := s.Rehearsal(t.Context(), "default")
	must(t, err)
	snapshots := func() (n, admits int) {
		must(t, s.each(context.Background(), func(_ uint64, r replaystore.Record) error {
			if r.Snapshot != nil {
				n++
			}
			if r.Admit != nil {
				admits++
			}
			return nil
		}))
		return n, admits
	}
	if n, _ := snapshots(); n != 2 {
		t.Errorf("%d snapshots", n)
	}
	if _, err := s.Erase(t.Context(), "nobody"); err != nil {
		t.Fatal(err)
	}
	if n, admits := snapshots(); n != 1 || admits != 0 {
		t.Errorf("%d snapshots and %d items left", n, admits)
	}
	must(t, s.Close())
	s = open(t, dir)
	if got, err := s.Rehearsal(t.Context(), "default"); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
