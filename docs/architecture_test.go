package docs_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/archtest"
)

// folders are those of the root, in the order in which the tree has them, with what is in those that hold no package themselves.
var folders = []struct{ name, about string }{
	{"cmd", "the programs: one file a command"}, {"serve", ""}, {"update", ""}, {"onnx", ""}, {"replaystore", ""}, {"models", "what a model consists of, in files and in memory"},
	{"internal", "what both sides use"}, {"lab", "what measures and tries the program, and is no part of it"}, {"test", ""},
	{"deploy", "tests of compose.yaml and the Dockerfile"}, {"loadtest", "load tests for k6, what they are tried with, the test that they notice"},
	{"docs", "pages, decisions, and the tests that hold them to the program"}, {"tools", "the pinned linter and k6, and what fetches ONNX Runtime"},
}

// TestArchitecture writes the tree and the table of layers of architecture.md from the packages and from the layers that archtest holds them to.
func TestArchitecture(t *testing.T) {
	packages := synopses(t)
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	want := section(t, section(t, string(text), "tree", "```\n"+tree(packages)+"```\n"), "layers", layerTable(packages))
	if *update {
		if err := os.WriteFile("architecture.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Error("the tree or the table of layers of architecture.md is not what the packages and archtest say: run go test ./docs -update")
	}
}

// section replaces what stands between the two marks of a name.
func section(t *testing.T, text, name, content string) string {
	t.Helper()
	begin, end := "<!-- "+name+": written by go test ./docs -update -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the page has no marks of %s", name)
	}
	return before + begin + content + end + after
}

// synopses are the packages that have no tests alone, by path, with the first sentence of each.
func synopses(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if base := d.Name(); name != ".." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules") {
			return filepath.SkipDir
		}
		files, err := parser.ParseDir(token.NewFileSet(), name, nil, parser.ParseComments|parser.PackageClauseOnly) //nolint:staticcheck // comments of one folder are all that is read
		if err != nil {
			return err
		}
		for _, p := range files {
			text := ""
			for _, f := range slices.SortedFunc(maps.Values(p.Files), func(a, b *ast.File) int { return int(a.Package - b.Package) }) {
				if f.Doc != nil {
					text = f.Doc.Text()
				}
			}
			if strings.HasSuffix(p.Name, "_test") {
				continue
			}
			sentence := new(doc.Package).Synopsis(text)
			sentence = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(sentence, "Package "+p.Name+" "), "Command "+filepath.Base(name)+" "), ".")
			all[filepath.ToSlash(strings.TrimPrefix(name, "../"))] = clause(sentence)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// clause is the beginning of a sentence that says what a package is, without what follows a colon.
func clause(sentence string) string {
	if at := strings.IndexAny(sentence, ":;"); at > 0 {
		sentence = sentence[:at]
	}
	return strings.TrimPrefix(sentence, "is ")
}

// treeWidth is how much of a sentence a line of the tree shows.
const treeWidth = 116

// tree draws the packages, each below its folder.
func tree(packages map[string]string) string {
	var b strings.Builder
	line := func(p, about string) {
		depth := strings.Count(p, "/")
		name := strings.Repeat("  ", depth) + path.Base(p) + "/"
		if cut := treeWidth; len(about) > cut {
			about = about[:strings.LastIndex(about[:cut], " ")] + " …"
		}
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("%-22s%s", name, about), " "))
	}
	for _, f := range folders {
		about := packages[f.name]
		if f.about != "" {
			about = f.about
		}
		line(f.name, about)
		if f.name == "tools" {
			continue
		}
		drawn := f.name
		for _, p := range slices.Sorted(maps.Keys(packages)) {
			if !strings.HasPrefix(p, f.name+"/") || strings.Contains(p, "/clients/") {
				continue
			}
			if parent := path.Dir(p); packages[parent] == "" && parent != f.name && parent != drawn { // a folder that only holds packages
				line(parent, "")
				drawn = parent
			}
			line(p, packages[p])
		}
	}
	return b.String()
}

// layerTable lists the packages of each layer, the highest first.
func layerTable(packages map[string]string) string {
	byLayer := map[int][]string{archtest.Command.Layer: {"the commands"}}
	for p, place := range archtest.Layers {
		byLayer[place.Layer] = append(byLayer[place.Layer], "`"+p+"`")
	}
	var b strings.Builder
	b.WriteString("| layer | packages |\n|---|---|\n")
	for _, layer := range slices.Backward(slices.Sorted(maps.Keys(byLayer))) {
		slices.Sort(byLayer[layer])
		fmt.Fprintf(&b, "| %d | %s |\n", layer, strings.Join(byLayer[layer], ", "))
	}
	return b.String()
}
