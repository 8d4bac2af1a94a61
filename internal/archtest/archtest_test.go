package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "nightshift"

// source is a Go file: its path below the root, and its text.
type source struct{ path, text string }

// violations returns what is against the rules, in the order of the files.
//
// Tests may import across layers, where Go itself allows it: a lower package is proved against a higher one. The other rules
// hold for tests too, except that those of pure packages may use more.
func violations(files []source) ([]string, error) {
	var found []string
	for _, f := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.ImportsOnly)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", f.path, err)
		}
		importer := path.Dir(f.path)
		isTest := strings.HasSuffix(f.path, "_test.go")
		at, placed := placeOf(importer)
		if strings.TrimSuffix(parsed.Name.Name, "_test") == "main" {
			at, placed = Command, true
		}
		if !placed {
			found = append(found, fmt.Sprintf("%s: package %s has no layer: give it one in layers.go", f.path, importer))
			continue
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, fmt.Errorf("parse %s: %w", f.path, err)
			}
			if why := against(importer, at, name, isTest); why != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", f.path, name, why))
			}
		}
	}
	return found, nil
}

// against says why a package must not import a path, "" if it may.
func against(importer string, at Place, name string, isTest bool) string {
	for prefix, only := range Importers {
		if (name == prefix || strings.HasPrefix(name, prefix+"/")) && !slices.Contains(only, importer) {
			return "only " + strings.Join(only, " and ") + " does"
		}
	}
	imported, ours := strings.CutPrefix(name, module+"/")
	standard := !ours && name != module && !strings.Contains(strings.SplitN(name, "/", 2)[0], ".")
	if besides, ok := Pure[importer]; ok && !standard && !slices.Contains(besides, imported) && !isTest {
		return importer + " imports the standard library only"
	}
	if !ours {
		return ""
	}
	to, placed := placeOf(imported)
	if !placed {
		return "it has no layer: give it one in layers.go"
	}
	if pair := at.Family + " " + to.Family; pair == "serve update" || pair == "update serve" {
		return "serve and update never import each other"
	}
	if isTest || to.Layer < at.Layer || to.Layer == at.Layer && to.Family == at.Family && to.Rank < at.Rank {
		return ""
	}
	return fmt.Sprintf("layer %d (%s, rank %d) is not below layer %d (%s, rank %d)", to.Layer, to.Family, to.Rank, at.Layer, at.Family, at.Rank)
}

// placeOf finds the line of a package: its own, or that of the nearest /... above it.
func placeOf(pkg string) (Place, bool) {
	if p, ok := Layers[pkg]; ok {
		return p, true
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if p, ok := Layers[dir+"/..."]; ok {
			return p, true
		}
	}
	return Place{}, false
}

// tree reads all Go files below root that the go command would build.
func tree(root string) ([]source, error) {
	var files []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		files = append(files, source{filepath.ToSlash(below), string(text)})
		return err
	})
	return files, err
}

