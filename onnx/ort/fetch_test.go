package ort

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const libraryMember = "package/lib/libonnxruntime.so.1"

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

type entry struct {
	name string
	kind byte
	data []byte
}

func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o644, Size: int64(len(e.data))}
		if e.kind == tar.TypeSymlink {
			h.Linkname, h.Size = "/etc/passwd", 0
		}
		if err := archive.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// local is a source whose archive is already here. It checks as the npm source does.
type local struct {
	npm
	data    []byte
	fetches *atomic.Int32
}

func (s local) archive(_ context.Context, _ platform, dir string) (string, error) {
	if s.fetches != nil {
		s.fetches.Add(1)
	}
	path := filepath.Join(dir, "local.tgz")
	return path, os.WriteFile(path, s.data, 0o600)
}

// testFinder looks for library in an empty cache and fetches it from sources.
func testFinder(t *testing.T, cache string, library []byte, sources ...source) *finder {
	t.Helper()
	t.Setenv(EnvLibrary, "")
	f := newFinder(FindOptions{CacheDir: cache, Download: true})
	f.platform = platform{file: "libonnxruntime.so.1", member: libraryMember, size: int64(len(library)),
		sha256: sum(library), release: "onnxruntime-test", releaseMember: "lib/libonnxruntime.so"}
	f.known, f.sources, f.system = true, sources, func() []string { return nil }
	return f
}

