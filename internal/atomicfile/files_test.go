package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var errBroken = errors.New("broken")

// holds reports what is wrong with a file's content, and with the names beside it.
func holds(t *testing.T, path, want string, names ...string) {
	t.Helper()
	if data, err := os.ReadFile(path); err != nil || string(data) != want {
		t.Errorf("the file holds %q, %v; want %q", data, err, want)
	}
	only(t, filepath.Dir(path), names...)
}

// only reports names in a directory that should not be there, and those that are missing.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func TestCreateReplacesWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := Create(path, 0o644, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half of the ne"); err != nil {
			return err
		}
		return errBroken
	})
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the writer's error", err)
	}
	holds(t, path, "old", "file")
	for _, write := range []func(path string, data []byte, perm fs.FileMode) error{
		Write, Replace,
		func(path string, data []byte, perm fs.FileMode) error {
			return Create(path, perm, func(w io.Writer) error { _, err := w.Write(data); return err })
		},
		func(path string, data []byte, perm fs.FileMode) error {
			from := filepath.Join(t.TempDir(), "elsewhere")
			return errors.Join(os.WriteFile(from, data, perm), Move(from, path))
		},
	} {
		if err := errors.Join(os.WriteFile(path, []byte("old"), 0o644), write(path, []byte("new"), 0o600)); err != nil {
			t.Fatal(err)
		}
		holds(t, path, "new", "file")
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}

// TestMissingDirectory: a directory that is missing is not made.
func TestMissingDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "file")
	from := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"write": Write(path, nil, 0o600), "replace": Replace(path, nil, 0o600), "exclusive": system.WriteExclusive(path, nil, 0o600),
		"move": Move(from, path), "directory": Dir(path, 0o700, func(string) error { return nil }),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := system.WriteExclusive(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := system.WriteExclusive(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one: %v", err)
	}
	holds(t, path, "first", "file")
}

func TestDir(t *testing.T) {
	parent := t.TempDir()
	path := filepath.Join(parent, "dir")
	fill := func(text string) func(string) error {
		return func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "below"), 0o700), os.WriteFile(filepath.Join(dir, "below", "file"), []byte(text), 0o600))
		}
	}
	if err := Dir(path, 0o700, func(dir string) error { return errors.Join(fill("half")(dir), errBroken) }); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the error of fill", err)
	}
	only(t, parent)
	if err := Dir(path, 0o700, fill("first")); err != nil {
		t.Fatal(err)
	}
	if err := Dir(path, 0o700, fill("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one: %v", err)
	}
	holds(t, filepath.Join(path, "below", "file"), "first", "file")
	only(t, parent, "dir")
}

// stopped is a disk that fails at a step, and from there on.
type stopped struct {
	System
	left  int
	steps []string
}

func (d *stopped) next(step string) error {
	if d.left--; d.left < 0 {
		return errBroken
	}
	d.steps = append(d.steps, step)
	return nil
}

func (d *stopped) Mkdir(path string, perm fs.FileMode) error {
	if err := d.next("mkdir"); err != nil {
		return err
	}
	return d.System.Mkdir(path, perm)
}

func (d *stopped) Create(path string, perm fs.FileMode) (File, error) {
	if err := d.next("create"); err != nil {
		return nil, err
	}
	f, err := d.System.Create(path, perm)
	return stoppedFile{f, d}, err
}

func (d *stopped) Link(from, to string) error {
	if err := d.next("link"); err != nil {
		return err
	}
	return d.System.Link(from, to)
}

func (d *stopped) Rename(from, to string) error {
	if err := d.next("rename"); err != nil {
		return err
	}
	return d.System.Rename(from, to)
}

func (d *stopped) RemoveAll(path string) error {
	if err := d.next("remove"); err != nil {
		return err
	}
	return d.System.RemoveAll(path)
}

func (d *stopped) Sync(string) error { return d.next("sync") }

type stoppedFile struct {
	File
	disk *stopped
}

func (f stoppedFile) Write(data []byte) (int, error) {
	if err := f.disk.next("write"); err != nil {
		return 0, err
	}
	return f.File.Write(data)
}

func (f stoppedFile) Sync() error { return f.disk.next("sync file") }

// TestSteps stops at every step of every form: until the move nothing is there under the name, and what is left can be swept.
func TestSteps(t *testing.T) {
	for name, c := range map[string]struct {
		write func(f Files, dir string) error
		steps []string
		moved int // steps after which the name is there
	}{
		"write": {func(f Files, dir string) error { return f.Write(filepath.Join(dir, "file"), []byte("new"), 0o600) },
			[]string{"create", "write", "sync file", "rename", "sync", "remove"}, 4},
		"exclusive": {func(f Files, dir string) error {
			return f.WriteExclusive(filepath.Join(dir, "file"), []byte("new"), 0o600)
		}, []string{"create", "write", "sync file", "link", "sync", "remove"}, 4},
		"directory": {func(f Files, dir string) error {
			return f.Dir(filepath.Join(dir, "file"), 0o700, func(temp string) error { return f.Add(filepath.Join(temp, "part"), []byte("new"), 0o600) })
		}, []string{"mkdir", "create", "write", "sync file", "sync", "sync", "rename", "sync", "remove"}, 7},
	} {
		for at := range c.steps {
			dir := t.TempDir()
			d := &stopped{left: at}
			err := c.write(Files{d}, dir)
			if (err == nil) != (at == len(c.steps)-1) || !slices.Equal(d.steps, c.steps[:at]) {
				t.Errorf("%s, %d steps: %v after %q", name, at, err, d.steps)
			}
			if _, err := os.Lstat(filepath.Join(dir, "file")); (err == nil) != (at >= c.moved) {
				t.Errorf("%s, %d steps: %v", name, at, err)
			}
			Sweep(dir, "other", 0)
			Sweep(dir, "file", time.Hour)
			Sweep(dir, "file", 0)
			if at < c.moved {
				only(t, dir)
			} else {
				only(t, dir, "file")
			}
		}
	}
}

// TestSweep removes what is old enough, of one name or of all.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".tmp-a-X", ".tmp-b-X", ".tmp-new-X", "a"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(-2*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Join(dir, ".tmp-new-X"), time.Time{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	Sweep(dir, "a", time.Hour)
	only(t, dir, ".tmp-b-X", ".tmp-new-X", "a")
	Sweep(dir, "", time.Hour)
	only(t, dir, ".tmp-new-X", "a")
	Sweep(filepath.Join(dir, "none"), "", 0)
}
