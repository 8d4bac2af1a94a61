package test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/models/demo"
)

// problemBody is the error that every refusal carries.
type problemBody struct {
	Error struct {
		Message, Type string
		Param, Code   *string
	}
}

// TestBadRequests sends what clients get wrong to the real server. Every refusal names the thing, and the server serves on.
func TestBadRequests(t *testing.T) {
	needRuntime(t)
	s := serverOf(t, "run", "--data", t.TempDir())
	before := s.ask("ann", "How long do I have to return something?")
	chat := func(rest string) string {
		return `{"model":"default","messages":[{"role":"user","content":"Hello"}]` + rest + `}`
	}
	tests := []struct {
		name, method, path, body string
		status                   int
		words                    string // of message, param and code
	}{
		{"MalformedJSON", "POST", "/v1/chat/completions", `{"model":"default","messages":[`, 400, "JSON"},
		{"NoJSON", "POST", "/v1/chat/completions", "\x00\x01\x02", 400, "JSON"},
		{"Empty", "POST", "/v1/chat/completions", "", 415, "application/json"},
		{"TwoValues", "POST", "/v1/chat/completions", chat("") + chat(""), 400, ""},
		{"UnknownField", "POST", "/v1/chat/completions", chat(`,"temprature":1`), 400, "temprature"},
		{"UnsupportedField", "POST", "/v1/chat/completions", chat(`,"tools":[{"type":"function"}]`), 400, "tools"},
		{"WrongType", "POST", "/v1/chat/completions", chat(`,"temperature":"hot"`), 400, "temperature"},
		{"OutOfRange", "POST", "/v1/chat/completions", chat(`,"temperature":-1`), 400, "temperature"},
		{"HugeNumber", "POST", "/v1/chat/completions", chat(`,"max_tokens":1e99`), 400, "max_tokens"},
		{"InvalidUTF8", "POST", "/v1/chat/completions", `{"model":"default","messages":[{"role":"user","content":"` + "\xff\xfe" + `"}]}`, 400, "UTF-8"},
		{"UnknownRole", "POST", "/v1/chat/completions", `{"model":"default","messages":[{"role":"wizard","content":"x"}]}`, 400, "messages[0].role"},
		{"NoMessages", "POST", "/v1/chat/completions", `{"model":"default","messages":[]}`, 400, "messages"},
		{"TooLong", "POST", "/v1/chat/completions", `{"model":"default","messages":[{"role":"user","content":"` + strings.Repeat("a return window ", 500) + `"}]}`, 400, "context"},
		{"UnknownModel", "POST", "/v1/chat/completions", `{"model":"nobody","messages":[{"role":"user","content":"x"}]}`, 404, "nobody"},
		{"UnknownVersion", "POST", "/v1/chat/completions", `{"model":"default@99","messages":[{"role":"user","content":"x"}]}`, 404, "default@99"},
		{"DeepNesting", "POST", "/v1/chat/completions", strings.Repeat("[", 100000), 400, ""},
		{"UnknownInteraction", "POST", "/v1/feedback", `{"interaction":"nope","rating":"up"}`, 404, "nope"},
		{"NothingSaid", "POST", "/v1/feedback", `{"interaction":"` + before.About.Interaction + `"}`, 400, "rating"},
		{"RatingOutOfRange", "POST", "/v1/feedback", `{"interaction":"` + before.About.Interaction + `","rating":7}`, 400, "rating"},
		{"WrongToken", "POST", "/v1/feedback", `{"interaction":"` + before.About.Interaction + `","rating":"up","token":"default.forged"}`, 403, "token"},
		{"NightOfNoTrack", "POST", "/v1/nights", `{"track":"../../etc"}`, 404, "../../etc"},
		{"UnknownNight", "GET", "/v1/nights/20260101-000000-none", "", 404, "20260101-000000-none"},
		{"ActivateUnknown", "POST", "/v1/tracks/default/activate", `{"version":17,"reason":"x"}`, 404, "17"},
		{"RollbackOfNothing", "POST", "/v1/tracks/default/rollback", `{"reason":"x"}`, 404, "no activation"},
		{"UnknownPath", "GET", "/v1/nothing", "", 404, "/docs"},
		{"WrongMethod", "DELETE", "/v1/chat/completions", "", 405, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var body any
			if test.body != "" {
				body = test.body
			}
			r, err := s.try(t.Context(), test.method, test.path, body)
			if err != nil {
				t.Fatal(err)
			}
			if r.status != test.status || r.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("status %d of type %s, want %d: %s", r.status, r.header.Get("Content-Type"), test.status, r.body)
			}
			var p problemBody
			r.into(t, &p)
			text := p.Error.Message
			for _, more := range []*string{p.Error.Param, p.Error.Code} {
				if more != nil {
					text += " " + *more
				}
			}
			if p.Error.Message == "" || p.Error.Type == "" || !strings.Contains(text, test.words) {
				t.Errorf("%q is not named: %s", test.words, r.body)
			}
		})
	}
	if after := s.ask("ann", "How long do I have to return something?"); after.text() != before.text() {
		t.Errorf("afterwards it says %q, before %q", after.text(), before.text())
	}
	var n struct{ Interactions, Feedback int }
	s.call(http.MethodGet, "/v1/tracks/default", nil, http.StatusOK).into(t, &n)
	if n.Feedback != 0 {
		t.Errorf("%d refused pieces of feedback were taken", n.Feedback)
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("status %d", code)
	}
}

