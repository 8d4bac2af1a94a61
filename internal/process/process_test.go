package process

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

const roleEnv = "NIGHTSHIFT_TEST_PROCESS_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "parent": // starts a child and says so
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), roleEnv+"=child")
		cmd.Stdout = os.Stdout
		ended, err := Start(cmd)
		if err != nil {
			panic(err)
		}
		<-ended
	case "child": // lives until it is killed
		os.Stdout.WriteString("alive\n") //nolint:errcheck // the test would not get it
		select {}
	default:
		os.Exit(m.Run())
	}
}

// TestChildEndsWithItsParent kills a process that has started another. What both write to has its end when both are gone.
func TestChildEndsWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a process with its parent")
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), roleEnv+"=parent")
	parent.Stdout, parent.Stderr = write, os.Stderr
	ended, err := Start(parent)
	if err != nil {
		t.Fatal(err)
	}
	write.Close()
	lines := bufio.NewScanner(read)
	if !lines.Scan() || lines.Text() != "alive" {
		t.Fatalf("the child said %q", lines.Text())
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var killed *exec.ExitError
	if err := <-ended; !errors.As(err, &killed) {
		t.Errorf("the parent ended with %v", err)
	}
	for lines.Scan() { // until the child has ended as well: the test hangs where it lives on
		t.Errorf("the child said %q", lines.Text())
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	if _, err := Start(exec.Command(t.TempDir() + "/nothing")); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("started nothing: %v", err)
	}
}
