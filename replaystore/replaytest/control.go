package replaytest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"nightshift/replaystore"
)

func testControl(t *testing.T, env Env) {
	c := open(t, env).Control()
	if last, err := c.Last(t.Context()); err != nil {
		t.Fatal(last, err)
	}
	start, err := c.Last(t.Context())
	must(t, err)
	var ids []string
	for n := range 5 {
		id, err := replaystore.Send(t.Context(), c, replaystore.ActivationHint{Track: "default", Number: n})
		must(t, err)
		ids = append(ids, id)
	}
	if last, err := c.Last(t.Context()); err != nil || last == start {
		t.Errorf("last %q %v", last, err)
	}
	if got, err := c.Read(t.Context(), start, 2, 0); err != nil || len(got) != 2 {
		t.Errorf("limit 2: %v %v", got, err)
	}
	var seen []string
	for after := start; ; {
		got, err := c.Read(t.Context(), after, 2, 0)
		must(t, err)
		if len(got) == 0 {
			break
		}
		for _, signal := range got {
			after = signal.ID
			if signal.Kind == replaystore.KindShipped { // the store's own
				continue
			}
			hint, err := replaystore.Decode[replaystore.ActivationHint](signal)
			if err != nil || hint.Number != len(seen) || signal.Time.IsZero() || signal.Kind != replaystore.KindActivation {
				t.Fatalf("got %+v %v", signal, err)
			}
			seen = append(seen, signal.ID)
		}
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("got %v, want %v", seen, ids)
	}
	if got, err := c.Read(t.Context(), "", 0, 0); len(got) != 0 || err != nil {
		t.Errorf("limit 0: %v %v", got, err)
	}
	if _, err := c.Read(t.Context(), "nonsense", 1, 0); err == nil {
		t.Error("an id that is none is taken")
	}
	if _, err := c.Publish(t.Context(), replaystore.Signal{Kind: "x", Data: []byte("{")}); err == nil {
		t.Error("data that is not JSON is taken")
	}
}

func testControlBlocks(t *testing.T, env Env) {
	c := open(t, env).Control()
	start, err := c.Last(t.Context())
	must(t, err)
	type answer struct {
		got []replaystore.Signal
		err error
	}
	ch := make(chan answer, 1)
	read := func(ctx context.Context, after string) {
		for {
			got, err := c.Read(ctx, after, 1, time.Minute)
			if err == nil && len(got) == 1 && got[0].Kind == replaystore.KindShipped { // the store's own
				after = got[0].ID
				continue
			}
			ch <- answer{got, err}
			return
		}
	}
	go read(t.Context(), start)
	id, err := replaystore.Send(t.Context(), c, replaystore.LoadSignal{Server: "a"})
	must(t, err)
	if a := <-ch; a.err != nil || len(a.got) == 0 || a.got[0].ID != id {
		t.Fatalf("got %+v", a)
	}
	last, err := c.Last(t.Context())
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go read(ctx, last)
	cancel()
	if a := <-ch; !errors.Is(a.err, context.Canceled) {
		t.Fatalf("got %+v", a)
	}
	if got, err := c.Read(t.Context(), last, 10, 20*time.Millisecond); err != nil || len(got) > 1 {
		t.Errorf("got %v %v", got, err)
	}
}

// testNightIsAnswered: a request for a night is followed by a mark that everything acknowledged before can be read.
func testNightIsAnswered(t *testing.T, env Env) {
	s := open(t, env)
	must(t, s.Append(t.Context(), Interaction("default", 1)))
	c := s.Control()
	after, err := replaystore.Send(t.Context(), c, replaystore.NightRequest{Night: "n1", Track: "default"})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var marks replaystore.Marks
	for {
		got, err := c.Read(ctx, after, 10, time.Second)
		must(t, err)
		for _, signal := range got {
			after = signal.ID
			must(t, marks.Observe(signal, time.Now()))
			if m, err := replaystore.Decode[replaystore.ShippedMark](signal); err == nil && m.Night == "n1" {
				if behind := marks.Behind("n1", time.Now().Add(-time.Minute)); len(behind) != 0 {
					t.Errorf("behind: %v", behind)
				}
				if events, _, err := s.Scan(ctx, "default", "", 10); err != nil || len(events) != 1 {
					t.Errorf("%v %v", events, err)
				}
				return
			}
		}
	}
}
