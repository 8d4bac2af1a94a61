package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nightshift/replaystore"
)

// trimStep is how many events one round trip drops.
const trimStep = 500

// Trim implements replaystore.Trimmer. The payloads go first: an entry without one is skipped by readers, and dropped by
// the next call. The entry at the cursor itself stays, for readers go on from it.
func (s *Store) Trim(ctx context.Context, track string, through replaystore.Cursor, keep int64) (int64, error) {
	if s.isClosed() {
		return 0, replaystore.ErrClosed
	}
	if through == "" {
		return 0, nil
	}
	places := strings.Split(string(through), ",")
	if len(places) != s.keys.shards || slices.ContainsFunc(places, func(p string) bool { return p != "" && !validPlace(p) }) {
		return 0, fmt.Errorf("trim track %s: cursor %q is not one of this store", track, through)
	}
	dropped := int64(0)
	for shard, place := range places {
		n, err := s.trimShard(ctx, track, shard, place, max(keep/int64(len(places)), 1))
		dropped += n
		if err != nil {
			return dropped, fmt.Errorf("trim track %s: %w", track, err)
		}
	}
	return dropped, nil
}

func (s *Store) trimShard(ctx context.Context, track string, shard int, place string, keep int64) (dropped int64, err error) {
	if place == "" {
		return 0, nil
	}
	stream := s.keys.stream(track, shard)
	length, err := s.client.XLen(ctx, stream).Result()
	if err != nil {
		return 0, err
	}
	for left := length - keep; left > 0; {
		entries, err := s.client.XRangeN(ctx, stream, "-", "("+place, min(left, trimStep)).Result()
		if err != nil || len(entries) == 0 {
			return dropped, err
		}
		ids, keys := make([]string, len(entries)), make([]string, len(entries))
		for n, e := range entries {
			ids[n] = e.ID
			keys[n], _ = e.Values["k"].(string)
		}
		pipe := s.client.Pipeline()
		pipe.HDel(ctx, s.keys.events(track, shard), keys...)
		pipe.XDel(ctx, stream, ids...)
		if _, err := pipe.Exec(ctx); err != nil {
			return dropped, err
		}
		dropped += int64(len(ids))
		left -= int64(len(ids))
	}
	return dropped, nil
}
