package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestRewriteRemovesBytes(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Config{FS: Dir(dir), SegmentBytes: 200})
	for n := range 40 {
		p := fmt.Appendf(nil, "keep-%d", n)
		if n%5 == 0 || n < 12 && n > 6 {
			p = fmt.Appendf(nil, "SECRET-%d", n)
		}
		if _, err := j.Append(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	before := contents(t, j)
	n, err := j.Rewrite(t.Context(), func(_ uint64, p []byte) bool { return bytes.HasPrefix(p, []byte("SECRET")) })
	if err != nil || n != 12 {
		t.Fatalf("removed %d: %v", n, err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		if data, err := os.ReadFile(name); err != nil || bytes.Contains(data, []byte("SECRET")) {
			t.Errorf("%s still holds it (%v)", name, err)
		}
	}
	check := func(j *Journal) {
		t.Helper()
		after := contents(t, j)
		if len(after) != 28 {
			t.Fatalf("%d records left", len(after))
		}
		for seq, p := range after {
			if before[seq] != p {
				t.Errorf("record %d is %q, was %q", seq, p, before[seq])
			}
		}
	}
	check(j)
	j.Close()
	j = open(t, Config{FS: Dir(dir)})
	check(j)
	if seq, err := j.Append(t.Context(), []byte("next")); err != nil || seq != 41 {
		t.Fatalf("append: %d %v", seq, err)
	}
}

func TestRewriteEverythingKeepsNumbers(t *testing.T) {
	fs := newCrashFS(1)
	j := open(t, Config{FS: fs})
	if _, err := j.Append(t.Context(), []byte("a"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	if n, err := j.Rewrite(t.Context(), func(uint64, []byte) bool { return true }); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	j.Close()
	j = open(t, Config{FS: fs})
	if seq, err := j.Append(t.Context(), []byte("c")); seq != 3 || err != nil {
		t.Fatal(seq, err)
	}
}

func TestDrop(t *testing.T) {
	fs := newCrashFS(1)
	j := open(t, Config{FS: fs, SegmentBytes: 100})
	for range 20 {
		if _, err := j.Append(t.Context(), []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Drop(10); err != nil {
		t.Fatal(err)
	}
	got := contents(t, j)
	if len(got) < 10 || len(got) > 14 || got[11] == "" {
		t.Fatalf("%d records left", len(got))
	}
	if err := j.Drop(20); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = open(t, Config{FS: fs})
	if seq, err := j.Append(t.Context(), []byte("c")); seq != 21 || err != nil {
		t.Fatal(seq, err)
	}
}

func FuzzRecover(f *testing.F) {
	good := encodeHeader(1, 1)
	good = appendRecord(good, 1, headerSize, 1, []byte("payload"))
	f.Add(good)
	f.Add(good[:40])
	f.Add(bytes.Repeat(recordMagic, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		fs := newCrashFS(1)
		fs.names[segmentName(1)] = &inode{data: data, durable: data}
		j, err := Open(Config{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		seq, err := j.Append(t.Context(), []byte("next"))
		if err != nil {
			if j.last > 1<<62 { // a valid header may say anything
				return
			}
			t.Fatal(err)
		}
		if p, err := j.Read(seq); err != nil || string(p) != "next" {
			t.Fatal(p, err)
		}
		j.Close()
	})
}
