package serve_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnrecorded wants nothing left of requests that say store: false: no record, no token to rate with, no word of them in the
// files of the store; and the answer says so.
func TestUnrecorded(t *testing.T) {
	h := open(t, options{})
	const secret = "zebra crossing"
	for path, body := range map[string]string{
		chatPath: `{"model":"default","max_tokens":4,"user":"ann","messages":[{"role":"user","content":"` + secret + `"}],"store":%s%s}`,
		textPath: `{"model":"default","max_tokens":4,"user":"ann","prompt":["` + secret + `","` + secret + `"],"store":%s%s}`,
	} {
		for _, more := range []string{"", `,"n":2`, `,"stream":true`} {
			r := h.post(path, fmt.Sprintf(body, "false", more))
			if r.status != 200 || r.header.Get("X-Nightshift-Interaction") != "" || r.header.Get("X-Nightshift-Adapter") == "" {
				t.Fatalf("%s%s: status %d, %v, %s", path, more, r.status, r.header, r.body)
			}
			if strings.Contains(string(r.body), "feedback_token") {
				t.Errorf("%s%s: a token comes: %s", path, more, r.body)
			}
			told := 0
			for _, e := range bodies(r) {
				var v struct {
					Nightshift *struct {
						Interaction, Note string
						Logged            bool
					}
				}
				if e == "[DONE]" || json.Unmarshal([]byte(e), &v) != nil || v.Nightshift == nil {
					continue
				}
				told++
				if v.Nightshift.Logged || !strings.Contains(v.Nightshift.Note, "store: false") {
					t.Errorf("%s%s: %+v", path, more, v.Nightshift)
				}
				if _, found, err := h.store.Interaction(t.Context(), "default", v.Nightshift.Interaction); found || err != nil {
					t.Errorf("%s%s: it is recorded, %v", path, more, err)
				}
				if rated := h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"rating":"up"}`, v.Nightshift.Interaction)); rated.status != 404 {
					t.Errorf("%s%s: it can be rated: %d, %s", path, more, rated.status, rated.body)
				}
			}
			if told == 0 {
				t.Errorf("%s%s does not say that nothing is recorded: %s", path, more, r.body)
			}
		}
	}
	kept := h.post(chatPath, `{"model":"default","max_tokens":4,"messages":[{"role":"user","content":"kept words"}],"store":true}`)
	if !strings.Contains(string(kept.body), "feedback_token") || strings.Contains(string(kept.body), `"note"`) {
		t.Errorf("with store: true: %s", kept.body)
	}
	must(t, h.stop())
	words := 0
	must(t, filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), secret) {
			t.Errorf("%s holds what was asked", path)
		}
		words += strings.Count(string(data), "kept words")
		return err
	}))
	if words == 0 {
		t.Error("what is recorded is not found either: the test looks in the wrong place")
	}
}

// TestSafetyIdentifier wants it to name the person where user does not.
func TestSafetyIdentifier(t *testing.T) {
	h := open(t, options{})
	subject := func(more string) string {
		a := h.generate(textPath, `{"model":"default","prompt":"a","max_tokens":1,`+more+`}`)
		kept, found, err := h.store.Interaction(t.Context(), "default", a.Nightshift.Interaction)
		if err != nil || !found {
			t.Fatalf("%s: %v, %v", more, found, err)
		}
		return kept.Subject
	}
	ann, bob := subject(`"user":"ann"`), subject(`"user":"bob"`)
	for more, want := range map[string]string{`"safety_identifier":"ann"`: ann, `"safety_identifier":"ann","user":""`: ann, `"safety_identifier":"ann","user":null`: ann, `"safety_identifier":"ann","user":"bob"`: bob, `"safety_identifier":null`: ""} {
		if got := subject(more); got != want {
			t.Errorf("%s: %q, want %q", more, got, want)
		}
	}
	if ann == "" || ann == bob {
		t.Errorf("ann is %q, bob %q", ann, bob)
	}
}
