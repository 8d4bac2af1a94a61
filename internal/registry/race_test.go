package registry

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const (
	childDir   = "NIGHTSHIFT_REGISTRY_RACE_DIR"
	childActor = "NIGHTSHIFT_REGISTRY_RACE_ACTOR"
	raceRounds = 25
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := raceChild(dir, os.Getenv(childActor)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// raceChild says that it is ready, waits for the start, then fights for one number after the other and prints what it won.
func raceChild(dir, actor string) error {
	r, err := Open(dir, nil)
	if err != nil {
		return err
	}
	digests, err := r.Versions("default")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	won, err := fight(r, digests, actor)
	for _, n := range won {
		fmt.Println("won", n)
	}
	return err
}

// fight activates on top of each sequence below raceRounds and returns the numbers won.
func fight(r *Registry, versions []Ref, actor string) ([]int, error) {
	var won []int
	for previous := 0; previous < raceRounds; {
		a, err := r.Activate(ctx, "default", Activation{Digest: versions[previous%2].Digest, Previous: previous, Actor: actor})
		switch {
		case err == nil:
			won = append(won, a.Sequence)
			previous = a.Sequence
		case errors.Is(err, ErrConflict):
			now, err := r.Champion("default")
			if err != nil {
				return won, err
			}
			previous = now.Sequence
		default:
			return won, err
		}
	}
	return won, nil
}

// checkRace compares what each claims to have won with what is written.
func checkRace(t *testing.T, r *Registry, won map[string][]int) {
	t.Helper()
	all, err := r.Activations("default")
	if err != nil || len(all) != raceRounds {
		t.Fatalf("%d activations, want %d: %v", len(all), raceRounds, err)
	}
	owner := map[int]string{}
	for actor, numbers := range won {
		for _, n := range numbers {
			if other, taken := owner[n]; taken {
				t.Errorf("number %d was won by %s and by %s", n, other, actor)
			}
			owner[n] = actor
		}
	}
	for i, a := range all {
		if a.Sequence != i+1 || a.Previous != i || owner[a.Sequence] != a.Actor {
			t.Errorf("activation %d: %+v, claimed by %q", i+1, a, owner[a.Sequence])
		}
	}
}

func TestRaceOfGoroutines(t *testing.T) {
	r := newRegistry(t)
	versions := []Ref{put(t, r, "default", "one"), put(t, r, "default", "two")}
	won, mu, wg := map[string][]int{}, sync.Mutex{}, sync.WaitGroup{}
	for i := range 8 {
		wg.Go(func() {
			actor := fmt.Sprintf("racer-%d", i)
			numbers, err := fight(r, versions, actor)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			won[actor] = numbers
			mu.Unlock()
		})
	}
	wg.Wait()
	checkRace(t, r, won)
}

func TestRaceOfProcesses(t *testing.T) {
	r := newRegistry(t)
	put(t, r, "default", "one")
	put(t, r, "default", "two")
	type child struct {
		cmd   *exec.Cmd
		start *os.File
		out   *bufio.Scanner
		log   strings.Builder
	}
	children := map[string]*child{}
	for i := range 4 {
		actor := fmt.Sprintf("process-%d", i)
		c := &child{cmd: exec.Command(os.Args[0])}
		c.cmd.Env = append(os.Environ(), childDir+"="+r.Dir(), childActor+"="+actor)
		c.cmd.Stderr = &c.log
		in, start, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		c.cmd.Stdin, c.start = in, start
		out, err := c.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		c.out = bufio.NewScanner(out)
		if err := c.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = in.Close()
		children[actor] = c
	}
	for actor, c := range children {
		if !c.out.Scan() || c.out.Text() != "ready" {
			t.Errorf("%s did not start: %q %s", actor, c.out.Text(), &c.log)
		}
	}
	for _, c := range children {
		_, _ = c.start.WriteString("go\n")
		_ = c.start.Close()
	}
	won := map[string][]int{}
	for actor, c := range children {
		for c.out.Scan() {
			var n int
			if _, err := fmt.Sscanf(c.out.Text(), "won %d", &n); err != nil {
				t.Errorf("%s says %q", actor, c.out.Text())
			}
			won[actor] = append(won[actor], n)
		}
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("%s: %v: %s", actor, err, &c.log)
		}
	}
	checkRace(t, r, won)
}

// TestRaceToPut shows that a digest gets one number, whoever puts it, and that numbers have no gaps.
func TestRaceToPut(t *testing.T) {
	dir := t.TempDir()
	refs, mu, wg := map[string]Ref{}, sync.Mutex{}, sync.WaitGroup{}
	for range 6 {
		r, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := range 6 {
				ref, err := r.Put(ctx, "default", version(fmt.Sprint("version ", i)))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if other, ok := refs[ref.Digest]; ok && other != ref {
					t.Errorf("%s has two numbers: %v and %v", ref.Digest, other, ref)
				}
				refs[ref.Digest] = ref
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := r.Versions("default"); err != nil || len(all) != 6 {
		t.Errorf("versions: %v, %v", all, err)
	}
}
