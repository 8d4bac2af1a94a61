package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongInput gives commands what they do not take. Each says in one line which thing is wrong, and the program's name and the path of
// a file of its own stand nowhere in it.
func TestWrongInput(t *testing.T) {
	for _, c := range []struct {
		line, want string
	}{
		{"adaptor list", `unknown command "adaptor"; nightshift --help lists them: did you mean adapter?`},
		{"nope", `unknown command "nope"; nightshift --help lists them`},
		{"adapter activte x", `unknown command "adapter activte"; nightshift adapter --help lists them: did you mean activate?`},
		{"help adapter nope", `unknown command "adapter nope"; nightshift adapter --help lists them`},
		{"adapter activate", "adapter activate needs TRACK@N: a version, such as default@3 or default@base; nightshift adapter list lists them"},
		{"adapter activate default", `"default" names no version: write track@number, as in default@3, or track@base`},
		{"adapter activate default@99", "there is no version default@99: the track has none but default@base"},
		{"adapter activate default@1 x", `adapter activate takes TRACK@N and no more, but "x" follows`},
		{"adapter rollback", "track default has no activation yet, so no version before"},
		{"adapter hold Bad", `"Bad" is no name of a track: want 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit`},
		{"adapter export default@1", "adapter export needs DIR: a directory"},
		{"adapter export default@base x", "export default@base: the base model is no adapter; its files are those of the model directory"},
		{"adapter merge", "adapter merge needs TRACK@N[:WEIGHT]: versions and what each counts, such as default@3 default@2:-1; nightshift adapter list lists them"},
		{"adapter list x", `adapter list takes no argument, but "x" follows; nightshift adapter list --help says what it takes`},
		{"adapter list --jsn", "unknown flag --jsn; nightshift adapter list --help lists them: did you mean --json?"},
		{"adapter list -x", "unknown flag -x; nightshift adapter list --help lists them"},
		{"night show", "night show needs NIGHT: the id of a night; nightshift night list lists them"},
		{"night show x", "there is no night x; nightshift night list lists them"},
		{"night review x", "there is no night x; nightshift night list lists them"},
		{"track create", "track create needs TRACK: a track, such as default; nightshift track list lists them"},
		{"forget", "forget needs --subject USER: the person, as the field user of requests names them"},
		{"run --threads x", `--threads: want a whole number, not "x"`},
		{"run --threads", "--threads needs a value: threads of one computation, in place of the key threads"},
		{"run --set a", "--set a: write key=value"},
		{"run --set foo.bar=1", "configuration: unknown key foo.bar"},
		{"run --set rank=3", "configuration: unknown key rank: did you mean update.train.rank?"},
		{"run --set update.train.rnk=3", "configuration: unknown key update.train.rnk: did you mean update.train.rank?"},
		{"run --set listen.x=1", "configuration: listen.x: there is no key below listen"},
		{"run --set keys=1", "configuration: keys: want a list"},
		{"run --set weights=int9", `configuration: weights: want one of f32, int8, int4, not "int9"`},
		{"doctor --live x", "--live x: want the address of a server, such as http://127.0.0.1:8080"},
		{"update", "a local store has one process: use the command run, or store.kind redis to learn beside a server, or --now for one night"},
		{"import nowhere", "import nowhere: there is no directory and no GGUF file of that name; import takes a model or a PEFT adapter"},
		{"adapter activate", "adapter activate needs TRACK@N: a version, such as default@3 or default@base; nightshift adapter list lists them"},
	} {
		got := execute(t, strings.Fields(c.line)...)
		if got.code != 1 || got.err != "nightshift: "+c.want+"\n" {
			t.Errorf("%s: status %d, %s      want %s", c.line, got.code, got.err, c.want)
		}
	}
}

