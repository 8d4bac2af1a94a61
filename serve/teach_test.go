package serve_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift/replaystore"

	"nightshift/serve/api/wire"
)

// TestTeachKnows: what was said and what is remembered of a question is told before something is taught, and what was erased is not.
func TestTeachKnows(t *testing.T) {
	h := open(t, options{})
	teach := func(more, question, answer string) wire.TeachState {
		t.Helper()
		r := h.post("/v1/teach", fmt.Sprintf(`{"track":"default","batch":"b1",%s"items":[{"messages":[{"role":"user","content":%q}],"answer":%q,"source":"file:a.md#3"}]}`, more, question, answer))
		var got wire.Taught
		if err := json.Unmarshal(r.body, &got); err != nil || r.status != 200 || len(got.Items) != 1 {
			t.Fatalf("status %d: %s", r.status, r.body)
		}
		return got.Items[0]
	}
	const dry = `"dry_run":true,`
	if got := teach(dry, "how long?", "the fox"); got.State != wire.TeachNew || got.Taught || got.Interaction != "" {
		t.Errorf("at first: %+v", got)
	}
	taught := teach("", "how long?", "the fox")
	in, found, err := h.store.Interaction(t.Context(), "default", taught.Interaction)
	if !taught.Taught || err != nil || !found || in.Subject == "" || in.Answer == "" || in.Answer != taught.Answered || !in.Replayable() {
		t.Fatalf("taught %+v; asked %+v, %v", taught, in, err)
	}
	if got := teach(dry, "How LONG", "the  fox"); got.State != wire.TeachSaid {
		t.Errorf("the same again: %+v", got)
	}
	if got := teach(dry, "how long?", "the dog"); got.State != wire.TeachChanges || got.Before != "the fox" || got.By != "file:a.md#3" {
		t.Errorf("another answer: %+v", got)
	}
	item := replaystore.MemoryItem{Weight: 1, Example: replaystore.Example{ID: taught.Interaction, Kind: replaystore.Preference, Prompt: in.Messages, Chosen: "the fox", Rejected: "x",
		Interaction: taught.Interaction, Subject: in.Subject, Editor: true, Source: "file:a.md#3", Time: in.Time}}
	old := item
	old.ID, old.Prompt, old.Interaction, old.Subject, old.Time = "old", []replaystore.Message{{Role: "user", Content: "the old question"}}, "old", "somebody", in.Time.Add(-time.Hour)
	must(t, h.store.Admit(t.Context(), "default", item, old))
	if got := teach(dry, "how long?", "the fox"); got.State != wire.TeachLearned {
		t.Errorf("what is remembered: %+v", got)
	}
	if got := teach(dry, "the old question", "the dog"); got.State != wire.TeachChanges || got.Before != "the fox" {
		t.Errorf("what is remembered alone: %+v", got)
	}
	if _, err := h.store.Erase(t.Context(), in.Subject); err != nil {
		t.Fatal(err)
	}
	if got := teach(dry, "how long?", "the dog"); got.State != wire.TeachNew {
		t.Errorf("what was taken back: %+v", got)
	}
	if got := teach(dry, strings.Repeat("the quick brown fox ", 100), "the dog"); got.State != wire.TeachTooLong || got.Tokens <= modelContext {
		t.Errorf("too long: %+v", got)
	}
}
