package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/serve"
	"nightshift/serve/api"
)

// TestNights plays the updater: it hears the request, reports steps and writes the record.
func TestNights(t *testing.T) {
	h := open(t, options{})
	r := h.post("/v1/nights", `{"track":"default","dry_run":true}`)
	v := r.json(t)
	id, _ := v["id"].(string)
	if r.status != 202 || v["state"] != "queued" || id == "" {
		t.Fatalf("asked for a night: %d %s", r.status, r.body)
	}
	signals, err := h.store.Control().Read(context.Background(), "", 100, 0)
	must(t, err)
	at := slices.IndexFunc(signals, func(s replaystore.Signal) bool { return s.Kind == replaystore.KindNightRequest })
	if at < 0 {
		t.Fatal("the request is not in the control stream")
	}
	request, err := replaystore.Decode[replaystore.NightRequest](signals[at])
	must(t, err)
	if request.Night != id || request.Track != "default" || request.By != "local" || string(request.Options) != `{"dry_run":true}` {
		t.Errorf("request %+v", request)
	}
	if got := h.get("/v1/nights/" + id).json(t); got["state"] != "queued" || got["by"] != "local" || got["track"] != "default" {
		t.Errorf("before its record a night is %v", got)
	}
	if r := h.post("/v1/nights", `{}`); r.status != 409 {
		t.Errorf("a second night: status %d, %s", r.status, r.body)
	}
	res, err := http.Get(h.url + "/v1/nights/" + id + "/events")
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // read to its end
	must(t, h.registry.CreateNight(id))
	write := func(n nightrecord.Night) {
		n.ID, n.Track = id, "default"
		data, err := n.Encode()
		must(t, err)
		must(t, h.registry.WriteNightFile(id, nightrecord.File, data))
	}
	write(nightrecord.Night{State: nightrecord.Training, Started: time.Now()})
	_, err = replaystore.Send(context.Background(), h.store.Control(), replaystore.ProgressSignal{Night: id, Track: "default", Stage: "train", Done: 3, Total: 9,
		Values: map[string]float64{"loss": 2.5, "lr": 1e-4, "eta_seconds": 4}})
	must(t, err)
	h.await("the step is heard", func() bool {
		return h.get("/v1/nights/" + id).json(t)["state"] == "training"
	})
	write(nightrecord.Night{State: nightrecord.Rejected, Reason: "no gain", Progress: &nightrecord.Progress{Phase: "gate", Step: 1, Steps: 1},
		Verdict: &nightrecord.Verdict{Checks: []nightrecord.Check{{Name: "gain"}}}})
	list := events(res.Body)
	names := map[string]int{}
	for _, e := range list {
		names[e.name]++
	}
	if names["state"] < 2 || names["progress"] < 1 || names["done"] != 1 || list[len(list)-1].name != "done" {
		t.Errorf("events %v", list)
	}
	var last map[string]any
	must(t, json.Unmarshal([]byte(list[len(list)-1].data), &last))
	if last["state"] != "rejected" || last["reason"] != "no gain" || last["id"] != id {
		t.Errorf("done with %v", last)
	}
	if got := h.get("/v1/nights?track=default&limit=5").json(t)["data"].([]any); len(got) != 1 {
		t.Errorf("%d nights, want 1", len(got))
	}
	if r := h.post("/v1/nights", `{}`); r.status != 202 {
		t.Errorf("a night after one that has ended: status %d, %s", r.status, r.body)
	}
}

// TestNightsOfAScope lists the nights of one track where the newest ones are another's.
func TestNightsOfAScope(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"sales", "support"}
		c.API.Keys = []api.Key{key("lead", []string{"support"}, "admin"), key("chief", nil, "admin")}
	}, before: func(h *house) {
		for n, track := range []string{"support", "sales", "sales"} {
			h.night(nightrecord.Night{ID: nightrecord.NewID(time.Now().Add(time.Duration(n) * time.Hour)), Track: track, State: nightrecord.Skipped})
		}
	}})
	for who, want := range map[string]string{"lead": "support", "chief": "sales"} {
		list := h.get("/v1/nights?limit=1", bearer(who)...).json(t)["data"].([]any)
		if len(list) != 1 || list[0].(map[string]any)["track"] != want {
			t.Errorf("%s sees %v, want one night of %s", who, list, want)
		}
	}
}

