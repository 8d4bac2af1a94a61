package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/serve/api"
)

// TestModelDefaults reads what models say about sampling.
func TestModelDefaults(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want api.Defaults
	}{
		"nothing":      {`{}`, api.Defaults{Temperature: 1}},
		"sampling":     {`{"do_sample":true,"temperature":0.7,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,"max_new_tokens":99}`, api.Defaults{Temperature: 0.7, TopP: 0.9, TopK: 40, MinP: 0.05, Repetition: 1.1, MaxTokens: 99}},
		"greedy":       {`{"do_sample":false,"temperature":0.7,"top_k":40,"min_p":0.05,"repetition_penalty":1.2}`, api.Defaults{Repetition: 1.2}},
		"null is none": {`{"min_p":null,"repetition_penalty":null,"max_new_tokens":null}`, api.Defaults{Temperature: 1}},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "generation_config.json"), []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := modelDefaults(dir, api.Defaults{}); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	for word, file := range map[string]string{"min_p 2": `{"min_p":2}`, "repetition_penalty -1": `{"repetition_penalty":-1}`, "top_k -3": `{"top_k":-3}`, "unmarshal": `{"min_p":"low"}`} {
		dir := t.TempDir()
		path := filepath.Join(dir, "generation_config.json")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := modelDefaults(dir, api.Defaults{}); err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if got, err := modelDefaults(t.TempDir(), api.Defaults{}); err != nil || got != (api.Defaults{Temperature: 1}) {
		t.Errorf("without the file: %+v, %v", got, err)
	}
}
