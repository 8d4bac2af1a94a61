// Package replaytest is the conformance suite that every replaystore.Store passes: order, idempotency, durability,
// concurrency, rehearsal memory, forgetting and the control stream.
//
// It asserts what the interface promises and nothing of how a store does it. It is for tests only.
package replaytest

import (
	"fmt"
	"testing"
	"time"

	"nightshift/replaystore"
)

// Limits are the memory limits the stores under test must be opened with.
var Limits = replaystore.MemoryLimits{Recent: 8, PerStratum: 5, Strata: 3}

// Env is one set of data that a store can be opened on.
type Env struct {
	// Open opens the store; the store before it is closed by then.
	Open func() (replaystore.Store, error)
	// Dir is the store's directory, where erased bytes must not be.
	Dir string
}

// Run runs the suite; make makes a fresh, empty Env.
func Run(t *testing.T, make func(t *testing.T) Env) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, env Env)
	}{
		{"Order", testOrder}, {"Idempotency", testIdempotency}, {"Refusals", testRefusals}, {"Async", testAsync},
		{"Concurrency", testConcurrency}, {"Lookup", testLookup}, {"Closed", testClosed},
		{"MemorySample", testMemorySample}, {"MemoryGeneration", testMemoryGeneration}, {"MemoryRetire", testMemoryRetire},
		{"Erase", testErase}, {"EraseLateCopies", testEraseLateCopies}, {"EraseMemory", testEraseMemory},
		{"Control", testControl}, {"ControlBlocks", testControlBlocks}, {"NightIsAnswered", testNightIsAnswered},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, make(t)) })
	}
}

// T0 is when the suite's events happen.
var T0 = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// Interaction makes the n-th interaction of a track.
func Interaction(track string, n int) replaystore.Event {
	return replaystore.Event{Interaction: &replaystore.Interaction{
		ID: fmt.Sprintf("int-%04d", n), Track: track, Time: T0.Add(time.Duration(n) * time.Second), Subject: fmt.Sprintf("subject-%d", n%3),
		Messages: []replaystore.Message{{Role: "user", Content: fmt.Sprintf("Frage %d: <&> \u2028 日本", n)}},
		Answer:   fmt.Sprintf("answer %d", n), PromptTokens: []int32{1, 2, int32(n)}, SpecialPrompt: n%2 == 1, AnswerTokens: []int32{3, 4},
		LogProbs: []float32{-0.1, -1e-7}, Finish: "stop", Sampling: replaystore.Sampling{
			Temperature: 0.7, TopP: 0.9, TopK: 40, MinP: 0.05, Repetition: 1.1, Presence: -0.3, Frequency: 1.7,
			LogitBias: map[int32]float32{50256: -100, 7: 0.1}, Seed: 1<<64 - 1, MaxTokens: 64, MinTokens: 3, IgnoreEOS: true, ShowSpecial: true, Stop: []string{"<&>\n", "日"}},
		Version: "sha256:ab", VersionNumber: 3, Weights: "f32", Latency: time.Millisecond,
	}}
}

// Feedback makes feedback with an id on the n-th interaction.
func Feedback(track string, n int, id string) replaystore.Event {
	rating, text := 1.0, "better answer"
	return replaystore.Event{Feedback: &replaystore.Feedback{
		ID: id, Interaction: fmt.Sprintf("int-%04d", n), Track: track, Time: T0.Add(time.Hour), Subject: fmt.Sprintf("subject-%d", n%3),
		Rating: &rating, Correction: &text, Editor: n%2 == 1,
	}}
}

// Item makes the n-th memory item.
func Item(n int, stratum string) replaystore.MemoryItem {
	return replaystore.MemoryItem{
		Example: replaystore.Example{
			ID: fmt.Sprintf("item-%04d", n), Kind: replaystore.SFT, Prompt: []replaystore.Message{{Role: "user", Content: fmt.Sprintf("prompt %d", n)}},
			Completion: "completion", Interaction: fmt.Sprintf("int-%04d", n), Subject: fmt.Sprintf("subject-%d", n%3), Editor: n%2 == 1,
			Time: T0.Add(time.Duration(n) * time.Second),
		},
		Stratum: stratum, Weight: 1,
	}
}

func open(t *testing.T, env Env) replaystore.Store {
	t.Helper()
	s, err := env.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s replaystore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ScanAll reads a whole track in steps and returns the keys in order.
func ScanAll(t *testing.T, s replaystore.Store, track string, step int) []string {
	t.Helper()
	must(t, s.Sync(t.Context()))
	var keys []string
	for cursor := replaystore.Cursor(""); ; {
		events, next, err := s.Scan(t.Context(), track, cursor, step)
		must(t, err)
		if len(events) == 0 {
			return keys
		}
		if len(events) > step {
			t.Fatalf("%d events, asked for %d", len(events), step)
		}
		if next == cursor {
			t.Fatal("the cursor does not move")
		}
		cursor = next
		for _, e := range events {
			keys = append(keys, e.Key())
		}
	}
}

// Chat makes an interaction of ordinary size, with an id of its own, for benchmarks.
func Chat(track string) replaystore.Event {
	i := replaystore.Interaction{
		ID: replaystore.NewID(), Track: track, Time: time.Now(), Subject: "3f9a1b2c4d5e6f708192a3b4c5d6e7f8",
		Messages: []replaystore.Message{
			{Role: "system", Content: "You are the support desk of an outdoor shop. Answer in one or two sentences."},
			{Role: "user", Content: "Hi, I bought a tent for two persons three weeks ago and one of the poles is bent. How long may I return it, and who pays for the parcel?"},
		},
		Answer: "You can return items within 45 days, so there is time. We send you a label by e-mail, and the parcel is free for you.",
		Finish: "stop", Sampling: replaystore.Sampling{Temperature: 0.7, TopP: 0.9, Seed: 1 << 52, MaxTokens: 256},
		Version: "sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0", VersionNumber: 17, Weights: "f32",
		TemplateHash: "1f2e3d4c5b6a79880f1e2d3c4b5a6978", Latency: 412 * time.Millisecond,
	}
	for n := range 64 {
		i.PromptTokens = append(i.PromptTokens, int32(n*137%50257))
	}
	for n := range 32 {
		i.AnswerTokens = append(i.AnswerTokens, int32(n*911%50257))
		i.LogProbs = append(i.LogProbs, -float32(n)/7)
	}
	return replaystore.Event{Interaction: &i}
}
