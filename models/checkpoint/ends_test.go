package checkpoint

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
)

// written is a checkpoint of tiny in a folder of its own, with further files and config.json changed.
func written(t *testing.T, cfg arch.Shape, change func(config string) string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := Write(dir, cfg, Random(cfg, 7)); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		files["config.json"] = change(read(t, filepath.Join(dir, "config.json")))
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The ends are those of both files; what cannot be generated is none.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		config, generation string // eos_token_id; "" leaves it out
		want               []int32
		first              int
	}{
		{"10", "", []int32{10}, 10},
		{"", "", nil, -1},
		{"null", "null", nil, -1},
		{"[]", "[]", nil, -1},
		{"[7, 3, 7]", "", []int32{3, 7}, 7},
		{"10", "[2, 10]", []int32{2, 10}, 10},
		{"50256", "4", []int32{4}, -1},
		{"[50256, 5, -1]", "-1", []int32{5}, 5},
		{"", "9", []int32{9}, -1},
	} {
		files := map[string]string{}
		if c.generation != "" {
			files["generation_config.json"] = `{"do_sample": true, "eos_token_id": ` + c.generation + `}`
		}
		with := func(config string) string {
			if c.config == "" {
				return strings.Replace(config, `"eos_token_id": 10,`, "", 1)
			}
			return strings.Replace(config, `"eos_token_id": 10`, `"eos_token_id": `+c.config, 1)
		}
		open, err := Open(written(t, tiny(), with, files), "")
		if err != nil {
			t.Errorf("%s and %s: %v", c.config, c.generation, err)
			continue
		}
		if got := open.Ends(); !slices.Equal(got, c.want) || open.Shape().EOS != c.first {
			t.Errorf("%s and %s: ends %d, first %d; want %d, %d", c.config, c.generation, got, open.Shape().EOS, c.want, c.first)
		}
	}
}

func TestGenerationConfigRefused(t *testing.T) {
	for content, want := range map[string]string{
		"":                          "generation_config.json",
		"{":                         "read generation_config.json",
		"[]":                        "read generation_config.json: the JSON is not an object",
		`{"eos_token_id": "end"}`:   `read generation_config.json: eos_token_id: it is "end"`,
		`{"eos_token_id": ["10"]}`:  `read generation_config.json: eos_token_id: it is ["10"]`,
		"\xef\xbb\xbf{}":            "read generation_config.json: the JSON begins with a byte order mark",
		`{"a": 1, "a": 2}`:          `read generation_config.json: key "a" appears twice`,
		`{"eos_token_id": 1} extra`: "read generation_config.json: bytes follow",
	} {
		_, err := Open(written(t, tiny(), nil, map[string]string{"generation_config.json": content}), "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", content, err, want)
		}
	}
}

// A trimmed checkpoint is the same file with fewer rows.
func TestTrimmed(t *testing.T) {
	for _, tied := range []bool{true, false} {
		cfg := tiny()
		cfg.TiedHead, cfg.EOS, cfg.BOS = tied, 10, 4
		weights := Random(cfg, 7)
		whole, err := Open(written(t, cfg, nil, map[string]string{"generation_config.json": `{"eos_token_id": [10, 8, 6]}`}), "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := whole.Trimmed(9)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Shape(); got.Vocab != 9 || got.EOS != -1 || got.BOS != 4 || !slices.Equal(c.Ends(), []int32{6, 8}) || c.Digest() != whole.Digest() {
			t.Errorf("trimmed: %+v, ends %d", got, c.Ends())
		}
		for name, want := range weights {
			if name == "wte.weight" || name == arch.HeadWeight {
				want = want[:9*cfg.Width]
			}
			got, err := c.Floats(name)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s has %d values, want %d (%v)", name, len(got), len(want), err)
			}
			checkInitializer(t, c, name, want)
		}
		if got := whole.Shape(); got.Vocab != 11 || len(whole.Ends()) != 3 {
			t.Errorf("the whole checkpoint changed: %+v", got)
		}
	}
	c, err := Open(written(t, tiny(), nil, nil), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 12} {
		if _, err := c.Trimmed(n); err == nil {
			t.Errorf("a vocabulary of 11 was trimmed to %d", n)
		}
	}
}

// Heads of other tasks are left out, and named.
func TestUnused(t *testing.T) {
	tensors := rawTensors(tiny(), "transformer.")
	plain, err := Open(folder(t, tinyJSON(t), rawFile(sortedNames(tensors), tensors, 0)), t.TempDir())
	if err != nil || len(plain.Unused()) != 0 {
		t.Fatal(err, plain.Unused())
	}
	names := []string{"classifier.bias", "multiple_choice_head.summary.bias", "multiple_choice_head.summary.weight", "qa_outputs.weight", "score.weight", "v_head.summary.weight", "value_head.weight"}
	for _, name := range names {
		tensors[name] = tensors["transformer.ln_f.bias"]
	}
	c, err := Open(folder(t, tinyJSON(t), rawFile(sortedNames(tensors), tensors, 0)), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Unused(); !slices.Equal(got, names) {
		t.Errorf("unused: %v, want %v", got, names)
	}
	if c.Digest() != plain.Digest() || !slices.Equal(c.Names(), plain.Names()) {
		t.Error("heads that are not used made another model")
	}
}
