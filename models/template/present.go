package template

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Present says whether a model directory means to have a chat template, so that a broken one is never mistaken for a
// missing one: what cannot be read counts as one, and Load says what is wrong with it.
func Present(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "chat_template.jinja")); !errors.Is(err, fs.ErrNotExist) {
		return true
	}
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	var config map[string]json.RawMessage
	if json.Unmarshal(data, &config) != nil {
		return true
	}
	_, ok := config["chat_template"]
	return ok
}
