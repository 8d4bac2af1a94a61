package redisstore

import (
	"slices"
	"testing"

	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
)

func TestTrim(t *testing.T) {
	for _, shards := range []int{1, 2} {
		cfg := config(replaytest.RedisAddr(t), prefix(), t.TempDir())
		cfg.Shards = shards
		s := openConfig(t, cfg)
		for n := range 20 {
			must(t, s.Append(t.Context(), replaytest.Interaction("default", n)))
		}
		must(t, s.Append(t.Context(), replaytest.Interaction("other", 30)))
		all := replaytest.ScanAll(t, s, "default", 100)
		read, cursor, err := s.Scan(t.Context(), "default", "", 12)
		must(t, err)
		for _, c := range []struct {
			through replaystore.Cursor
			keep    int64
			dropped bool
		}{{"", 1, false}, {cursor, 20, false}, {cursor, 4, true}, {cursor, 4, false}} {
			if n, err := s.Trim(t.Context(), "default", c.through, c.keep); err != nil || (n > 0) != c.dropped {
				t.Errorf("%d shards: trim through %q to %d: dropped %d, %v", shards, c.through, c.keep, n, err)
			}
		}
		left := replaytest.ScanAll(t, s, "default", 100)
		if len(left) < 4 || len(left) >= len(all)-5 {
			t.Errorf("%d shards: %d of %d are left", shards, len(left), len(all))
		}
		rest, _, err := s.Scan(t.Context(), "default", cursor, 100)
		must(t, err)
		for _, key := range all {
			unread := !slices.ContainsFunc(read, func(e replaystore.Event) bool { return e.Key() == key })
			if unread && (!slices.Contains(left, key) || !slices.ContainsFunc(rest, func(e replaystore.Event) bool { return e.Key() == key })) {
				t.Errorf("%d shards: %s was dropped, and nobody had read it", shards, key)
			}
		}
		if len(rest) != len(all)-len(read) {
			t.Errorf("%d shards: a reader goes on with %d events, want %d", shards, len(rest), len(all)-len(read))
		}
		if n, err := client(t, cfg.Addrs[0]).HLen(t.Context(), s.keys.events("default", 0)).Result(); err != nil || int(n) > len(left) {
			t.Errorf("%d shards: %d payloads for %d events, %v", shards, n, len(left), err)
		}
		if got := replaytest.ScanAll(t, s, "other", 10); len(got) != 1 {
			t.Errorf("another track: %v", got)
		}
		if _, err := s.Trim(t.Context(), "default", "nonsense", 1); err == nil {
			t.Error("a cursor of another store was taken")
		}
		must(t, s.Close())
		if _, err := s.Trim(t.Context(), "default", cursor, 1); err == nil {
			t.Error("a closed store was trimmed")
		}
	}
}