// TestCompletion asks what a shell would offer.
func TestCompletion(t *testing.T) {
	data := t.TempDir()
	for _, track := range []string{"support", "sales"} {
		if got := execute(t, "track", "create", track, "--data", data); got.code != 0 {
			t.Fatal(got.err)
		}
	}
	night := filepath.Join(data, "registry", "nights", "20260101-000000-aa")
	if err := os.MkdirAll(night, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, night, "night.json", `{"id":"20260101-000000-aa","track":"sales","state":"rejected","candidate":null}`)
	const nothing, noSpace, none, directories, files = "", ":6", ":4", ":16", ":0"
	for _, c := range []struct{ line, want, directive string }{
		{"adapter rollback |", "default sales support", ":36"},
		{"adapter activate |s", "sales@base support@base", ":36"},
		{"adapter merge sales@base |", "default@base support@base", ":36"},
		{"adapter export sales@base |", nothing, directories},
		{"adapter activate sales@base |", nothing, none},
		{"import --track |su", "support", ":36"},
		{"night show |", "20260101-000000-aa", ":36"},
		{"night review |", "20260101-000000-aa", ":36"},
		{"update --replay |2", "20260101-000000-aa", ":36"},
		{"track delete |sa", "sales", ":36"},
		{"import |", nothing, files},
		{"anchors make --questions |", nothing, files},
		{"man |", nothing, directories},
		{"run --model |", nothing, files},
		{"run --data |", nothing, directories},
		{"run --weights |int", "int8 int4", none},
		{"bench decode --weights |f32,int", "f32,int8 f32,int4", none},
		{"run --set |update.train.ran", "update.train.rank=", noSpace},
		{"run --set |weights=", "weights=f32 weights=int8 weights=int4", none},
		{"run --set |engine.spin=t", "engine.spin=true", none},
		{"run |", nothing, none},
		{"help adapter |ho", "hold", none},
		{"adapter rollback --set nonsense |", nothing, none}, // the configuration is wrong, which is no time to say so
		{"adapter rollback --config /nowhere.yaml |", nothing, none},
	} {
		before, word, _ := strings.Cut(c.line, "|")
		args := append(append([]string{"__complete"}, strings.Fields(before)...), word)
		got := executeIn(t, t.TempDir(), []string{"NIGHTSHIFT_DATA=" + data}, args...)
		var words []string
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		for _, line := range lines[:len(lines)-1] {
			offered, _, _ := strings.Cut(line, "\t")
			words = append(words, offered)
		}
		if strings.Join(words, " ") != c.want || lines[len(lines)-1] != c.directive {
			t.Errorf("%s offers %q %s, want %q %s", c.line, strings.Join(words, " "), lines[len(lines)-1], c.want, c.directive)
		}
	}
}

// TestCompletionScript: bash breaks words at an @, unless it is told that versions have one.
func TestCompletionScript(t *testing.T) {
	holds(t, "completion bash", execute(t, "completion", "bash").out, "__start_nightshift()", "COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}")
}

// TestManual writes the manual pages: one a command, each with its flags and without those that are of no use to it.
func TestManual(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	holds(t, "man", execute(t, "man", dir).out, "manual pages are in "+dir)
	page := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	holds(t, "nightshift.1", page("nightshift"), ".TH", "nightshift-adapter(1)", "nightshift-track(1)")
	text := page("nightshift-adapter-activate")
	holds(t, "nightshift-adapter-activate.1", text, "nightshift adapter activate TRACK@N", "--reason", "--data")
	if strings.Contains(text, "--threads") {
		t.Error("a flag of no use is on the page")
	}
	if _, err := os.Stat(filepath.Join(dir, "nightshift-night-work.1")); !os.IsNotExist(err) {
		t.Errorf("a hidden command has a page: %v", err)
	}
}

// TestHelps looks at what helps leave out.
func TestHelps(t *testing.T) {
	for command, flags := range map[string][2]string{
		"night show":    {"--data", "--threads"},
		"adapter merge": {"--model", "--listen"},
		"import":        {"--weights", "--listen"},
		"man":           {"--help", "--data"},
	} {
		out := execute(t, append(strings.Fields(command), "--help")...).out
		if !strings.Contains(out, flags[0]) || strings.Contains(out, flags[1]) {
			t.Errorf("%s: want %s and not %s:\n%s", command, flags[0], flags[1], out)
		}
	}
	if out := execute(t, "import", "--help").out; strings.Count(out, "(default 0.5,0.35,0.65,0.8)") != 1 || strings.Contains(out, "(default [") {
		t.Errorf("defaults of import:\n%s", out)
	}
	// A flag that is left out of a help is accepted all the same.
	if got := execute(t, "track", "list", "--threads", "1"); got.code != 0 {
		t.Error(got.err)
	}
}
