package template

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
)

// TestVariables renders with what a request gives beside the messages, and refuses what is the server's.
func TestVariables(t *testing.T) {
	tm := compiled(t, "{% for m in messages %}{{ m.content }}{% endfor %}{% if think is defined and not think %}<none>{% endif %}{{ day | default('') }}{% if list %}{{ list[-1].a }}{% endif %}")
	hello := []Message{{"user", "Hello"}}
	for _, c := range []struct {
		variables map[string]any
		want      string
	}{
		{nil, "Hello"},
		{map[string]any{}, "Hello"},
		{map[string]any{"think": false}, "Hello<none>"},
		{map[string]any{"think": true, "unknown": nil}, "Hello"},
		{map[string]any{"day": "Monday"}, "HelloMonday"},
		{map[string]any{"list": []any{1, map[string]any{"a": 2.5}}}, "Hello2.5"},
		{map[string]any{"list": json.RawMessage(`[{"b": 1, "a": {"z": 1, "a": null}}]`)}, "Hello{'z': 1, 'a': None}"},
	} {
		with, err := tm.With(c.variables)
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := with.Render(hello, true)
		if got := joined(pieces); err != nil || got != c.want {
			t.Errorf("%v: %q, %v; want %q", c.variables, got, err, c.want)
		}
		if same := with.Digest() == tm.Digest(); same != (len(c.variables) == 0) {
			t.Errorf("%v: the digest is the same: %v", c.variables, same)
		}
	}
	if pieces, err := tm.Render(hello, true); err != nil || joined(pieces) != "Hello" {
		t.Errorf("afterwards, without variables: %q, %v", joined(pieces), err)
	}
	for _, name := range []string{"messages", "add_generation_prompt", "tools", "strftime_now", "raise_exception", "namespace", "eos_token", "a b", "", "é"} {
		var refused *VariableError
		if _, err := tm.With(map[string]any{"ok": 1, name: "x"}); !errors.As(err, &refused) || refused.Name != name {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := tm.With(map[string]any{"x": math.Inf(1)}); err == nil {
		t.Error("an infinite number is accepted")
	}
}
