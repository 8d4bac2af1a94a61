package update

import (
	"context"
	"strings"
	"testing"

	"nightshift/update/work"
)

// TestChildIsNicedInAGroupOfItsOwn has a shell as the child report on itself.
func TestChildIsNicedInAGroupOfItsOwn(t *testing.T) {
	s := newShop(t, "model")
	s.config.Nice, s.config.MemoryLimit = 7, "100MiB"
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
