package test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/conversion"
	"nightshift/internal/longtest"
	"nightshift/models/quantize"
	"nightshift/onnx/ort"
)

// TestQuantizedWeights makes int8 and int4 weights of the model that ships and serves them.
func TestQuantizedWeights(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	library, err := ort.Find(t.Context(), ort.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(ort.EnvLibrary, library.Path)
	t.Setenv("NIGHTSHIFT_CACHE", filepath.Join(t.TempDir(), "cache"))
	data := t.TempDir()
	refused(t, []string{"run", "--data", data, "--listen", freeAddress(t), "--weights", "int8"}, "int8", "not made yet", "nightshift import", "--weights int8")
	refused(t, []string{"run", "--data", data, "--weights", "int3"}, "weights", "f32, int8, int4")

	refused(t, []string{"import", "--force"}, "--force", "--weights int8")
	refused(t, []string{"import", "--weights", "int8", "--compact"}, "--compact", "--weights int4")
	text := writeFile(t, t.TempDir(), "text.txt", strings.Repeat("how long can i return a tent? items can be returned within 30 days.\n", 40))
	over := execute(t, "import", "--weights", "int8", "--limit", "-1", "--text", text)
	if over.code != 1 {
		t.Errorf("status %d of a conversion that loses too much, want 1", over.code)
	}
	holds(t, "a conversion that loses too much", over.err, "loses more than the limit", "--text", "--limit", "--force")

	for _, format := range []string{quantize.Int8, quantize.Int4} {
		made := execute(t, "import", "--weights", format, "--json")
		var r conversion.Report
		if err := json.Unmarshal([]byte(made.out), &r); err != nil || made.code != 0 {
			t.Fatalf("status %d, %v:\n%s\n%s", made.code, err, made.out, made.err)
		}
		if !r.Kept || r.Format != format || r.Change > conversion.Limits[format] || r.Text != "rehearsal.jsonl and anchors.jsonl" {
			t.Errorf("report %+v", r)
		}
		if _, err := os.Stat(filepath.Join(r.Dir, quantize.FileName)); err != nil {
			t.Error(err)
		}
		holds(t, "import", made.err, "is a GPT-2 model", "measure "+format, "nightshift run --weights "+format)
		s := serverOf(t, "run", "--data", filepath.Join(data, format), "--weights", format)
		answer := s.ask("ann", "How long do I have to return something?")
		if !strings.Contains(answer.text(), "30 days") {
			t.Errorf("in %s it says %q", format, answer.text())
		}
		again := s.call(http.MethodPost, "/v1/chat/completions", question("ann", "How long do I have to return something?"), http.StatusOK)
		holds(t, "the same question again", string(again.body), answer.text())
		s.stop(t)
		journaled(t, filepath.Join(data, format), `"weights":"`+format+`"`)
	}
	people := execute(t, "import", "--weights", "int8", "--text", text, "--force")
	holds(t, "import", people.out, "text.txt", "17 in int8", "perplexity", "nats per token", "it is in")
}

// journaled looks for a word in the records of a data directory.
func journaled(t *testing.T, dir, word string) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found = found || strings.Contains(string(text), word)
		return err
	})
	if err != nil || !found {
		t.Errorf("%s is nowhere in %s (%v)", word, dir, err)
	}
}
