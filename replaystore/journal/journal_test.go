package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T, cfg Config) *Journal {
	t.Helper()
	j, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func contents(t *testing.T, j *Journal) map[uint64]string {
	t.Helper()
	out := map[uint64]string{}
	after := uint64(0)
	for {
		records, err := j.Scan(after, 7, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			return out
		}
		for _, r := range records {
			if r.Seq <= after {
				t.Fatalf("record %d after %d", r.Seq, after)
			}
			after = r.Seq
			out[r.Seq] = string(r.Payload)
		}
	}
}

func TestAppendReopen(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Config{FS: Dir(dir), SegmentBytes: 300})
	ctx := t.Context()
	want := map[uint64]string{}
	for n := range 50 {
		a, b := fmt.Sprintf("a%d", n), strings.Repeat("b", n)
		first, err := j.Append(ctx, []byte(a), []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		want[first], want[first+1] = a, b
	}
	if got := contents(t, j); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v", got)
	}
	s := j.Stats()
	if s.Segments < 3 || s.Records != 100 || s.Durable != 100 || s.Last != 100 || s.SyncErr != nil {
		t.Fatalf("stats %+v", s)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(ctx, []byte("x")); !errors.Is(err, ErrClosed) {
		t.Fatalf("append after close: %v", err)
	}
	j = open(t, Config{FS: Dir(dir)})
	if got := contents(t, j); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v", got)
	}
	if r := j.Report(); r.Records != 100 || r.Truncated != 0 || len(r.Gaps) != 0 {
		t.Fatalf("report %+v", r)
	}
	if p, err := j.Read(3); err != nil || string(p) != "a1" {
		t.Fatalf("read: %q %v", p, err)
	}
	if _, err := j.Read(1000); !errors.Is(err, ErrGone) {
		t.Fatalf("read: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, segmentName(1)))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", info.Mode(), err)
	}
}

func TestRefusals(t *testing.T) {
	j := open(t, Config{FS: newCrashFS(1), MaxRecord: 4})
	if _, err := j.Write(); err == nil {
		t.Error("no records accepted")
	}
	if _, err := j.Write([]byte("12345")); err == nil || !strings.Contains(err.Error(), "limit is 4") {
		t.Errorf("large record: %v", err)
	}
	if err := j.Wait(t.Context(), 9); !errors.Is(err, ErrGone) {
		t.Errorf("wait for a record that was not written: %v", err)
	}
}

