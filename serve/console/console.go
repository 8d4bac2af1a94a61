// Package console is the browser console: chat with feedback, the nights, the versions.
//
// It is static files, embedded in the program: plain ES modules, one style sheet, one page. There is no build step, and
// nothing is loaded from anywhere else. The page lives at "/", everything it loads lives under "/console/", and it talks
// to the REST API relative to its own address, so a path prefix in front of both does no harm.
//
// Invariants: the page runs under [ContentSecurityPolicy], which allows no inline script or style and no markup made from
// strings; what users and models wrote is only ever shown as text. The package knows no HTTP framework: whoever mounts it
// ranges over [Files] and sends [Headers] with each.
package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"sync"
)

//go:embed static
var static embed.FS

// ContentSecurityPolicy is the policy the console is written for and tested under.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// A File is one file of the console, ready to be sent.
type File struct {
	Path string // URL path: "/" is the page, all others begin with "/console/"
	Type string // Content-Type
	ETag string // strong, quoted; changes exactly when Body does
	Body []byte // shared: do not modify
}

// FS returns the files as a tree: index.html and the folder console.
func FS() fs.FS {
	sub, err := fs.Sub(static, "static")
	if err != nil {
		panic(fmt.Sprintf("open the embedded console: %v", err)) // "static" is a valid constant path
	}
	return sub
}

// Files returns every file, ordered by path. The slice and the bodies are shared: do not modify them.
func Files() []File { return load() }

// Lookup returns the file at a URL path.
func Lookup(urlPath string) (File, bool) {
	files := load()
	i := sort.Search(len(files), func(i int) bool { return files[i].Path >= urlPath })
	if i < len(files) && files[i].Path == urlPath {
		return files[i], true
	}
	return File{}, false
}

// Headers returns the response headers that belong with the file. The browser asks again each time and is answered
// 304 by ETag, so that a new program never runs with the modules of an old one.
func (f File) Headers() map[string]string {
	return map[string]string{
		"Content-Type":               f.Type,
		"ETag":                       f.ETag,
		"Cache-Control":              "no-cache",
		"Content-Security-Policy":    ContentSecurityPolicy,
		"X-Content-Type-Options":     "nosniff",
		"Referrer-Policy":            "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin",
	}
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

var load = sync.OnceValue(func() []File {
	var files []File
	tree := FS()
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		kind, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("file %s has no content type", name)
		}
		body, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		url := "/" + name
		if name == "index.html" {
			url = "/"
		}
		files = append(files, File{Path: url, Type: kind, ETag: `"` + hex.EncodeToString(sum[:12]) + `"`, Body: body})
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("read the embedded console: %v", err)) // fixed at build time, TestFiles reads it
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files
})
