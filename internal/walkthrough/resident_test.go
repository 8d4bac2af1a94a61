package walkthrough

import (
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

// TestResidentOf allocates memory and finds it.
func TestResidentOf(t *testing.T) {
	before, ok := ResidentOf(os.Getpid())
	if !ok {
		t.Skip("this system does not tell")
	}
	const size = 64 << 20
	data, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE) // of no earlier test
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = byte(i)
	}
	after, _ := ResidentOf(os.Getpid())
	if grown := after.Anonymous - before.Anonymous; grown < size/2 || grown > 2*size {
		t.Errorf("%d bytes more after %d were written", grown, size)
	}
	if after.File == 0 {
		t.Error("the program itself is no file")
	}
	if err := syscall.Munmap(data); err != nil {
		t.Fatal(err)
	}
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
	if got := children(os.Getpid(), "-u", "-"); !slices.Equal(got, []int{cmd.Process.Pid}) {
		t.Errorf("children %v, want %d", got, cmd.Process.Pid)
	}
	if got := children(os.Getpid(), "-", "-u"); len(got) > 0 {
		t.Errorf("children with other arguments: %v", got)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := children(os.Getpid(), "-u", "-"); len(got) > 0 {
		t.Errorf("a child that has ended: %v", got)
	}
}