func TestWriteIsSyncedWithoutWaiter(t *testing.T) {
	j := open(t, Config{FS: newCrashFS(1)})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	seq, err := j.Write([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Follow(ctx, seq-1); err != nil {
		t.Fatal(err)
	}
	if j.Durable() != seq {
		t.Fatal("not durable")
	}
}

func TestFollow(t *testing.T) {
	j := open(t, Config{FS: newCrashFS(1)})
	got := make(chan error, 1)
	go func() { got <- j.Follow(t.Context(), 0) }()
	if _, err := j.Append(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Follow(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go func() { got <- j.Follow(t.Context(), 1) }()
	j.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestGroupCommit(t *testing.T) {
	fs := newCrashFS(1)
	j := open(t, Config{FS: fs})
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for n := range 20 {
				if _, err := j.Append(t.Context(), fmt.Appendf(nil, "%d/%d", w, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, p := range contents(t, j) {
		seen[p] = true
	}
	if len(seen) != 640 {
		t.Fatalf("%d records", len(seen))
	}
}

// write three records and return the file's bytes and where each starts.
func threeRecords(t *testing.T) (*crashFS, *inode, []int) {
	fs := newCrashFS(1)
	j := open(t, Config{FS: fs})
	for _, p := range []string{"first", "second", "third"} {
		if _, err := j.Append(t.Context(), []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	node := fs.names[segmentName(1)]
	var at []int
	parseSegment(node.data, 1, func(offset int64, _ uint64, _ []byte) { at = append(at, int(offset)) }, func(int64, int64) {})
	return fs, node, at
}

func TestTornTailEveryLength(t *testing.T) {
	_, node, at := threeRecords(t)
	whole := node.data
	for cut := 0; cut < len(whole); cut++ {
		fs := newCrashFS(2)
		fs.names[segmentName(1)] = &inode{data: whole[:cut], durable: whole[:cut]}
		j, err := Open(Config{FS: fs})
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		want, good := 0, headerSize
		for i, start := range at {
			if end := append(at, len(whole))[i+1]; end <= cut {
				want++
				good = end
			}
			_ = start
		}
		got := contents(t, j)
		if len(got) != want {
			t.Fatalf("cut at %d: %d records, want %d", cut, len(got), want)
		}
		if cut > good && j.Report().Truncated != int64(cut-good) {
			t.Fatalf("cut at %d: report %+v", cut, j.Report())
		}
		seq, err := j.Append(t.Context(), []byte("next"))
		if err != nil || seq != uint64(want+1) {
			t.Fatalf("append after cut at %d: %d %v", cut, seq, err)
		}
		j.Close()
		j = open(t, Config{FS: fs})
		if len(contents(t, j)) != want+1 || j.Report().Truncated != 0 {
			t.Fatalf("cut at %d: second open %+v", cut, j.Report())
		}
	}
}

func TestCorruptMiddleEveryByte(t *testing.T) {
	_, node, at := threeRecords(t)
	for pos := range node.data {
		data := bytes.Clone(node.data)
		data[pos] ^= 0x40
		fs := newCrashFS(2)
		fs.names[segmentName(1)] = &inode{data: data, durable: data}
		j, err := Open(Config{FS: fs})
		if err != nil {
			t.Fatalf("byte %d: %v", pos, err)
		}
		got := contents(t, j)
		hit := -1
		for i, start := range at {
			if pos >= start {
				hit = i
			}
		}
		for i, p := range []string{"first", "second", "third"} {
			if has := got[uint64(i+1)] == p; has != (i != hit) {
				t.Fatalf("byte %d: record %d there: %t", pos, i+1, has)
			}
		}
		r := j.Report()
		if hit >= 0 && hit < 2 && (len(r.Gaps) != 1 || r.Gaps[0].Offset != int64(at[hit]) || r.Skipped() != int64(at[hit+1]-at[hit])) {
			t.Fatalf("byte %d: report %+v", pos, r)
		}
		seq, err := j.Append(t.Context(), []byte("next"))
		if err != nil {
			t.Fatalf("byte %d: %v", pos, err)
		}
		if p, err := j.Read(seq); err != nil || string(p) != "next" {
			t.Fatalf("byte %d: %q %v", pos, p, err)
		}
		j.Close()
	}
}

func TestRecordGoesBadWhileOpen(t *testing.T) {
	fs := newCrashFS(1)
	j := open(t, Config{FS: fs})
	for _, p := range []string{"first", "second", "third"} {
		if _, err := j.Append(t.Context(), []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	fs.mu.Lock()
	data := fs.names[segmentName(1)].data
	data[bytes.Index(data, []byte("second"))] = 'S'
	fs.mu.Unlock()
	if got := contents(t, j); len(got) != 2 || got[3] != "third" {
		t.Fatalf("got %v", got)
	}
	if _, err := j.Read(2); !errors.Is(err, errCorrupt) {
		t.Fatal(err)
	}
}

func TestNoSpace(t *testing.T) {
	fs := newCrashFS(3)
	j := open(t, Config{FS: fs})
	if _, err := j.Append(t.Context(), []byte("before")); err != nil {
		t.Fatal(err)
	}
	set := func(f func(op, name string) error) { fs.mu.Lock(); fs.fail = f; fs.mu.Unlock() }
	set(failing(rand.New(rand.NewPCG(1, 1)), 1, "write", "truncate"))
	if _, err := j.Append(t.Context(), []byte("refused-record")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("append on a full disk: %v", err)
	}
	set(nil)
	if seq, err := j.Append(t.Context(), []byte("after")); err != nil || seq != 2 {
		t.Fatalf("append after: %d %v", seq, err)
	}
	j.Close()
	j = open(t, Config{FS: fs})
	if got := contents(t, j); len(got) != 2 || got[1] != "before" || got[2] != "after" {
		t.Fatalf("got %v", got)
	}
}

func TestFailedSyncSealsAndRewrites(t *testing.T) {
	fs := newCrashFS(4)
	j := open(t, Config{FS: fs})
	if _, err := j.Append(t.Context(), []byte("one")); err != nil {
		t.Fatal(err)
	}
	failed := 0
	fs.mu.Lock()
	fs.fail = func(op, name string) error {
		if op == "sync" && failed == 0 {
			failed++
			return syscall.EIO
		}
		return nil
	}
	fs.mu.Unlock()
	if _, err := j.Append(t.Context(), []byte("two")); err != nil {
		t.Fatalf("the second segment takes it: %v", err)
	}
	if failed != 1 || j.Stats().Segments != 2 {
		t.Fatalf("failed %d, %+v", failed, j.Stats())
	}
	j2 := open(t, Config{FS: fs.crash()})
	if got := contents(t, j2); got[1] != "one" || got[2] != "two" {
		t.Fatalf("got %v", got)
	}
}

func TestSyncKeepsFailing(t *testing.T) {
	fs := newCrashFS(5)
	j := open(t, Config{FS: fs, MaxUnsynced: 20})
	fs.mu.Lock()
	fs.fail = failing(rand.New(rand.NewPCG(1, 1)), 1, "sync", "syncdir", "remove")
	fs.mu.Unlock()
	if _, err := j.Append(t.Context(), []byte("0123456789")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("append: %v", err)
	}
	if j.Stats().SyncErr == nil || j.Durable() != 0 {
		t.Fatalf("stats %+v", j.Stats())
	}
	if _, err := j.Write([]byte("0123456789x")); !errors.Is(err, errStalled) {
		t.Fatalf("write above the bound: %v", err)
	}
	fs.mu.Lock()
	fs.fail = nil
	fs.mu.Unlock()
	if err := j.Wait(t.Context(), 1); err != nil { // tried again
		t.Fatal(err)
	}
	if got := contents(t, j); got[1] != "0123456789" {
		t.Fatalf("got %v", got)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	fs := newCrashFS(6)
	j := open(t, Config{FS: fs})
	ctx, cancel := context.WithCancel(t.Context())
	hold, inSync := make(chan struct{}), make(chan struct{})
	var once sync.Once
	j.cfg.FS = fs
	j.active.file = slowSync{j.active.file, func() { once.Do(func() { close(inSync); <-hold }) }}
	go func() { <-inSync; cancel() }()
	if _, err := j.Append(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(hold)
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type slowSync struct {
	File
	before func()
}

func (s slowSync) Sync() error { s.before(); return s.File.Sync() }
