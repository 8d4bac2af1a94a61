package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// onThePage fails for every file of a data directory that docs/data-directory.md does not name.
func onThePage(t *testing.T, data string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "data-directory.md"))
	if err != nil {
		t.Fatal(err)
	}
	var known []*regexp.Regexp
	placeholders := strings.NewReplacer(`TRACK`, `[a-z0-9-]+`, `NIGHT`, `[A-Za-z0-9-]+`, `DIGEST`, `[0-9a-f]{64}`, `/N\.json`, `/[0-9]{6}\.json`, `\*`, `[^/]+`)
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|").FindAllStringSubmatch(string(page), -1) {
		folder := ""
		for i, path := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			name := path[1]
			if i == 0 {
				folder = regexp.MustCompile(`^registry/nights/NIGHT/`).FindString(name)
			} else {
				name = folder + name // those after the first stand beside it
			}
			pattern := placeholders.Replace(regexp.QuoteMeta(name))
			if strings.HasSuffix(name, "/") {
				pattern += ".+"
			}
			known = append(known, regexp.MustCompile("^"+pattern+"$"))
		}
	}
	if len(known) < 30 {
		t.Fatalf("the page of the data directory names %d paths", len(known))
	}
	seen := 0
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		seen++
		name := filepath.ToSlash(strings.TrimPrefix(path, data+string(filepath.Separator)))
		for _, k := range known {
			if k.MatchString(name) {
				return nil
			}
		}
		t.Errorf("docs/data-directory.md does not name %s", name)
		return nil
	})
	if err != nil || seen < 20 {
		t.Errorf("%d files in the data directory, %v", seen, err)
	}
}
