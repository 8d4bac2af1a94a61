package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nightshift/internal/sampling"
	"nightshift/serve/api"
)

// modelDefaults completes the defaults of requests from the model's generation_config.json: greedy where it says so,
// otherwise sampling at temperature 1 with its cuts; its repetition penalty, which counts for both; and its length. What no
// request could use is an error.
func modelDefaults(dir string, d api.Defaults) (api.Defaults, error) {
	if dir == "" {
		return d, nil
	}
	path := filepath.Join(dir, "generation_config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if d.Temperature == 0 {
			d.Temperature = 1
		}
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("read generation defaults: %w", err)
	}
	var g struct {
		DoSample     *bool    `json:"do_sample"`
		Temperature  *float32 `json:"temperature"`
		TopP         *float32 `json:"top_p"`
		TopK         *int     `json:"top_k"`
		MinP         *float32 `json:"min_p"`
		Repetition   *float32 `json:"repetition_penalty"`
		MaxNewTokens *int     `json:"max_new_tokens"`
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return d, fmt.Errorf("read %s: %w", path, err)
	}
	if g.DoSample == nil || *g.DoSample {
		d.Temperature = 1
		for _, f := range []struct{ from, to *float32 }{{g.Temperature, &d.Temperature}, {g.TopP, &d.TopP}, {g.MinP, &d.MinP}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if g.TopK != nil {
			d.TopK = *g.TopK
		}
	}
	if g.Repetition != nil {
		d.Repetition = *g.Repetition
	}
	err = errors.Join(sampling.Params{Temperature: d.Temperature, TopP: d.TopP, TopK: d.TopK, MinP: d.MinP}.Check(),
		sampling.Adjustment{Repetition: d.Repetition}.Check(0))
	if err != nil {
		return d, fmt.Errorf("read %s: %w", path, err)
	}
	if g.MaxNewTokens != nil && *g.MaxNewTokens > 0 && d.MaxTokens == 0 {
		d.MaxTokens = *g.MaxNewTokens
	}
	return d, nil
}
