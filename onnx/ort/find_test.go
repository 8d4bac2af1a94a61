package ort

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mention(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not mention %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is more than one line", err)
	}
}

// realLibrary is the path of the library that the tests run on.
func realLibrary(t *testing.T) string {
	t.Helper()
	ForTest(t)
	return environment.library.Path
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOwnLibrary(t *testing.T) {
	real := realLibrary(t)
	data, err := os.ReadFile(real)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("good", func(t *testing.T) {
		t.Setenv(EnvLibrary, real)
		got, err := Find(t.Context(), FindOptions{CacheDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if want := (Library{Path: real, Version: RuntimeVersion, Source: "env"}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	old := bytes.ReplaceAll(data, []byte("VERS_1.27.0"), []byte("VERS_1.20.1"))
	for name, c := range map[string]struct {
		path  string
		words []string
	}{
		"absent":        {filepath.Join(t.TempDir(), "absent.so"), []string{EnvLibrary, "absent.so does not exist", RuntimeVersion}},
		"a folder":      {t.TempDir(), []string{"is not a file"}},
		"a text":        {write(t, []byte("1.27.0\n")), []string{"is not a shared library"}},
		"cut short":     {write(t, data[:len(data)/2]), []string{"is not"}},
		"another":       {self, []string{"is not"}},
		"wrong version": {write(t, old), []string{"1.20.1", "this build needs " + RuntimeVersion}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvLibrary, c.path)
			_, err := Find(t.Context(), FindOptions{CacheDir: t.TempDir(), Download: true})
			mention(t, err, c.words...)
		})
	}
	t.Run("option before environment", func(t *testing.T) {
		t.Setenv(EnvLibrary, "/absent")
		if _, err := Find(t.Context(), FindOptions{Path: real}); err != nil {
			t.Error(err)
		}
	})
}

func TestCompatible(t *testing.T) {
	for version, want := range map[string]bool{"1.27.0": true, "1.27.3": true, "1.27.": false, "1.26.0": false,
		"1.270.0": false, "1.28.0": false, "11.27.0": false, "": false} {
		if got := compatible(version); got != want {
			t.Errorf("compatible(%q) = %v", version, got)
		}
	}
}

func TestSystemLibrary(t *testing.T) {
	real := realLibrary(t)
	t.Setenv(EnvLibrary, "")
	link := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	f := newFinder(FindOptions{CacheDir: t.TempDir()})
	f.system = func() []string { return []string{"/absent/libonnxruntime.so", link} }
	got, err := f.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (Library{Path: link, Version: RuntimeVersion, Source: "system"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestUselessSystemLibraryIsNamed(t *testing.T) {
	data, err := os.ReadFile(realLibrary(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvLibrary, "")
	old := write(t, bytes.ReplaceAll(data, []byte("VERS_1.27.0"), []byte("VERS_1.20.1")))
	f := newFinder(FindOptions{CacheDir: t.TempDir()})
	f.system = func() []string { return []string{old} }
	_, err = f.find(t.Context())
	mention(t, err, old, "1.20.1", "allow the download", EnvLibrary)
}

func TestUnknownPlatform(t *testing.T) {
	t.Setenv(EnvLibrary, "")
	f := newFinder(FindOptions{CacheDir: t.TempDir(), Download: true})
	f.known, f.system = false, func() []string { return nil }
	_, err := f.find(t.Context())
	mention(t, err, "none is published for "+platformName(), EnvLibrary)
}

func TestNoCacheFolder(t *testing.T) {
	for _, name := range []string{EnvLibrary, "NIGHTSHIFT_CACHE", "XDG_CACHE_HOME", "HOME"} {
		t.Setenv(name, "")
	}
	f := newFinder(FindOptions{Download: true})
	f.system = func() []string { return nil }
	_, err := f.find(t.Context())
	mention(t, err, "NIGHTSHIFT_CACHE")
}

func TestOpenIsOnce(t *testing.T) {
	ForTest(t)
	again, err := Open(context.Background(), FindOptions{Path: "/absent"})
	if err != nil {
		t.Fatal(err)
	}
	if again != environment.library || Version() != again.Version || !compatible(Version()) {
		t.Errorf("got %+v and version %q", again, Version())
	}
	if err := SetLogLevel(LogError); err != nil {
		t.Error(err)
	}
	if err := SetLogLevel(LogFatal); err != nil {
		t.Error(err)
	}
}