// night writes a night's record.
func (h *house) night(n nightrecord.Night) {
	h.t.Helper()
	data, err := n.Encode()
	must(h.t, err)
	must(h.t, h.registry.CreateNight(n.ID))
	must(h.t, h.registry.WriteNightFile(n.ID, nightrecord.File, data))
}

// TestNightsOfAQuietTrack asks for a night, and for a list, of a track among many nights of another: what is not its own is
// read once.
func TestNightsOfAQuietTrack(t *testing.T) {
	now := time.Now()
	var busy []string
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"busy", "quiet"}
		c.API.Keys = []api.Key{key("chief", nil, "admin")}
	}, before: func(h *house) {
		h.night(nightrecord.Night{ID: nightrecord.NewID(now.AddDate(0, -1, 0)), Track: "quiet", State: nightrecord.Training}) // nobody has cleared it up
		for n := range 60 {
			busy = append(busy, nightrecord.NewID(now.Add(time.Duration(n-100)*time.Hour)))
			h.night(nightrecord.Night{ID: busy[n], Track: "busy", State: nightrecord.Skipped})
		}
	}})
	list := func() int {
		return len(h.get("/v1/nights?track=quiet", bearer("chief")...).json(t)["data"].([]any))
	}
	if n := list(); n != 1 {
		t.Fatalf("%d nights, want 1", n)
	}
	for _, id := range busy { // whoever reads it now finds a night of the quiet track
		data, err := nightrecord.Night{ID: id, Track: "quiet", State: nightrecord.Training}.Encode()
		must(t, err)
		must(t, h.registry.WriteNightFile(id, nightrecord.File, data))
	}
	if n := list(); n != 1 {
		t.Errorf("the records of another track were read again: %d nights, want 1", n)
	}
	r := h.post("/v1/nights", `{"track":"quiet"}`, bearer("chief")...)
	if r.status != 202 {
		t.Fatalf("asked for a night: %d %s", r.status, r.body)
	}
	if got := h.get("/v1/nights/"+r.json(t)["id"].(string), bearer("chief")...).json(t); got["by"] != "chief" {
		t.Errorf("asked for by %v, want the key's name", got["by"])
	}
}

// TestFollowersDoNotDelayShutdown stops a server while a page follows a night that does not end.
func TestFollowersDoNotDelayShutdown(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) { c.API.Drain = 2 * hang }})
	id, _ := h.post("/v1/nights", `{}`).json(t)["id"].(string)
	res, err := http.Get(h.url + "/v1/nights/" + id + "/events")
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // read to its end
	begin := time.Now()
	must(t, h.stop())
	if took := time.Since(begin); took > hang {
		t.Errorf("the shutdown took %s", took)
	}
	if list := events(res.Body); len(list) == 0 || !strings.Contains(list[len(list)-1].data, "shutting_down") {
		t.Errorf("the follower was told %v", list)
	}
}

func TestNoUpdater(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) { c.Updater = "none" }})
	r := h.post("/v1/nights", `{}`)
	if code, _, _ := r.problem(t); r.status != 503 || code != "no_updater" {
		t.Errorf("status %d, %s", r.status, r.body)
	}
}

// planned is what whoever learns says of the next night.
func planned(_ context.Context, track string) (nightrecord.Plan, error) {
	if track != "default" {
		return nightrecord.Plan{}, errors.New("the store is down")
	}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	return nightrecord.Plan{Track: track, Time: at, Usable: at.Add(time.Hour), TooYoung: 1, Needs: []nightrecord.Need{{Name: "examples", Have: 1, Need: 20, Text: "1 of 20 examples"}},
		Sentences: []string{"The next night waits for more: 1 of 20 examples."}, Help: []string{}}, nil
}

// TestNextNight: a track by itself says what its next night would find; not knowing that hides nothing else of it.
func TestNextNight(t *testing.T) {
	h := open(t, options{plan: planned, cfg: func(c *serve.Config) { c.Tracks = []string{"support"} }})
	for path, want := range map[string]string{"/v1/tracks/default": "1 of 20 examples", "/v1/tracks/support": "cannot be told now: the store is down"} {
		if r := h.get(path); r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: status %d, want %q in %s", path, r.status, want, r.body)
		}
	}
	if r := h.get("/v1/tracks"); strings.Contains(string(r.body), "next_night") {
		t.Errorf("the list looks at every track's next night: %s", r.body)
	}
	if r := open(t, options{}).get("/v1/tracks/default"); r.status != 200 || strings.Contains(string(r.body), "next_night") {
		t.Errorf("where nobody learns: status %d, %s", r.status, r.body)
	}
}