// left lists what a search left in the cache.
func left(t *testing.T, f *finder) string {
	t.Helper()
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestFetch(t *testing.T) {
	library := []byte("the bytes of a library")
	archive := pack(t, entry{"package/package.json", tar.TypeReg, []byte("{}")}, entry{libraryMember, tar.TypeReg, library})
	var fetches atomic.Int32
	var progress bytes.Buffer
	f := testFinder(t, t.TempDir(), library, local{data: archive, fetches: &fetches})
	f.opt.Progress = &progress
	if err := os.MkdirAll(filepath.Join(f.dir, "fetch-of-a-killed-process"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(f.dir, "libonnxruntime.so.1")
	for i, want := range []Library{
		{Path: path, Version: RuntimeVersion, Source: "npm"},
		{Path: path, Version: RuntimeVersion, Source: "cache"},
	} {
		got, err := f.find(t.Context())
		if err != nil || got != want {
			t.Fatalf("find %d: %+v, %v", i, got, err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(data, library) {
		t.Fatalf("the cache holds %q, %v", data, err)
	}
	if got := left(t, f); got != "libonnxruntime.so.1 lock receipt.json" {
		t.Errorf("the cache holds %s", got)
	}
	if strings.Count(progress.String(), "\n") != 1 || !strings.Contains(progress.String(), RuntimeVersion) {
		t.Errorf("progress: %q", progress.String())
	}
	// A library that is not as it was is fetched again.
	if err := os.WriteFile(path, library[:3], 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := f.find(t.Context()); err != nil || got.Source != "npm" || fetches.Load() != 2 {
		t.Errorf("after damage: %+v, %v, %d fetches", got, err, fetches.Load())
	}
}

func TestFetchRefuses(t *testing.T) {
	library := []byte("the bytes of a library")
	good := pack(t, entry{libraryMember, tar.TypeReg, library})
	for name, c := range map[string]struct {
		archive []byte
		words   []string
	}{
		"other bytes":    {pack(t, entry{libraryMember, tar.TypeReg, []byte("the bytes of A library")}), []string{"checksum"}},
		"longer":         {pack(t, entry{libraryMember, tar.TypeReg, append(library, '!')}), []string{"checksum"}},
		"no member":      {pack(t, entry{"package/README.md", tar.TypeReg, library}), []string{"has no " + libraryMember}},
		"a link":         {pack(t, entry{libraryMember, tar.TypeSymlink, nil}), []string{"is not a library"}},
		"not an archive": {[]byte("<html>sign in first</html>"), []string{"read archive"}},
		"cut short":      {good[:len(good)/3], []string{"unexpected EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := testFinder(t, t.TempDir(), library, local{data: c.archive})
			_, err := f.find(t.Context())
			mention(t, err, append(c.words, "could not be fetched", EnvLibrary)...)
			if got := left(t, f); got != "lock" {
				t.Errorf("the cache holds %s", got)
			}
		})
	}
}

func TestNextSourceAfterFailure(t *testing.T) {
	library := []byte("the bytes of a library")
	broken := local{data: []byte("nothing")}
	whole := local{data: pack(t, entry{libraryMember, tar.TypeReg, library})}
	f := testFinder(t, t.TempDir(), library, broken, whole)
	if _, err := f.find(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReceiptOfAnotherBuild(t *testing.T) {
	library := []byte("the bytes of a library")
	cache := t.TempDir()
	archive := pack(t, entry{libraryMember, tar.TypeReg, library})
	if _, err := testFinder(t, cache, library, local{data: archive}).find(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := testFinder(t, cache, []byte("the bytes of B library"))
	if _, ok := other.cached(); ok {
		t.Error("a library with another checksum counts as cached")
	}
}

func TestRelease(t *testing.T) {
	library := []byte("the bytes of a library")
	archive := pack(t, entry{"onnxruntime-test/lib/libonnxruntime.so", tar.TypeReg, library})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/onnxruntime-test.tgz" {
			http.NotFound(w, r)
			return
		}
		w.Write(archive)
	}))
	defer server.Close()
	search := func(base, sum string) (Library, error) {
		f := testFinder(t, t.TempDir(), nil, release{base})
		f.platform.releaseSHA256 = sum
		return f.find(t.Context())
	}
	got, err := search(server.URL+"/", sum(archive))
	if err != nil || got.Source != "release" {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = search(server.URL+"/", sum(library))
	mention(t, err, "checksum")
	_, err = search(server.URL+"/absent/", sum(archive))
	mention(t, err, "404")
	server.Close()
	_, err = search(server.URL+"/", sum(archive))
	mention(t, err, "no answer", EnvLibrary)
}

// The package manager is asked in a folder of its own, and what it says is passed on.
func TestNpm(t *testing.T) {
	library := []byte("the bytes of a library")
	archive := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(archive, pack(t, entry{libraryMember, tar.TypeReg, library}), 0o600); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	search := func(script string) error {
		bin := t.TempDir()
		if script != "" {
			if err := os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
				t.Fatal(err)
			}
			bin += string(os.PathListSeparator) + path
		}
		t.Setenv("PATH", bin)
		_, err := testFinder(t, t.TempDir(), library, npm{}).find(t.Context())
		return err
	}
	if err := search("[ \"$1 $2\" = \"pack onnxruntime-node@" + RuntimeVersion + "\" ] && cp " + archive + " package.tgz"); err != nil {
		t.Error(err)
	}
	mention(t, search("echo 'npm error network' >&2; exit 7"), "npm pack failed", "npm error network")
	mention(t, search("exit 0"), "left no archive")
	mention(t, search(""), "npm is not installed")
}

func TestParallelFindFetchesOnce(t *testing.T) {
	library := []byte("the bytes of a library")
	var fetches atomic.Int32
	archive := local{data: pack(t, entry{libraryMember, tar.TypeReg, library}), fetches: &fetches}
	cache := t.TempDir()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 8 {
		f := testFinder(t, cache, library, archive)
		wg.Go(func() {
			<-start
			if _, err := f.find(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	if n := fetches.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

// counted notes every fetch in a file, for counting across processes.
type counted struct {
	local
	file string
}

func (s counted) archive(ctx context.Context, p platform, dir string) (string, error) {
	file, err := os.OpenFile(s.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString("x")
	path, e := s.local.archive(ctx, p, dir)
	return path, errors.Join(err, file.Close(), e)
}

func TestParallelProcessesFetchOnce(t *testing.T) {
	library := []byte("the bytes of a library")
	cache := os.Getenv("ORT_TEST_CACHE")
	if cache != "" {
		archive := counted{local{data: pack(t, entry{libraryMember, tar.TypeReg, library})}, filepath.Join(cache, "count")}
		if _, err := testFinder(t, cache, library, archive).find(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	cache = t.TempDir()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			child := exec.Command(os.Args[0], "-test.run=^TestParallelProcessesFetchOnce$")
			child.Env = append(os.Environ(), "ORT_TEST_CACHE="+cache)
			if out, err := child.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if data, err := os.ReadFile(filepath.Join(cache, "count")); err != nil || string(data) != "x" {
		t.Errorf("fetched %d times, %v", len(data), err)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	library := []byte("the bytes of a library")
	cache := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	inner := testFinder(t, cache, library, local{data: nil})
	outer := testFinder(t, cache, library, sourceFunc(func() error {
		cancel() // the other one now waits for a lock that is held, or will not get to wait
		_, err := inner.find(ctx)
		return fmt.Errorf("inner: %w", err)
	}))
	_, err := outer.find(t.Context())
	mention(t, err, "inner:", "lock cache folder", "canceled")
}

// sourceFunc is a source that runs a function where it would fetch.
type sourceFunc func() error

func (sourceFunc) name() string                                                { return "function" }
func (sourceFunc) member(platform) string                                      { return "" }
func (sourceFunc) describe(platform) string                                    { return "" }
func (sourceFunc) verify(platform, string, string) error                       { return nil }
func (s sourceFunc) archive(context.Context, platform, string) (string, error) { return "", s() }

func TestUnwritableCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := testFinder(t, file, nil).find(t.Context())
	mention(t, err, "make cache folder", EnvLibrary)
}
