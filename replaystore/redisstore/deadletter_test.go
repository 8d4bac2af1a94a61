package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore/replaytest"
)

// answer is an error that Redis answers with.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

// refusing is a hook of the client: what carries the mark is not sent but answered with an error, as Redis does with what
// it cannot take.
type refusing struct {
	mark string
	with func() error
}

func (r refusing) refuses(cmd redis.Cmder) bool {
	for _, arg := range cmd.Args() {
		if b, ok := arg.([]byte); ok && bytes.Contains(b, []byte(r.mark)) {
			return true
		}
	}
	return false
}

func (refusing) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r refusing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if r.refuses(cmd) {
			cmd.SetErr(r.with())
			return r.with()
		}
		return next(ctx, cmd)
	}
}

func (r refusing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var first error
		rest := slices.DeleteFunc(slices.Clone(cmds), func(cmd redis.Cmder) bool {
			if !r.refuses(cmd) {
				return false
			}
			cmd.SetErr(r.with())
			first = r.with()
			return true
		})
		if len(rest) > 0 {
			if err := next(ctx, rest); err != nil {
				return err
			}
		}
		return first
	}
}

func TestDeadLetters(t *testing.T) {
	server := replaytest.StartRedis(t)
	cfg := config(server.Addr, "n", t.TempDir())
	s := openConfig(t, cfg)
	var said atomic.Value // the shipper asks at any time
	said.Store("READONLY You can't write against a read only replica.")
	s.client.(*redis.Client).AddHook(refusing{"POISON", func() error { return answer(said.Load().(string)) }})
	for n := range 9 {
		e := replaytest.Interaction("default", n)
		if n == 4 {
			e.Interaction.Answer = "POISON"
		}
		must(t, s.Append(t.Context(), e))
	}
	item := replaytest.Item(7, "a")
	item.Completion = "POISON"
	must(t, s.Admit(t.Context(), "default", item))
	file := filepath.Join(cfg.Dir, DeadLetterFile)
	for _, condition := range []string{"READONLY You can't write", "OOM command not allowed when used memory > 'maxmemory'.", "MISCONF Redis is configured to save RDB snapshots",
		"CLUSTERDOWN The cluster is down", "ERR Error running script: @user_script:7: -MISCONF cannot save", "LOADING Redis is loading the dataset in memory"} {
		said.Store(condition)
		if err := s.Sync(t.Context()); err == nil {
			t.Errorf("synced, though Redis says %s", condition)
		}
		if _, err := os.Stat(file); err == nil {
			t.Fatalf("a record was given up because Redis says %s", condition)
		}
	}
	const refusal = "ERR string exceeds maximum allowed size"
	said.Store(refusal)
	must(t, s.Sync(t.Context()))
	got := replaytest.ScanAll(t, s, "default", 100)
	want := []string{"i:int-0000", "i:int-0001", "i:int-0002", "i:int-0003", "i:int-0005", "i:int-0006", "i:int-0007", "i:int-0008"}
	if !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("in Redis: %v", got)
	}
	if st, err := s.Stats(t.Context()); err != nil || st.DeadLetters != 2 || st.Pending != 0 || st.Degraded != "" {
		t.Errorf("stats %+v %v", st, err)
	}
	data, err := os.ReadFile(file)
	must(t, err)
	if n := strings.Count(string(data), "POISON"); n != 2 || !strings.Contains(string(data), "int-0004") || !strings.Contains(string(data), refusal) {
		t.Errorf("dead letters: %s", data)
	}
	must(t, client(t, server.Addr).FlushAll(t.Context()).Err()) // everything is sent again, but for those
	if got := replaytest.ScanAll(t, s, "default", 100); len(got) != len(want) {
		t.Errorf("after a flush: %v", got)
	}
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(cfg.Dir, ".tmp-"+DeadLetterFile+"-X"), data, 0o600)) // as of an erasure that a crash ended
	s = openConfig(t, cfg)                                                                  // now Redis would take it; it was given up for good
	must(t, s.Sync(t.Context()))
	if st, err := s.Stats(t.Context()); err != nil || st.DeadLetters != 2 {
		t.Errorf("stats after a restart %+v %v", st, err)
	}
	_, err = s.Forget(t.Context(), fmt.Sprintf("subject-%d", 4%3))
	must(t, err)
	replaytest.AssertGone(t, cfg.Dir, "POISON")
}

func TestDeadLetterThatCannotBeRead(t *testing.T) {
	s := openConfig(t, config(replaytest.StartRedis(t).Addr, "n", t.TempDir()))
	_, err := s.journal.Append(t.Context(), []byte(`{"v":99,"note":"from the future"}`))
	must(t, err)
	must(t, s.Append(t.Context(), replaytest.Interaction("default", 1)))
	if got := replaytest.ScanAll(t, s, "default", 10); !slices.Equal(got, []string{"i:int-0001"}) {
		t.Errorf("got %v", got)
	}
	if st, err := s.Stats(t.Context()); err != nil || st.DeadLetters != 1 {
		t.Errorf("stats %+v %v", st, err)
	}
	if data, err := os.ReadFile(s.dead.path); err != nil || !strings.Contains(string(data), "from the future") {
		t.Errorf("%s %v", data, err)
	}
}
