package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/update/work"
)

// local is a runner beside a store of its own.
func local(t *testing.T, cfg Config) *Local {
	t.Helper()
	store, err := localstore.Open(localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.Deadline = time.Hour
	return New(cfg, Deps{Control: store.Control(), Log: slog.New(slog.DiscardHandler), Now: time.Now})
}

// errStopped ends a night whose child was seen stopped.
var errStopped = errors.New("stopped")

// TestChildIsNicedInAGroupOfItsOwn has a shell as the child report on itself.
func TestChildIsNicedInAGroupOfItsOwn(t *testing.T) {
	l := local(t, Config{Nice: 7, MemoryLimit: 100, Command: []string{"/bin/sh", "-c", `
		set -- $(cat /proc/$$/stat)
		own=0; [ "$5" = "$1" ] && own=1
		echo noise
		echo "{\"stage\":\"train\",\"done\":1,\"total\":1,\"values\":{\"nice\":${19},\"own_group\":$own,\"limited\":$([ "$GOMEMLIMIT" = 100MiB ] && echo 1 || echo 0)}}"
		echo first >&2; echo the reason >&2; exit 3`}})
	var got map[string]float64
	err := l.Run(t.Context(), t.TempDir(), func(_ context.Context, p work.ProgressLine) error {
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
	l := local(t, Config{Governor: Governor{Target: time.Second, MinShare: 0.01},
		Command: []string{"/bin/sh", "-c", `echo "{\"stage\":\"train\",\"done\":1,\"total\":2,\"values\":{\"pid\":$$}}"; while :; do :; done`}})
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	err := l.Run(ctx, t.TempDir(), func(_ context.Context, p work.ProgressLine) error {
		for {
			if _, err := replaystore.Send(ctx, l.deps.Control, replaystore.LoadSignal{Server: "a", Active: 1, Queued: 1}); err != nil {
				return err
			}
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
