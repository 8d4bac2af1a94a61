package anchors

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestShipped holds the questions that ship to what is promised of them: many, of many kinds, each once, both to measure and to rehearse.
func TestShipped(t *testing.T) {
	kinds := map[string][2]int{}
	list := Shipped()
	for _, q := range list {
		if err := q.check(); err != nil {
			t.Errorf("%+v: %v", q, err)
		}
		k := kinds[q.Kind]
		if q.measures() {
			k[0]++
		} else {
			k[1]++
		}
		kinds[q.Kind] = k
	}
	if lines := strings.Count(string(shipped), "\n") - strings.Count(string(shipped), "\n[") - 1; lines != len(list) || len(list) < 300 {
		t.Errorf("%d questions in %d lines", len(list), lines)
	}
	for kind, k := range kinds {
		if k[0] < 3 || k[1] < 3 || kind == Own {
			t.Errorf("of the kind %q %d questions measure and %d are rehearsed", kind, k[0], k[1])
		}
	}
	if len(kinds) < 11 {
		t.Errorf("kinds %v", kinds)
	}
}

func TestParse(t *testing.T) {
	list, err := Parse([]byte("  Where is it? \n\n[size of things]\nHow big?\nWhere is it?\n{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n{\"kind\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}\n[not a kind?]"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range list {
		got = append(got, q.Kind+": "+q.Messages[0].Content)
	}
	if want := "own: Where is it?|size of things: How big?|size of things: a|x: b|size of things: [not a kind?]"; strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
	for text, want := range map[string]string{
		`{"messages":[]}`: "line 1: want a line of text", "a\n{": "line 2", `{"prompt":"a"}`: "unknown field",
		`{"messages":[{"role":"prompt","content":"a"}]}`:    `is "prompt", want one of system`,
		`{"messages":[{"role":"assistant","content":"a"}]}`: "as the last message", `{"messages":[{"role":"user","content":" "}]}`: "as the last message",
	} {
		path := filepath.Join(t.TempDir(), "questions.txt")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadQuestions(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
