package replaytest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"nightshift/replaystore"
)

const childEnv = "NIGHTSHIFT_REPLAYTEST_CHILD"

// Main is TestMain for a package that runs Crash: in the child process it opens a store as the argument says and appends
// until it is killed, writing what is acknowledged to its output.
func Main(m *testing.M, open func(arg string) (replaystore.Store, error)) {
	arg, child := os.LookupEnv(childEnv)
	if !child {
		os.Exit(m.Run())
	}
	s, err := open(arg)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				e := Interaction("default", n)
				e.Interaction.ID = fmt.Sprintf("%s-%d-%d", replaystore.NewID(), w, n)
				var err error
				if w == 0 {
					if !s.AppendAsync(e) {
						err = fmt.Errorf("not logged")
					}
				} else {
					err = s.Append(context.Background(), e)
				}
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("ok", e.Interaction.ID) // unbuffered
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// Crash kills a child process that appends, and expects everything it had acknowledged.
func Crash(t *testing.T, arg string, env Env) {
	exe, err := os.Executable()
	must(t, err)
	var acked []string
	for range 2 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+arg)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			id, ok := strings.CutPrefix(lines.Text(), "ok ")
			if !ok {
				t.Errorf("child: %s", lines.Text())
			}
			acked = append(acked, id)
			if n == 300 {
				must(t, cmd.Process.Kill())
			}
		}
		if cmd.Wait() == nil || len(acked) < 300 {
			t.Fatalf("the child ended by itself after %d", len(acked))
		}
	}
	s := open(t, env)
	got := ScanAll(t, s, "default", 1000)
	slices.Sort(got)
	for _, id := range acked {
		if _, ok := slices.BinarySearch(got, replaystore.InteractionKey(id)); !ok {
			t.Errorf("acknowledged %s is lost", id)
		}
	}
	if dup := len(got) - len(slices.Compact(got)); dup != 0 {
		t.Errorf("%d events twice", dup)
	}
	if len(acked) < 600 {
		t.Errorf("only %d acknowledged", len(acked))
	}
}
