package ort

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"nightshift/internal/atomicfile"
)

// A source can fetch the archive that holds the library.
type source interface {
	name() string
	// archive puts the archive into dir and returns its path.
	archive(ctx context.Context, p platform, dir string) (string, error)
	// member is the library's path inside it.
	member(p platform) string
	// verify checks the archive, or the library taken from it.
	verify(p platform, archive, library string) error
	describe(p platform) string
}

// fetch puts the library into the cache, unless another process did so in the meantime.
func (f *finder) fetch(ctx context.Context) (Library, error) {
	if f.noCache != nil {
		return Library{}, f.noCache
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return Library{}, fmt.Errorf("make cache folder: %w", err)
	}
	lock := flock.New(filepath.Join(f.dir, "lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return Library{}, fmt.Errorf("lock cache folder %s: %w", f.dir, err)
	}
	defer lock.Close()
	if library, ok := f.cached(); ok {
		return library, nil
	}
	// Whoever left these is dead: it held the lock.
	left, _ := filepath.Glob(filepath.Join(f.dir, "fetch-*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
	atomicfile.Sweep(f.dir, "", 0)
	var failed []error
	for _, s := range f.sources {
		err := f.fetchFrom(ctx, s)
		if err == nil {
			path := filepath.Join(f.dir, f.platform.file)
			return Library{Path: path, Version: RuntimeVersion, Source: s.name()}, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", s.name(), err))
		if ctx.Err() != nil {
			break
		}
	}
	return Library{}, joined(failed)
}

// joined is errors.Join on one line.
func joined(list []error) error {
	var words []string
	for _, err := range list {
		words = append(words, strings.Join(strings.Fields(err.Error()), " "))
	}
	return &lineError{text: strings.Join(words, "; "), list: list}
}

type lineError struct {
	text string
	list []error
}

func (e *lineError) Error() string   { return e.text }
func (e *lineError) Unwrap() []error { return e.list }

func (f *finder) fetchFrom(ctx context.Context, s source) error {
	dir, err := os.MkdirTemp(f.dir, "fetch-")
	if err != nil {
		return fmt.Errorf("make temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if f.opt.Progress != nil {
		fmt.Fprintf(f.opt.Progress, "fetching ONNX Runtime %s: %s\n", RuntimeVersion, s.describe(f.platform))
	}
	archive, err := s.archive(ctx, f.platform, dir)
	if err != nil {
		return err
	}
	library := filepath.Join(dir, "library")
	if err := extract(ctx, archive, s.member(f.platform), library); err != nil {
		return err
	}
	if err := s.verify(f.platform, archive, library); err != nil {
		return err
	}
	return f.install(library, s.name())
}

// install moves a verified library into the cache: first the library, then the receipt that makes it count.
func (f *finder) install(library, source string) error {
	size, sum, err := sumFile(library)
	if err != nil {
		return fmt.Errorf("read library: %w", err)
	}
	if err := atomicfile.Move(library, filepath.Join(f.dir, f.platform.file)); err != nil {
		return fmt.Errorf("install library: %w", err)
	}
	data, err := json.Marshal(receipt{Source: source, Size: size, SHA256: sum})
	if err != nil {
		return fmt.Errorf("write receipt: %w", err)
	}
	if err := atomicfile.Write(f.receiptPath(), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write receipt: %w", err)
	}
	return nil
}

// copyTo writes a file of the temporary folder.
func copyTo(path string, from io.Reader, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}

// maxLibrary bounds what is unpacked.
const maxLibrary = 512 << 20

// extract takes one regular file out of a gzipped tar archive and nothing else.
func extract(ctx context.Context, archive, member, to string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	for entries := tar.NewReader(packed); ctx.Err() == nil; {
		header, err := entries.Next()
		if err == io.EOF {
			return fmt.Errorf("the archive has no %s", member)
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if header.Name != member {
			continue
		}
		if header.Typeflag != tar.TypeReg || header.Size > maxLibrary {
			return fmt.Errorf("the archive's %s is not a library: type %q, %d bytes", member, header.Typeflag, header.Size)
		}
		if err := copyTo(to, entries, 0o755); err != nil {
			return fmt.Errorf("unpack %s: %w", member, err)
		}
		return nil
	}
	return context.Cause(ctx)
}

// npm fetches the package onnxruntime-node with npm, which knows the user's registry, proxy and credentials. Nothing of
// the package is run.
type npm struct{}

func (npm) name() string             { return "npm" }
func (npm) member(p platform) string { return p.member }
func (npm) describe(p platform) string {
	return "npm pack onnxruntime-node@" + RuntimeVersion + " (100 MB)"
}

func (npm) archive(ctx context.Context, _ platform, dir string) (string, error) {
	tool, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is not installed")
	}
	command := exec.CommandContext(ctx, tool, "pack", "onnxruntime-node@"+RuntimeVersion, "--ignore-scripts",
		"--loglevel=error")
	command.Dir = dir
	command.WaitDelay = time.Second
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack failed (%w): %s", err, tail(string(out)))
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", errors.New("npm pack left no archive")
	}
	return found[0], nil
}

// tail is the end of a tool's output, on one line.
func tail(out string) string {
	line := strings.Join(strings.Fields(out), " ")
	if len(line) > 300 {
		line = "…" + strings.ToValidUTF8(line[len(line)-300:], "")
	}
	return line
}

func (npm) verify(p platform, _, library string) error {
	size, sum, err := sumFile(library)
	if err != nil {
		return err
	}
	if size != p.size || sum != p.sha256 {
		return fmt.Errorf("%w (%s of %d bytes)", errDamaged, sum, size)
	}
	return nil
}

// release fetches the archive of the official release.
type release struct {
	base string // the address of its archives, with a slash
}

const releaseURL = "https://github.com/microsoft/onnxruntime/releases/download/v" + RuntimeVersion + "/"

func (release) name() string                 { return "release" }
func (release) member(p platform) string     { return p.release + "/" + p.releaseMember }
func (r release) describe(p platform) string { return r.base + p.release + ".tgz" }

func (r release) archive(ctx context.Context, p platform, dir string) (string, error) {
	path := filepath.Join(dir, "release.tgz")
	return path, download(ctx, r.base+p.release+".tgz", path)
}

func (release) verify(p platform, archive, _ string) error {
	_, sum, err := sumFile(archive)
	if err != nil {
		return err
	}
	if sum != p.releaseSHA256 {
		return fmt.Errorf("%w (%s)", errDamaged, sum)
	}
	return nil
}

func download(ctx context.Context, url, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	body := http.MaxBytesReader(nil, response.Body, maxLibrary)
	if err := copyTo(path, body, 0o644); err != nil {
		return fmt.Errorf("download %s: %w", url, err)
	}
	return nil
}
