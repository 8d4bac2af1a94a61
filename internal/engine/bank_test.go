package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"nightshift/internal/sampling"
	"nightshift/models/adapter"
	"nightshift/models/arch"
)

// TestRowsOfRanks installs adapters of every rank from 1 to 64: eight ranks a row, and never in row 0.
func TestRowsOfRanks(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{BankRows: 9})
	b := e.Bank()
	for rank := 1; rank <= 64; rank++ {
		digest := fmt.Sprint(rank)
		a := randomAdapter(t, m.Config, rank, uint64(rank), m.Config.Modules()[rank%4:]...)
		l, weights := laidOut(t, a)
		for _, install := range []func() error{func() error { return b.Install(digest, a) }, func() error { return b.Reinstall(digest+" again", l, weights) }} {
			if err := install(); err != nil {
				t.Fatal(err)
			}
		}
		pin := pinned(t, e, digest+" again")
		if rows := pin.rows; len(rows) != (rank+7)/8 || slices.Contains(rows, 0) {
			t.Fatalf("rank %d has the rows %v", rank, rows)
		}
		pin.Release()
	}
}

// TestBankEvictsTheLeastRecentlyUsed fills the bank and looks at who goes.
func TestBankEvictsTheLeastRecentlyUsed(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{BankRows: 5})
	b := e.Bank()
	install := func(digest string, rank int) error {
		return b.Install(digest, randomAdapter(t, m.Config, rank, 1))
	}
	for _, d := range []string{"a", "b", "c", "d"} {
		if err := install(d, 8); err != nil {
			t.Fatal(err)
		}
	}
	pinned(t, e, "a").Release() // used, so that b is now the oldest
	held := pinned(t, e, "c")
	if err := install("e", 8); err != nil {
		t.Fatal(err)
	}
	if got := b.Resident(); !slices.Equal(got, []string{"a", "c", "d", "e"}) {
		t.Errorf("resident: %v, want a c d e", got)
	}
	if err := install("d", 8); err != nil { // resident: used again
		t.Fatal(err)
	}
	if err := install("big", 32); err == nil || !strings.Contains(err.Error(), "4 bank rows are needed and 3 of 4") {
		t.Errorf("an adapter that needs pinned rows: %v", err)
	}
	if got := b.Resident(); len(got) != 4 {
		t.Errorf("an installation that failed evicted: %v are left", got)
	}
	if err := install("two", 16); err != nil {
		t.Fatal(err)
	}
	if got := b.Resident(); !slices.Equal(got, []string{"c", "d", "two"}) {
		t.Errorf("resident: %v, want c d two", got)
	}
	held.Release()
	held.Release()
	if err := install("big", 32); err != nil {
		t.Errorf("after the pin was released twice: %v", err)
	}
	if v := b.versions["big"]; v.pins != 0 || len(b.free) != 0 || len(v.rows) != 4 {
		t.Errorf("the bank's books: %+v, free %v", v, b.free)
	}
}

// TestBankRefuses names what is wrong with an adapter, and leaves the bank as it was.
func TestBankRefuses(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{BankRows: 4, Modules: []string{"mlp.c_fc"}})
	b := e.Bank()
	good := func() *adapter.Adapter { return randomAdapter(t, m.Config, 8, 1, "mlp.c_fc") }
	if err := b.Install("good", good()); err != nil {
		t.Fatal(err)
	}
	change := func(f func(a *adapter.Adapter)) *adapter.Adapter {
		a := good()
		f(a)
		return a
	}
	target := arch.Target{Layer: 1, Module: "mlp.c_fc"}
	for name, c := range map[string]struct {
		adapter *adapter.Adapter
		want    string
	}{
		"none":    {nil, "no adapter"},
		"module":  {randomAdapter(t, m.Config, 8, 1), "bank does not hold"},
		"rank 32": {randomAdapter(t, m.Config, 32, 1, "mlp.c_fc"), "takes 4 bank rows and the bank has 3"},
		"rank 65": {randomAdapter(t, m.Config, 65, 1, "mlp.c_fc"), "raise engine.max_rank"},
		"rank 0":  {change(func(a *adapter.Adapter) { a.Config.Rank = 0 }), "rank"},
		"NaN":     {change(func(a *adapter.Adapter) { a.Factors[target].A[0] = float32(math.NaN()) }), "finite"},
		"shape": {change(func(a *adapter.Adapter) {
			a.Factors[target] = adapter.Factors{A: make([]float32, 8), B: make([]float32, 8)}
		}), "mlp.c_fc"},
	} {
		if err := b.Install(name, c.adapter); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v, want one about %q", name, err, c.want)
		}
	}
	if got := b.Resident(); !slices.Equal(got, []string{"good"}) {
		t.Errorf("resident: %v", got)
	}
	if err := b.Install("", nil); err != nil {
		t.Errorf("the base model cannot be installed: %v", err)
	}
	if _, ok := b.Pin("unknown"); ok {
		t.Error("a version that is not there was pinned")
	}
	e.Close()
	if err := b.Install("late", good()); !errors.Is(err, ErrClosed) {
		t.Errorf("install after Close: %v", err)
	}
	if _, ok := b.Pin("good"); ok {
		t.Error("a version was pinned after Close")
	}
}

