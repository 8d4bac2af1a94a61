package ort

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// FindOptions says where to look for the library. The zero value looks at what is on this machine and fetches nothing.
type FindOptions struct {
	Path     string    // this library and no other; before EnvLibrary
	CacheDir string    // default: $NIGHTSHIFT_CACHE, else nightshift in the user's cache folder
	Download bool      // fetch the library into the cache when it is nowhere else
	Progress io.Writer // one line for each thing fetched; nil: silent
	LogLevel LogLevel  // what the runtime prints once Open has opened it
}

// Find looks for ONNX Runtime: the path in NIGHTSHIFT_ONNXRUNTIME_LIB (only its version is checked), the cache, the
// system's library folders, and then, if opt.Download, it fetches the npm package or else the official release, checks
// the checksum and keeps the library in the cache. Any number of processes may do so at once: one fetches, the others
// wait for it. The error is one sentence that says what to do.
func Find(ctx context.Context, opt FindOptions) (Library, error) {
	return newFinder(opt).find(ctx)
}

// finder is one search, with everything outside that it depends on.
type finder struct {
	opt      FindOptions
	given    string // the user's own library
	dir      string // the cache folder for this platform
	noCache  error  // why there is none
	platform platform
	known    bool // whether there is a platform
	system   func() []string
	sources  []source
}

func newFinder(opt FindOptions) *finder {
	f := &finder{opt: opt, given: opt.Path, system: systemLibraries, sources: []source{npm{}, release{releaseURL}}}
	if f.given == "" {
		f.given = os.Getenv(EnvLibrary)
	}
	f.platform, f.known = platforms[platformName()]
	root := opt.CacheDir
	if root == "" {
		root, f.noCache = cacheDir()
	}
	if f.noCache != nil {
		return f
	}
	if root, f.noCache = filepath.Abs(root); f.noCache == nil {
		f.dir = filepath.Join(root, "onnxruntime", RuntimeVersion, platformName())
	}
	return f
}

func (f *finder) find(ctx context.Context) (Library, error) {
	if f.given != "" {
		return f.own()
	}
	if library, ok := f.cached(); ok {
		return library, nil
	}
	var passed []string // libraries that were found and are of no use
	for _, path := range f.system() {
		version, err := inspect(path)
		if err == nil && compatible(version) {
			return Library{Path: path, Version: version, Source: "system"}, nil
		}
		if err == nil {
			passed = append(passed, fmt.Sprintf("%s is version %q", path, version))
		}
	}
	missing := fmt.Sprintf("ONNX Runtime %s is not on this machine", RuntimeVersion)
	if len(passed) > 0 {
		missing += " (" + strings.Join(passed, ", ") + ")"
	}
	if !f.known {
		return Library{}, fmt.Errorf("%s and none is published for %s: build it and set %s to the library",
			missing, platformName(), EnvLibrary)
	}
	if !f.opt.Download {
		return Library{}, fmt.Errorf("%s: allow the download, or set %s to the library", missing, EnvLibrary)
	}
	library, err := f.fetch(ctx)
	if err != nil {
		return Library{}, fmt.Errorf("%s and could not be fetched: %w; install it and set %s to the library",
			missing, err, EnvLibrary)
	}
	return library, nil
}

// own checks the user's library. One that does not tell its version is asked once it is loaded.
func (f *finder) own() (Library, error) {
	name := EnvLibrary
	if f.opt.Path != "" {
		name = "the given path"
	}
	path, err := filepath.Abs(f.given)
	if err != nil {
		return Library{}, fmt.Errorf("find ONNX Runtime through %s: %w", name, err)
	}
	version, err := inspect(path)
	if err != nil {
		return Library{}, fmt.Errorf("find ONNX Runtime through %s: %w; set it to libonnxruntime of version %s, or unset it",
			name, err, RuntimeVersion)
	}
	if version != "" && !compatible(version) {
		return Library{}, fmt.Errorf("find ONNX Runtime through %s: %w", name, wrongVersion(path, version))
	}
	return Library{Path: path, Version: version, Source: "env"}, nil
}

// receipt is what was verified of the library in the cache when it was put there.
type receipt struct {
	Source string `json:"source"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func (f *finder) receiptPath() string { return filepath.Join(f.dir, "receipt.json") }

// cached is the cheap check at every start: the library is there with a receipt that matches its size.
func (f *finder) cached() (Library, bool) {
	if f.noCache != nil {
		return Library{}, false
	}
	data, err := os.ReadFile(f.receiptPath())
	var r receipt
	if err != nil || json.Unmarshal(data, &r) != nil {
		return Library{}, false
	}
	path := filepath.Join(f.dir, f.platform.file)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != r.Size {
		return Library{}, false
	}
	if r.Source == "npm" && r.SHA256 != f.platform.sha256 {
		return Library{}, false
	}
	return Library{Path: path, Version: RuntimeVersion, Source: "cache"}, true
}

// systemLibraries lists candidates in the system's library folders, best first.
func systemLibraries() []string {
	var list []string
	if runtime.GOOS == "darwin" {
		for _, dir := range []string{"/usr/local/lib", "/opt/homebrew/lib"} {
			list = append(list, dir+"/libonnxruntime."+RuntimeVersion+".dylib", dir+"/libonnxruntime.dylib")
		}
		return existing(list)
	}
	for _, dir := range []string{"/usr/local/lib", "/usr/local/lib64", "/usr/lib", "/usr/lib64",
		"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"} {
		list = append(list, dir+"/libonnxruntime.so."+RuntimeVersion, dir+"/libonnxruntime.so.1", dir+"/libonnxruntime.so")
	}
	return existing(append(loaderLibraries(), list...))
}

// loaderLibraries asks the dynamic loader's cache: lines such as "libx.so.1 (libc6,x86-64) => /usr/lib/libx.so.1".
func loaderLibraries() []string {
	tool, err := exec.LookPath("ldconfig")
	if err != nil {
		tool = "/sbin/ldconfig"
	}
	out, err := exec.CommandContext(context.Background(), tool, "-p").Output()
	if err != nil {
		return nil // no such loader here, musl for one
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		name, path, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if ok && strings.HasPrefix(name, "libonnxruntime.so") {
			list = append(list, path)
		}
	}
	return list
}

func existing(list []string) []string {
	seen := map[string]bool{}
	var found []string
	for _, path := range list {
		real, err := filepath.EvalSymlinks(path)
		if err == nil && !seen[real] {
			seen[real] = true
			found = append(found, path)
		}
	}
	return found
}

// sumFile returns a file's size and sha256.
func sumFile(path string) (int64, string, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer file.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, file)
	return n, hex.EncodeToString(hash.Sum(nil)), err
}

var errDamaged = errors.New("the checksum is not the committed one: what was fetched is damaged or was replaced")