func TestTree(t *testing.T) {
	files, err := tree("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d files: not the whole tree", len(files))
	}
	found, err := violations(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

func file(name, pkg string, imports ...string) source {
	text := "package " + pkg + "\n"
	for _, i := range imports {
		text += "import _ " + strconv.Quote(i) + "\n"
	}
	return source{name, text}
}

func TestViolationsAreCaught(t *testing.T) {
	for name, test := range map[string]struct {
		file source
		want string // part of the violation
	}{
		"upwards":                     {file("onnx/a.go", "onnx", "nightshift/models/adapter"), "layer 2 (models"},
		"two layers upwards":          {file("internal/redact/a.go", "redact", "nightshift/internal/engine"), "is not below"},
		"sideways":                    {file("internal/registry/a.go", "registry", "nightshift/models/adapter"), "is not below layer 2"},
		"sideways in layer 1":         {file("internal/telemetry/a.go", "telemetry", "nightshift/internal/config"), "is not below layer 1"},
		"a store imports the other":   {file("replaystore/localstore/a.go", "localstore", "nightshift/replaystore/redisstore"), "is not below"},
		"safetensors imports adapter": {file("models/safetensors/a.go", "safetensors", "nightshift/models/adapter"), "rank 2) is not below"},
		"adapter imports checkpoint":  {file("models/adapter/a.go", "adapter", "nightshift/models/checkpoint"), "is not below"},
		"onnx imports ort":            {file("onnx/a.go", "onnx", "nightshift/onnx/ort"), "is not below"},
		"api imports serve":           {file("serve/api/a.go", "api", "nightshift/serve"), "is not below"},
		"serve imports update":        {file("serve/a.go", "serve", "nightshift/update/gate"), "never import each other"},
		"update imports serve":        {file("update/train/a.go", "train", "nightshift/serve/api"), "never import each other"},
		"a test of update does":       {file("update/a_test.go", "update_test", "nightshift/serve"), "never import each other"},
		"anything imports a command":  {file("serve/a.go", "serve", "nightshift/lab/bench"), "layer 6"},
		"fiber":                       {file("serve/a.go", "serve", "github.com/gofiber/fiber/v2"), "only serve/api does"},
		"fiber's middleware":          {file("main.go", "main", "github.com/gofiber/fiber/v2/middleware/cors"), "only serve/api does"},
		"fiber in a test":             {file("serve/a_test.go", "serve", "github.com/gofiber/fiber/v2"), "only serve/api does"},
		"onnxruntime":                 {file("internal/engine/a.go", "engine", "github.com/yalue/onnxruntime_go"), "only onnx/ort does"},
		"redis":                       {file("replaystore/a.go", "replaystore", "github.com/redis/go-redis/v9"), "only replaystore/redisstore does"},
		"sugarme":                     {file("models/template/a.go", "template", "github.com/sugarme/tokenizer/pretrained"), "only models/tokenizer does"},
		"sampling, a module":          {file("internal/sampling/a.go", "sampling", "golang.org/x/exp/slices"), "standard library only"},
		"gate, a lower layer":         {file("update/gate/a.go", "gate", "nightshift/internal/sampling"), "standard library only"},
		"gonum":                       {file("update/gate/a.go", "gate", "gonum.org/v1/gonum/stat"), "only internal/stats and models/adapter does"},
		"wire, a lower layer":         {file("serve/api/wire/a.go", "wire", "nightshift/internal/registry"), "standard library only"},
		"a package without a layer":   {file("internal/novel/a.go", "novel"), "package internal/novel has no layer"},
		"an import without a layer":   {file("serve/a.go", "serve", "nightshift/internal/novel"), "it has no layer"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := violations([]source{test.file})
			if err != nil || len(found) != 1 || !strings.Contains(found[0], test.want) {
				t.Errorf("found %q, %v; want one violation with %q", found, err, test.want)
			}
		})
	}
	if _, err := violations([]source{{"serve/a.go", "no Go"}}); err == nil {
		t.Error("a file that does not parse was accepted")
	}
}

func TestAllowed(t *testing.T) {
	for _, f := range []source{
		file("main.go", "main", "fmt", "github.com/spf13/cobra", "nightshift/serve", "nightshift/update", "nightshift/lab/bench"),
		file("onnx/ort/a.go", "ort", "nightshift/onnx", "github.com/yalue/onnxruntime_go"),
		file("onnx/a_test.go", "onnx_test", "nightshift/onnx/eval", "nightshift/onnx/ort"),
		file("models/adapter/a.go", "adapter", "nightshift/models/safetensors", "nightshift/models/internal/strictjson", "gonum.org/v1/gonum/blas"),
		file("internal/stats/a.go", "stats", "gonum.org/v1/gonum/stat"),
		file("models/checkpoint/a.go", "checkpoint", "nightshift/onnx", "nightshift/models/safetensors"),
		file("models/tokenizer/a.go", "tokenizer", "github.com/sugarme/tokenizer"),
		file("replaystore/redisstore/a.go", "redisstore", "nightshift/replaystore", "nightshift/replaystore/journal", "github.com/redis/go-redis/v9"),
		file("serve/api/a.go", "api", "github.com/gofiber/fiber/v2", "nightshift/internal/engine", "nightshift/serve/console"),
		file("update/a.go", "update", "nightshift/update/gate", "nightshift/internal/engine", "nightshift/internal/registry"),
		file("update/gate/a.go", "gate", "math", "encoding/json", "nightshift/internal/stats"),
		file("internal/sampling/a_test.go", "sampling", "nightshift/onnx"),
	} {
		if found, err := violations([]source{f}); err != nil || len(found) != 0 {
			t.Errorf("found %q, %v", found, err)
		}
	}
}
