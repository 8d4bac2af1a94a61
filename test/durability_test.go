package test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nightshift/models/demo"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/redisstore"
	"nightshift/replaystore/replaytest"
)

// promises is what a server has acknowledged.
type promises struct {
	mu           sync.Mutex
	interactions map[string]bool
	feedback     map[string]string // id → the correction it carried
	unlogged     int
}

// keep writes from one client until the server is gone: it asks, by turns streamed and whole, and corrects the answer.
func (p *promises) keep(ctx context.Context, a *api, writer int) {
	questions := demo.Facts()[writer].Questions(demo.Demo)
	for i := 0; ; i++ {
		var got answered
		body := question(fmt.Sprintf("writer-%d", writer), questions[i%len(questions)])
		if i%2 == 0 {
			s, err := a.stream(ctx, body)
			if err != nil {
				return
			}
			_, about, ok := strings.Cut(s.about, `data: `)
			if !ok {
				about = s.about
			}
			if json.Unmarshal([]byte(about), &got) != nil { // cut off before the last chunk: nothing was promised
				return
			}
		} else {
			r, err := a.try(ctx, http.MethodPost, "/v1/chat/completions", body)
			if err != nil || r.status != http.StatusOK || json.Unmarshal(r.body, &got) != nil {
				return
			}
		}
		p.mu.Lock()
		if got.About.Logged {
			p.interactions[got.About.Interaction] = true
		} else {
			p.unlogged++
		}
		p.mu.Unlock()
		words := fmt.Sprintf("correction %d of writer %d", i, writer)
		r, err := a.try(ctx, http.MethodPost, "/v1/feedback", map[string]any{"interaction": got.About.Interaction, "token": got.About.Token, "correction": words})
		var taken struct{ IDs []string }
		if err != nil || r.status != http.StatusAccepted || json.Unmarshal(r.body, &taken) != nil || len(taken.IDs) != 1 {
			return
		}
		p.mu.Lock()
		p.feedback[taken.IDs[0]] = words
		p.mu.Unlock()
	}
}

// count is how many promises were made so far.
func (p *promises) count() (interactions, feedback int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.interactions), len(p.feedback)
}

// kept reads a store and reports what was promised and is not there.
func (p *promises) kept(t *testing.T, store replaystore.Store) {
	t.Helper()
	interactions, feedback := map[string]bool{}, map[string]string{}
	cursor := replaystore.Cursor("")
	for {
		events, next, err := store.Scan(deadline(t, hang), "default", cursor, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		cursor = next
		for _, e := range events {
			switch {
			case e.Interaction != nil:
				interactions[e.Interaction.ID] = e.Interaction.Answer != "" && len(e.Interaction.Messages) > 0
			case e.Feedback != nil && e.Feedback.Correction != nil:
				feedback[e.Feedback.ID] = *e.Feedback.Correction
			}
		}
	}
	lost := 0
	for id := range p.interactions {
		if !interactions[id] {
			lost++
		}
	}
	for id, words := range p.feedback {
		if feedback[id] != words {
			lost++
		}
	}
	t.Logf("acknowledged: %d interactions and %d corrections; in the store: %d and %d; lost: %d",
		len(p.interactions), len(p.feedback), len(interactions), len(feedback), lost)
	if lost > 0 || p.unlogged > 0 {
		t.Errorf("%d acknowledged events are lost; %d interactions were not logged", lost, p.unlogged)
	}
}

// killed lets eight writers write until enough is acknowledged, kills the server in the middle of it, and whatever else
// is to die with it.
func killed(t *testing.T, s *program, also func()) *promises {
	t.Helper()
	p := &promises{interactions: map[string]bool{}, feedback: map[string]string{}}
	ctx := deadline(t, hang)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() { p.keep(ctx, s.api, w) })
	}
	await(t, "200 corrections are acknowledged", func() bool {
		_, n := p.count()
		return n >= 200
	})
	s.kill()
	also()
	wg.Wait()
	return p
}

// TestKilledServer kills servers under load, starts them again, and looks for everything that was acknowledged.
func TestKilledServer(t *testing.T) {
	needRuntime(t)
	quiet := slog.New(slog.DiscardHandler)
	t.Run("Local", func(t *testing.T) {
		data := t.TempDir()
		p := killed(t, serverOf(t, "run", "--data", data), func() {})
		again := serverOf(t, "run", "--data", data)
		again.ask("", "Are you open on Sundays?")
		if code := again.stop(t); code != 0 {
			t.Errorf("status %d after the restart", code)
		}
		store, err := localstore.Open(localstore.Config{Dir: filepath.Join(data, "store"), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p.kept(t, store)
	})
	t.Run("Redis", func(t *testing.T) {
		redis := replaytest.StartRedis(t, "--appendonly", "yes")
		data := t.TempDir()
		args := []string{"--data", data, "--set", "store.kind=redis", "--set", "store.redis.addresses=" + redis.Addr}
		p := killed(t, serverOf(t, "serve", args...), redis.Stop)

		down := serverOf(t, "serve", args...) // Redis being down is no reason not to serve
		var taken answered
		r := down.call(http.MethodPost, "/v1/chat/completions", question("late", "Are you open on Sundays?"), http.StatusOK)
		r.into(t, &taken)
		down.call(http.MethodPost, "/v1/feedback", map[string]any{"id": "while-down", "interaction": taken.About.Interaction, "token": taken.About.Token,
			"correction": "while Redis was down"}, http.StatusAccepted)
		p.interactions[taken.About.Interaction], p.feedback["while-down"] = taken.About.Logged, "while Redis was down"
		redis.Start()
		await(t, "the server is itself again", func() bool {
			var status struct{ Store struct{ Degraded bool } }
			down.call(http.MethodGet, "/v1/status", nil, http.StatusOK).into(t, &status)
			return !status.Store.Degraded
		})
		if code := down.stop(t); code != 0 {
			t.Errorf("status %d after the restart", code)
		}
		// Another process, with an empty journal of its own, sees only what Redis has.
		store, err := redisstore.Open(deadline(t, hang), redisstore.Config{Addrs: []string{redis.Addr}, Dir: t.TempDir(), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p.kept(t, store)
	})
}
