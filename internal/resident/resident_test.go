package resident

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	text := "Name:\tcat\nVmRSS:\t    1000 kB\nRssAnon:\t     250 kB\nRssFile:\t     700 kB\nRssShmem:\t      50 kB\n"
	if m, ok := parse(strings.NewReader(text)); !ok || m != (Memory{250 << 10, 750 << 10}) || m.Total() != 1000<<10 {
		t.Errorf("%+v, %v", m, ok)
	}
	for _, bad := range []string{"", "RssAnon: 1000 kB\n", "RssAnon: x kB\nRssFile: 1 kB\nRssShmem: 0 kB\n"} {
		if m, ok := parse(strings.NewReader(bad)); ok {
			t.Errorf("%q has memory in it: %+v", bad, m)
		}
	}
}

// TestOf allocates memory and finds it.
func TestOf(t *testing.T) {
	before, ok := Of(os.Getpid())
	if !ok {
		t.Skip("this system does not tell")
	}
	const size = 64 << 20
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	after, _ := Of(os.Getpid())
	if grown := after.Anonymous - before.Anonymous; grown < size/2 || grown > 2*size {
		t.Errorf("%d bytes more after %d were written", grown, size)
	}
	if after.File == 0 {
		t.Error("the program itself is no file")
	}
	runtime.KeepAlive(data)
}

// TestChildren finds a child by its arguments while it runs.
func TestChildren(t *testing.T) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("this system does not tell")
	}
	cmd := exec.Command("cat", "-u", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("there is no cat:", err)
	}
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // it runs
		t.Fatal(err)
	}
	if got := Children(os.Getpid(), "-u", "-"); !slices.Equal(got, []int{cmd.Process.Pid}) {
		t.Errorf("children %v, want %d", got, cmd.Process.Pid)
	}
	if got := Children(os.Getpid(), "-", "-u"); len(got) > 0 {
		t.Errorf("children with other arguments: %v", got)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := Children(os.Getpid(), "-u", "-"); len(got) > 0 {
		t.Errorf("a child that has ended: %v", got)
	}
}
