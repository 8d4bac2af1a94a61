package night

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// TestConversationsNeedATemplate: anchors of another kind than the model's do not make every night fail.
func TestConversationsNeedATemplate(t *testing.T) {
	dir := t.TempDir()
	anchors := `{"messages":[{"role":"prompt","content":"a"}],"completion":"b"}` + "\n" + `{"messages":[{"role":"user","content":"a"}],"completion":"b"}`
	if err := os.WriteFile(filepath.Join(dir, anchorFile), []byte(anchors), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newShop(t, dir)
	s.Correct(0, 12)
	n := s.run(s.nights(), Request{}, nightrecord.Skipped)
	if !strings.Contains(n.Reason, "no chat template and 1 of the 74 examples are conversations, the first file-") || !strings.Contains(n.Reason, "(anchor, anchors.jsonl); add chat_template.jinja") {
		t.Errorf("skipped because %s", n.Reason)
	}
}

func TestConversations(t *testing.T) {
	item := func(role string) selection.Item {
		return selection.Item{Example: replaystore.Example{ID: role, Prompt: []replaystore.Message{{Role: role, Content: "a"}}}}
	}
	for _, c := range []struct {
		file, text, role string
		suits            bool
	}{
		{"", "", "user", false}, {"", "", replaystore.RolePrompt, true}, {"chat_template.jinja", "x", "user", true},
		{"tokenizer_config.json", `{}`, "user", false}, {"tokenizer_config.json", `{"chat_template":"x"}`, "user", true},
		{"tokenizer_config.json", `{`, "user", true}, // broken: the model's loading says so
	} {
		dir := t.TempDir()
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if why := conversations(dir, []selection.Item{item(c.role)}); (why == "") != c.suits {
			t.Errorf("%+v: %q", c, why)
		}
	}
}