// TestPinServesOneRequest says who may release a pin and when.
func TestPinServesOneRequest(t *testing.T) {
	m := smallModel(t)
	e, other := newEngine(t, m, Config{}), newEngine(t, m, Config{})
	ctx := context.Background()
	for _, x := range []*Engine{e, other} {
		if err := x.Bank().Install("v", randomAdapter(t, m.Config, 8, 1)); err != nil {
			t.Fatal(err)
		}
	}
	pins := func() int { return e.Bank().versions["v"].pins }
	pin := pinned(t, e, "v")
	r := Request{Prompt: []int32{1, 2, 3}, Pin: pin, MaxTokens: 3, IgnoreEOS: true}
	s := submit(t, e, ctx, r)
	pin.Release() // a caller's deferred one
	if _, err := e.Submit(ctx, r); err == nil || pins() != 1 {
		t.Errorf("a pin in use was taken again: %v, %d pins", err, pins())
	}
	drain(e)
	if read(t, s); pins() != 0 {
		t.Errorf("after the answer there are %d pins", pins())
	}
	if _, err := e.Submit(ctx, r); err == nil {
		t.Error("a released pin was taken")
	}
	for _, bad := range []*Pin{nil, pinned(t, other, "v")} {
		if _, err := e.Submit(ctx, Request{Prompt: []int32{1}, Pin: bad, MaxTokens: 1}); err == nil {
			t.Error("a request without a pin of this engine was taken")
		}
		if _, err := e.Score(ctx, bad, []int32{1, 2}, 1); err == nil {
			t.Error("a score without a pin of this engine was taken")
		}
	}
	var prompt *PromptError
	for _, bad := range []Request{
		{}, {Prompt: []int32{-1}}, {Prompt: []int32{int32(m.Config.Vocab)}}, {Prompt: []int32{1}}, {Prompt: make([]int32, 300), MaxTokens: 1},
		{Prompt: []int32{1}, MaxTokens: 1, Sampling: sampling.Params{Temperature: -1}},
	} {
		bad.Pin = pinned(t, e, "v")
		if _, err := e.Submit(ctx, bad); !errors.As(err, &prompt) || err.Error() == "" || pins() != 0 {
			t.Errorf("%d tokens, max %d: %v, %d pins", len(bad.Prompt), bad.MaxTokens, err, pins())
		}
	}
	for _, c := range []struct{ tokens, from int }{{1, 1}, {5, 0}, {5, 5}, {301, 1}, {0, 1}} {
		if _, err := e.Score(ctx, pinned(t, e, "v"), make([]int32, c.tokens), c.from); !errors.As(err, &prompt) || pins() != 0 {
			t.Errorf("score %+v: %v, %d pins", c, err, pins())
		}
	}
}

// TestNoAnswerMixesVersions swaps versions in and out of a bank that is too small for all of them while requests run:
// each answer is, to the bit, the one that its version gives alone.
func TestNoAnswerMixesVersions(t *testing.T) {
	m := smallModel(t)
	const versions, rounds, clients = 9, 40, 4
	rng := rand.New(rand.NewPCG(4, 2))
	prompt := randomTokens(rng, 35, m.Config.Vocab)
	ranks := []int{4, 8, 16, 20, 8, 12, 24, 8, 16}
	adapters, want := map[string]*adapter.Adapter{}, map[string]answer{}
	request := Request{Prompt: prompt, MaxTokens: 12, IgnoreEOS: true}
	quiet := runEngine(t, m, Config{Slots: 1, Chunk: 16})
	for i := range versions {
		digest := fmt.Sprint("version ", i)
		adapters[digest] = randomAdapter(t, m.Config, ranks[i], uint64(i))
		if err := quiet.Bank().Install(digest, adapters[digest]); err != nil {
			t.Fatal(err)
		}
		request.Pin = pinned(t, quiet, digest)
		want[digest] = ask(t, quiet, request)
	}
	e := runEngine(t, m, Config{Slots: 3, Chunk: 16, BankRows: 9})
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 77))
			for range rounds {
				digest := fmt.Sprint("version ", rng.IntN(versions))
				var pin *Pin
				for ok := false; !ok; pin, ok = e.Bank().Pin(digest) {
					if err := e.Bank().Install(digest, adapters[digest]); err != nil && !strings.Contains(err.Error(), "not used by running requests") {
						t.Error(err)
						return
					}
				}
				r := request
				r.Pin = pin
				s, err := e.Submit(context.Background(), r)
				if err != nil {
					t.Error(err)
					return
				}
				if diff := same(want[digest], read(t, s)); diff != "" {
					t.Errorf("%s: alone and among swaps: %s", digest, diff)
				}
			}
		})
	}
	wait.Wait()
	e.Close()
	rows := len(e.bank.free)
	for digest, v := range e.bank.versions {
		if rows += len(v.rows); v.pins != 0 {
			t.Errorf("%s has %d pins when nothing runs", digest, v.pins)
		}
	}
	if rows != 8 {
		t.Errorf("the bank accounts for %d of its 8 rows", rows)
	}
}
