package template

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPresent(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       bool
	}{
		"nothing":           {"", "", false},
		"a template":        {"chat_template.jinja", "{{ messages }}", true},
		"a broken template": {"chat_template.jinja", "{% for", true},
		"in the settings":   {"tokenizer_config.json", `{"chat_template": "x"}`, true},
		"settings without":  {"tokenizer_config.json", `{"eos_token": "x"}`, false},
		"broken settings":   {"tokenizer_config.json", `{`, true},
	} {
		dir := t.TempDir()
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := Present(dir); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
