package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"nightshift/replaystore"
	"nightshift/update/work"
)

// errStopped ends a night whose child was seen stopped.
var errStopped = errors.New("stopped")

// TestChildIsNicedInAGroupOfItsOwn has a shell as the child report on itself.
func TestChildIsNicedInAGroupOfItsOwn(t *testing.T) {
	s := newShop(t, "model")
	s.config.Nice, s.config.MemoryLimit = 7, 100
	s.deps.Command = []string{"/bin/sh", "-c", `
		set -- $(cat /proc/$$/stat)
		own=0; [ "$5" = "$1" ] && own=1
		echo noise
		echo "{\"stage\":\"train\",\"done\":1,\"total\":1,\"values\":{\"nice\":${19},\"own_group\":$own,\"limited\":$([ "$GOMEMLIMIT" = 100MiB ] && echo 1 || echo 0)}}"
		echo first >&2; echo the reason >&2; exit 3`}
	var got map[string]float64
	err := s.updater().compute(t.Context(), t.TempDir(), func(_ context.Context, p work.Progress) error {
		got = p.Values
		return nil
	})
	if got["nice"] != 7 || got["own_group"] != 1 || got["limited"] != 1 {
		t.Errorf("the child says %v", got)
	}
	if err == nil || !strings.Contains(err.Error(), "the reason (exit status 3)") || strings.Contains(err.Error(), "first") {
		t.Errorf("error %v", err)
	}
}

// TestChildGivesWay has a server say that requests wait until the child, which computes without end, is seen stopped; and then
// ends the night, which ends a stopped child.
func TestChildGivesWay(t *testing.T) {
	s := newShop(t, "model")
	s.config.Governor = Governor{Target: time.Second, Least: 0.01}
	s.deps.Command = []string{"/bin/sh", "-c", `echo "{\"stage\":\"train\",\"done\":1,\"total\":2,\"values\":{\"pid\":$$}}"; while :; do :; done`}
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	err := s.updater().compute(ctx, t.TempDir(), func(_ context.Context, p work.Progress) error {
		for {
			s.ask(replaystore.LoadSignal{Server: "a", Active: 1, Queued: 1})
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%.0f/stat", p.Values["pid"]))
			if err != nil {
				return err
			}
			if strings.Fields(string(stat))[2] == "T" {
				end(errStopped)
				return nil
			}
		}
	})
	if !errors.Is(context.Cause(ctx), errStopped) || !errors.Is(err, context.Canceled) {
		t.Errorf("the night ended with %v, because of %v", err, context.Cause(ctx))
	}
}
