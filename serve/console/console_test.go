package console

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	files := Files()
	if len(files) < 10 {
		t.Fatalf("%d files, want the whole console", len(files))
	}
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Path] || seen[f.ETag] {
			t.Errorf("file %s: path or ETag %s twice", f.Path, f.ETag)
		}
		seen[f.Path], seen[f.ETag] = true, true
		if f.Path != "/" && !strings.HasPrefix(f.Path, "/console/") {
			t.Errorf("file %s is outside /console/", f.Path)
		}
		found, ok := Lookup(f.Path)
		if !ok || found.ETag != f.ETag {
			t.Errorf("lookup %s: got %s %v", f.Path, found.ETag, ok)
		}
		if h := f.Headers(); h["ETag"] != f.ETag || h["Content-Type"] != f.Type || h["Content-Security-Policy"] == "" {
			t.Errorf("headers of %s: %v", f.Path, h)
		}
	}
	for _, path := range []string{"", "/index.html", "/console", "/console/", "/console/../index.html", "/zzz"} {
		if f, ok := Lookup(path); ok {
			t.Errorf("lookup %q found %s", path, f.Path)
		}
	}
	page, _ := Lookup("/")
	if page.Type != "text/html; charset=utf-8" || !strings.Contains(string(page.Body), "<title>Nightshift</title>") {
		t.Errorf("page has type %s", page.Type)
	}
	if _, err := fs.Stat(FS(), "console/app.js"); err != nil {
		t.Errorf("FS: %v", err)
	}
}

// The policy would stop these in the browser; here they are named by file before anything is opened.
func TestNothingInlineNothingForeign(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		"inline script":         regexp.MustCompile(`(?i)<script(?:\s+type="module")?>`),
		"inline style":          regexp.MustCompile(`(?i)<style|\sstyle=`),
		"inline handler":        regexp.MustCompile(`(?i)<[a-z][^>]*\son[a-z]+=`),
		"markup from strings":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function`),
		"foreign address":       regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}`),
		"storage that outlives": regexp.MustCompile(`localStorage|document\.cookie|indexedDB`),
	}
	namespace := regexp.MustCompile(`http://www\.w3\.org/2000/svg`)
	for _, f := range Files() {
		body := namespace.ReplaceAllString(string(f.Body), "")
		for name, pattern := range forbidden {
			if found := pattern.FindString(body); found != "" && !(f.Path == "/console/person.js" && found == "localStorage") { // a name, and never a key
				t.Errorf("%s has an %s: %q", f.Path, name, found)
			}
		}
	}
}
