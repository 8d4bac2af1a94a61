package test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/anchors"
	"nightshift/internal/nightrecord"
	"nightshift/models/demo"
)

// broughtModel is a model that somebody brings: the one that ships, without what shows what it forgets.
func broughtModel(t *testing.T) string {
	t.Helper()
	from, err := demo.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{anchors.AnchorsFile, anchors.RehearsalFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAnchorsCommand imports a model without anchors, looks at what was made of it, adds questions, and brings anchors of one's own.
func TestAnchorsCommand(t *testing.T) {
	needRuntime(t)
	model, data := broughtModel(t), filepath.Join(t.TempDir(), "data")
	run := func(args ...string) string {
		t.Helper()
		got := execute(t, append(args, "--data", data)...)
		if got.code != 0 {
			t.Fatalf("%v: status %d\n%s", args, got.code, got.err)
		}
		return got.out + got.err
	}
	holds(t, "anchors of a new model", run("anchors", "--model", model), "kind", "from", "the model has no anchors")
	holds(t, "import --anchors=false", run("import", model, "--anchors=false"), "serve it")
	holds(t, "anchors after an import without", run("anchors", "--model", model), "the model has no anchors")
	holds(t, "import", run("import", model), "answer questions: 332 of 332", "of the model's own answers to 332 questions", "in "+model, "serve it")
	again := run("import", model)
	if holds(t, "import again", again, "measure what they forget with "+filepath.Join(model, anchors.AnchorsFile)); strings.Contains(again, "answer questions") {
		t.Errorf("asked again:\n%s", again)
	}
	holds(t, "anchors", run("anchors", "--model", model), "general knowledge", "questions that ship", "made of the model's own answers")

	file := writeFile(t, t.TempDir(), "own.txt", "[returns]\nHow long can I return an item?\nWho pays for a return?\n")
	made := run("anchors", "make", "--model", model, "--questions", file)
	if holds(t, "anchors make", made, "2 questions of "+file+" are new", "to 334 questions"); strings.Contains(made, "of 334") {
		t.Errorf("all are asked again:\n%s", made)
	}
	var shown struct {
		State string
		Kinds []anchors.Kind
	}
	if err := json.Unmarshal([]byte(run("anchors", "--json", "--model", model)), &shown); err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, k := range shown.Kinds {
		if k.Name == "returns" && k.From == filepath.Join(model, anchors.QuestionsFile) {
			own += k.Anchors + k.Rehearsal
		}
	}
	if shown.State != string(anchors.Current) || own != 2 {
		t.Errorf("shown %+v", shown)
	}

	const mine = `{"messages":[{"role":"user","content":"a"}],"completion":"b"}` + "\n"
	writeFile(t, model, anchors.AnchorsFile, mine)
	holds(t, "anchors of one's own", run("anchors", "--model", model), "were brought along")
	refused(t, []string{"anchors", "make", "--model", model, "--data", data}, filepath.Join(model, anchors.AnchorsFile)+" is not one that this program made")
	run("import", model)
	if kept, err := os.ReadFile(filepath.Join(model, anchors.AnchorsFile)); err != nil || string(kept) != mine {
		t.Errorf("an import leaves %q, %v", kept, err)
	}
	refused(t, []string{"anchors", "make", "--questions", filepath.Join(model, "nowhere.txt"), "--model", broughtModel(t), "--data", data}, "read questions", "nowhere.txt")
	refused(t, []string{"anchors", "mke"}, `unknown command "anchors mke"`, "make")
}

// TestBroughtModelLearns: a model that brings nothing but itself is served, corrected, and learns in the first night.
func TestBroughtModelLearns(t *testing.T) {
	slow(t)
	needRuntime(t)
	dir := t.TempDir()
	model, data := broughtModel(t), filepath.Join(dir, "data")
	args := []string{"--config", writeFile(t, dir, "nightshift.yaml", shortNight), "--data", data, "--model", model}
	s := serverOf(t, "run", args...)
	said := s.ask("somebody", "How long can I return an item?").About
	s.call(http.MethodPost, "/v1/feedback", map[string]any{"interaction": said.Interaction, "token": said.Token, "rating": "down", "editor": true,
		"correction": "You can return an item within 45 days."}, http.StatusAccepted)
	got := execute(t, append([]string{"update", "--now", "--json"}, args...)...)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	var n nightrecord.Night
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &n); err != nil || got.code != 0 {
		t.Fatalf("status %d, %v\n%s", got.code, err, got.err)
	}
	if n.State != nightrecord.Published && n.State != nightrecord.Rejected || n.Verdict == nil || n.Selected.Anchors < 100 || n.Selected.Rehearsal < 100 {
		t.Errorf("the night was %s: %s; selection %+v\n%s", n.State, n.Reason, n.Selected, verdictOf(n))
	}
	if !strings.Contains(got.out, `"phase":"anchors"`) {
		t.Error("nobody was told that questions were answered")
	}
	s.stop(t)
}