// model is a directory with the model that ships, for damage.
type model struct{ dir string }

func shippedModel(t *testing.T) model {
	t.Helper()
	m := model{t.TempDir()}
	err := fs.WalkDir(demo.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(demo.FS(), path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(m.dir, filepath.Base(path)), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// change rewrites a file of the model.
func (m model) change(t *testing.T, name string, with func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(m.dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := with(bytes.Clone(data))
	if bytes.Equal(changed, data) {
		t.Fatalf("%s is as it was", name)
	}
	if err := os.WriteFile(path, changed, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBadModels starts the program on damaged checkpoints: one line that names the damage, and status 1.
func TestBadModels(t *testing.T) {
	needRuntime(t)
	const weights = "model.safetensors"
	replace := func(old, with string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(with), 1) }
	}
	tests := []struct {
		name   string
		damage func(*testing.T, model)
		words  []string
	}{
		{"MissingTensor", func(t *testing.T, m model) {
			m.change(t, weights, replace(`"transformer.h.2.mlp.c_fc.weight"`, `"transformer.h.2.mlp.c_fc.weighs"`))
		}, []string{"h.2.mlp.c_fc.weigh"}},
		{"WrongShape", func(t *testing.T, m model) {
			m.change(t, weights, replace(`"transformer.h.1.mlp.c_fc.weight":{"dtype":"F32","shape":[192,768]`, `"transformer.h.1.mlp.c_fc.weight":{"dtype":"F32","shape":[768,192]`))
		}, []string{"h.1.mlp.c_fc.weight", "192", "768"}},
		{"NotANumber", func(t *testing.T, m model) {
			m.change(t, weights, func(b []byte) []byte {
				binary.LittleEndian.PutUint32(b[8+binary.LittleEndian.Uint64(b)+2304+400:], math.Float32bits(float32(math.NaN())))
				return b
			})
		}, []string{"h.0.attn.c_attn.weight"}},
		{"Truncated", func(t *testing.T, m model) {
			m.change(t, weights, func(b []byte) []byte { return b[:len(b)/2] })
		}, []string{weights}},
		{"TruncatedHeader", func(t *testing.T, m model) {
			m.change(t, weights, func(b []byte) []byte { return b[:100] })
		}, []string{weights}},
		{"Pickle", func(t *testing.T, m model) {
			if err := os.Rename(filepath.Join(m.dir, weights), filepath.Join(m.dir, "pytorch_model.bin")); err != nil {
				t.Fatal(err)
			}
		}, []string{"pytorch_model.bin", "pickle"}},
		{"OtherArchitecture", func(t *testing.T, m model) {
			m.change(t, "config.json", replace(`"gpt2"`, `"gpt_neox"`))
		}, []string{"gpt_neox"}},
		{"OtherSize", func(t *testing.T, m model) {
			m.change(t, "config.json", replace(`"n_layer": 4`, `"n_layer": 9`))
		}, []string{"h.4"}},
		{"BrokenTokenizer", func(t *testing.T, m model) {
			m.change(t, "tokenizer.json", func(b []byte) []byte { return b[:1000] })
		}, []string{"tokenizer.json"}},
		{"BrokenTemplate", func(t *testing.T, m model) {
			m.change(t, "chat_template.jinja", func([]byte) []byte { return []byte("{% for m in %}") })
		}, []string{"chat_template"}},
		{"Nothing", func(t *testing.T, m model) {
			if err := os.Remove(filepath.Join(m.dir, "config.json")); err != nil {
				t.Fatal(err)
			}
		}, []string{"config.json"}},
	}
	data := t.TempDir()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := shippedModel(t)
			test.damage(t, m)
			refused(t, []string{"run", "--model", m.dir, "--data", data, "--listen", freeAddress(t)}, test.words...)
		})
	}
	t.Run("NoDirectory", func(t *testing.T) {
		refused(t, []string{"run", "--model", filepath.Join(data, "nowhere"), "--data", data, "--listen", freeAddress(t)}, "nowhere")
	})
	t.Run("Whole", func(t *testing.T) { // the same directory without damage serves
		s := serverOf(t, "run", "--model", shippedModel(t).dir, "--data", data)
		s.ask("", "How long do I have to return something?")
	})
}
