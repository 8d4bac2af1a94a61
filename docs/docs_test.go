// Package docs_test holds the documentation to the program: configuration.md is what the program prints, links lead to files,
// and commands and targets exist.
package docs_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nightshift/internal/app"
	"nightshift/lab/continual"
)

var update = flag.Bool("update", false, "write the pages that the program prints")

const configurationHead = "# Configuration\n\n" +
	"What `nightshift config print` prints for an empty configuration. Written by `go test ./docs -update`.\n\n" +
	"Values come from, later ones winning key by key: these defaults; a YAML file (`--config FILE`, else `NIGHTSHIFT_CONFIG`, else\n" +
	"`nightshift.yaml` in the working directory); variables of the environment (`update.train.rank` is\n" +
	"`NIGHTSHIFT_UPDATE_TRAIN_RANK`, lists with commas); `--set update.train.rank=16` and the flags of the command. A key that does not\n" +
	"exist is an error with its line and the nearest key that does. `nightshift config check` says whether a configuration is valid.\n\n" +
	"Which of these is which method of continual learning, and with what value to begin, is in [methods.md](methods.md).\n\n"

func TestConfiguration(t *testing.T) {
	want := configurationHead + "```yaml\n" + app.Defaults().YAML() + "```\n"
	if *update {
		if err := os.WriteFile("configuration.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("configuration.md is not what the program prints: run go test ./docs -update")
	}
}

// TestMethods: every setting in methods.md that has a value is one that the program takes, and every method of the benchmark is named.
func TestMethods(t *testing.T) {
	text := pages(t)["methods.md"]
	settings := 0
	for line := range strings.Lines(text) { // what stands on one line may need one another
		found := regexp.MustCompile("`([a-z_.]+): ([^`]+)`").FindAllStringSubmatch(line, -1)
		together := map[string]string{}
		set := func(m []string) {
			key := m[1]
			if !strings.HasPrefix(key, "update.") && !strings.HasPrefix(key, "router.") {
				key = "update.train." + key
			}
			together[key] = strings.ReplaceAll(strings.Trim(m[2], "[]"), ", ", ",")
		}
		for _, m := range found {
			set(m)
		}
		for _, m := range found {
			settings++
			set(m)
			if _, err := app.LoadConfig("", nil, together); err != nil {
				t.Errorf("methods.md has %s: %v", m[0], err)
			}
		}
	}
	if settings < 30 {
		t.Errorf("methods.md has %d settings with values", settings)
	}
	for _, m := range continual.Methods() {
		if m.Family != continual.Bounds && !strings.Contains(text, "`"+m.Key+"`") {
			t.Errorf("methods.md does not name %s, which the benchmark measures", m.Key)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// pages are the README and all pages below docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	files := []string{"../README.md"}
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

func TestLinks(t *testing.T) {
	links := 0
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
	if links == 0 {
		t.Error("no link was found")
	}
}

func TestTargets(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s says make %s, which the Makefile does not have", name, m[1])
			}
		}
	}
}

// TestDecisions: the index has every decision, under its own title and with a state.
func TestDecisions(t *testing.T) {
	all := pages(t)
	index := all["decisions/README.md"]
	for name, text := range all {
		file, ok := strings.CutPrefix(name, "decisions/")
		if !ok || file == "README.md" {
			continue
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
		if row := "| [" + title + "](" + file + ") | "; !strings.Contains(index, row) {
			t.Errorf("the index of decisions has no row with %s", row)
		}
	}
}
