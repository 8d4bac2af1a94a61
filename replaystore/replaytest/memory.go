package replaytest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"nightshift/replaystore"
)

func itemIDs(items []replaystore.MemoryItem) []string {
	var out []string
	for _, item := range items {
		out = append(out, item.ID)
	}
	return out
}

func rehearsal(t *testing.T, s replaystore.Store, track string) replaystore.Rehearsal {
	t.Helper()
	r, err := s.Rehearsal(t.Context(), track)
	must(t, err)
	return r
}

// testMemorySample admits in random order, some twice, and expects the newest and, per stratum, the largest keys.
func testMemorySample(t *testing.T, env Env) {
	s := open(t, env)
	if r := rehearsal(t, s, "default"); len(r.Recent)+len(r.Strata) != 0 || r.Track != "default" {
		t.Fatalf("empty memory: %+v", r)
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(60)
	for _, n := range append(order, order[:20]...) {
		item := Item(n, fmt.Sprint("s", n%2))
		item.Weight = float64(n%4) / 2 // 0 is 1
		must(t, s.Admit(t.Context(), "default", item))
	}
	r := rehearsal(t, s, "default")
	if got, want := itemIDs(r.Recent), []string{"item-0052", "item-0053", "item-0054", "item-0055", "item-0056", "item-0057", "item-0058", "item-0059"}; !slices.Equal(got, want) {
		t.Errorf("recent %v", got)
	}
	if len(r.Strata) != 2 || r.Strata[0].Name != "s0" || len(r.Strata[0].Items) != 5 || len(r.Strata[1].Items) != 5 {
		t.Fatalf("strata %+v", r.Strata)
	}
	for _, st := range r.Strata {
		for n, k := range st.Items {
			if !(k.Key < 0) || math.IsInf(k.Key, 0) || n > 0 && k.Key <= st.Items[n-1].Key || k.Item.Weight == 0 {
				t.Errorf("stratum %s: item %d has key %v, weight %v", st.Name, n, k.Key, k.Item.Weight)
			}
		}
	}
	if want := Item(59, "s1"); !reflect.DeepEqual(r.Recent[7].Example, want.Example) {
		t.Errorf("got %+v", r.Recent[7])
	}
	for n := 60; n < 63; n++ { // a third stratum fits, a fourth does not
		must(t, s.Admit(t.Context(), "default", Item(n, "s2")))
	}
	var invalid *replaystore.InvalidError
	if err := s.Admit(t.Context(), "default", Item(70, "s3")); !errors.As(err, &invalid) {
		t.Errorf("a stratum too many: %v", err)
	}
	r = rehearsal(t, s, "default")
	closeStore(t, s)
	if again := rehearsal(t, open(t, env), "default"); !reflect.DeepEqual(r, again) {
		t.Errorf("after reopening: %+v\nwant %+v", again, r)
	}
}

func testMemoryGeneration(t *testing.T, env Env) {
	s := open(t, env)
	for n := range 4 {
		must(t, s.Admit(t.Context(), "default", Item(n, "old")))
	}
	item := Item(2, "new")
	item.Generation = 2
	must(t, s.Admit(t.Context(), "default", item))
	must(t, s.Admit(t.Context(), "default", Item(5, "old"))) // late, of the generation before
	r := rehearsal(t, s, "default")
	if r.Generation != 2 || len(r.Strata) != 1 || r.Strata[0].Name != "new" || len(r.Strata[0].Items) != 1 {
		t.Fatalf("got %+v", r)
	}
	if len(r.Recent) != 5 || len(r.Items()) != 5 {
		t.Errorf("recent %v", itemIDs(r.Recent))
	}
	closeStore(t, s)
	if again := rehearsal(t, open(t, env), "default"); !reflect.DeepEqual(r, again) {
		t.Errorf("after reopening: %+v\nwant %+v", again, r)
	}
}

func testMemoryRetire(t *testing.T, env Env) {
	s := open(t, env)
	must(t, s.Admit(t.Context(), "default", Item(1, "a"), Item(2, "a"), Item(3, "b")))
	must(t, s.Retire(t.Context(), "default", "item-0001", "item-0003"))
	must(t, s.Retire(t.Context(), "default"))
	must(t, s.Admit(t.Context(), "default", Item(1, "a")))
	check := func(s replaystore.Store) {
		t.Helper()
		r := rehearsal(t, s, "default")
		if got := itemIDs(r.Items()); !slices.Equal(got, []string{"item-0002"}) || len(r.Strata) != 1 {
			t.Errorf("got %v %+v", got, r.Strata)
		}
	}
	check(s)
	closeStore(t, s)
	check(open(t, env))
}

// Resize checks that the memory of a track has the sizes of its own, or of all tracks, and comes down to smaller ones that a store is
// opened with later. open opens the same store with sizes.
func Resize(t *testing.T, open func(all replaystore.MemoryLimits, tracks map[string]replaystore.MemoryLimits) replaystore.Store) {
	t.Helper()
	sizes := func(s replaystore.Store, track string) [2]int {
		must(t, s.Sync(t.Context()))
		r := rehearsal(t, s, track)
		n := [2]int{len(r.Recent), 0}
		for _, st := range r.Strata {
			n[1] += len(st.Items)
		}
		return n
	}
	small := replaystore.MemoryLimits{Recent: 3, PerStratum: 2, Strata: 1}
	s := open(Limits, map[string]replaystore.MemoryLimits{"small": small})
	for n := range 20 {
		for _, track := range []string{"default", "small"} {
			must(t, s.Admit(t.Context(), track, Item(n, "s")))
		}
	}
	if all, own := sizes(s, "default"), sizes(s, "small"); all != [2]int{Limits.Recent, Limits.PerStratum} || own != [2]int{3, 2} {
		t.Errorf("newest and sample are %v and %v, of the track that differs %v", all, Limits, own)
	}
	newest, largest := rehearsal(t, s, "default").Recent[Limits.Recent-1].ID, rehearsal(t, s, "default").Strata[0].Items[Limits.PerStratum-1].Item.ID
	closeStore(t, s)

	s = open(replaystore.MemoryLimits{Recent: 1, PerStratum: 1, Strata: 1}, nil)
	defer closeStore(t, s)
	old := Item(20, "s")
	old.Time = Item(0, "s").Time.Add(-1)
	must(t, s.Admit(t.Context(), "default", old))
	if n := sizes(s, "default"); n != [2]int{1, 1} {
		t.Errorf("made smaller, newest and sample are %v, want 1 and 1", n)
	}
	r := rehearsal(t, s, "default")
	if r.Recent[0].ID != newest || r.Strata[0].Items[0].Item.ID != largest && r.Strata[0].Items[0].Item.ID != old.ID {
		t.Errorf("made smaller, %s and %s are left, want %s and %s", r.Recent[0].ID, r.Strata[0].Items[0].Item.ID, newest, largest)
	}
}
