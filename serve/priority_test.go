package serve_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"nightshift/internal/engine"
	"nightshift/serve"
)

// TestPriority lets a track flood a server with a single slot: of what waits an urgent request is answered first, then one of
// another track, and then the rest of the flood.
func TestPriority(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1}, cfg: func(c *serve.Config) { c.API.MaxWait = 0 }, before: func(h *house) { h.put("calm", 1, nil) }})
	type result struct {
		name string
		reply
	}
	results, asked := make(chan result, 16), int64(0)
	ask := func(name, model string, tokens, n, priority int) {
		t.Helper()
		go func() {
			r := h.post(textPath, fmt.Sprintf(`{"model":%q,"prompt":"the quick","max_tokens":%d,"n":%d,"ignore_eos":true,"priority":%d}`, model, tokens, n, priority))
			results <- result{name, r}
		}()
		asked += int64(n)
		h.await(name+" has come", func() bool { return h.engine.Stats().Requests == asked })
	}
	const running = 4 // they keep the slot until all have come, on a busy machine too
	for n := range running {
		ask(fmt.Sprint("running ", n), "default", 240, 10, -100)
	}
	for n := range 3 {
		ask(fmt.Sprint("flood ", n), "default", 60, 1, 0)
	}
	ask("calm", "calm@base", 60, 1, 0)
	ask("urgent", "default", 60, 1, -99)
	if n := h.engine.Stats().Waiting; n < 6 {
		t.Fatalf("only %d wait: the first requests ended before the last had come", n)
	}
	waits := map[string]float64{}
	for range running + 5 {
		r := <-results
		var v struct {
			Timings struct {
				Queue float64 `json:"queue_ms"`
			}
		}
		if r.status != 200 {
			t.Fatalf("%s: status %d, %s", r.name, r.status, r.body)
		}
		must(t, json.Unmarshal(r.body, &v))
		waits[r.name] = v.Timings.Queue
	}
	if waits["urgent"] >= min(waits["calm"], waits["flood 0"]) || waits["calm"] >= max(waits["flood 1"], waits["flood 2"]) {
		t.Errorf("waited %v", waits)
	}
}
