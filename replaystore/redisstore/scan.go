package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
)

// Interaction implements replaystore.Store: the local journal first, then Redis.
func (s *Store) Interaction(ctx context.Context, track, id string) (replaystore.Interaction, bool, error) {
	key := replaystore.InteractionKey(id)
	s.mu.RLock()
	closed := s.closed
	seq, ok := s.index.Find(indexKey(track, key))
	var r replaystore.Record
	err := error(nil)
	if ok {
		r, err = s.record(seq)
	}
	s.mu.RUnlock()
	switch {
	case closed:
		return replaystore.Interaction{}, false, replaystore.ErrClosed
	case ok && err == nil:
		return *r.Event.Interaction, true, nil
	}
	text, err := s.client.HGet(ctx, s.keys.events(track, s.keys.of(id)), key).Result()
	if errors.Is(err, redis.Nil) || err == nil && text == "" {
		return replaystore.Interaction{}, false, nil
	}
	if err != nil {
		return replaystore.Interaction{}, false, fmt.Errorf("read interaction %s: %w", id, err)
	}
	e, err := replaystore.DecodeEvent([]byte(text))
	if err != nil || e.Interaction == nil {
		return replaystore.Interaction{}, false, fmt.Errorf("read interaction %s: %w", id, errors.Join(err, errNotInteraction))
	}
	return *e.Interaction, true, nil
}

var errNotInteraction = errors.New("what is stored under its id is no interaction")

// Tracks implements replaystore.Store.
func (s *Store) Tracks(ctx context.Context) ([]string, error) {
	if s.isClosed() {
		return nil, replaystore.ErrClosed
	}
	names, err := s.client.SMembers(ctx, s.keys.control("tracks")).Result()
	if err != nil {
		return nil, fmt.Errorf("list tracks: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// Scan implements replaystore.Store. Shards are read one after the other, so with several the order across shards is
// not that of time. A cursor is the last stream id of each shard, joined by commas. When that entry is no longer in the
// stream, the server lost data after it was read, and what is sent again may lie before it: reading goes back by the
// re-send window.
func (s *Store) Scan(ctx context.Context, track string, after replaystore.Cursor, limit int) ([]replaystore.Event, replaystore.Cursor, error) {
	if s.isClosed() {
		return nil, after, replaystore.ErrClosed
	}
	places := make([]string, s.keys.shards)
	if after != "" {
		places = strings.Split(string(after), ",")
		if len(places) != s.keys.shards || slices.ContainsFunc(places, func(p string) bool { return p != "" && !validPlace(p) }) {
			return nil, after, fmt.Errorf("scan track %s: cursor %q is not one of this store", track, after)
		}
	}
	if err := replaystore.ValidTrack(track); err != nil {
		return nil, after, fmt.Errorf("scan: %w", err)
	}
	var out []replaystore.Event
	for shard := range places {
		for len(out) < limit {
			events, next, more, err := s.scanShard(ctx, track, shard, places[shard], limit-len(out))
			if err != nil {
				return nil, after, fmt.Errorf("scan track %s: %w", track, err)
			}
			out = append(out, events...)
			places[shard] = next
			if !more {
				break
			}
		}
	}
	next := replaystore.Cursor(strings.Join(places, ","))
	if strings.Trim(string(next), ",") == "" {
		next = after
	}
	return out, next, nil
}

func validPlace(p string) bool {
	ms, n, ok := strings.Cut(p, "-")
	_, err1 := strconv.ParseUint(ms, 10, 64)
	_, err2 := strconv.ParseUint(n, 10, 64)
	return ok && err1 == nil && err2 == nil
}

// scanShard reads events after a place; more says that the stream goes on.
func (s *Store) scanShard(ctx context.Context, track string, shard int, place string, limit int) ([]replaystore.Event, string, bool, error) {
	stream := s.keys.stream(track, shard)
	from := "-"
	if place != "" {
		from = place
	}
	entries, err := s.client.XRangeN(ctx, stream, from, "+", int64(limit)+1).Result()
	if err != nil {
		return nil, place, false, err
	}
	if place != "" {
		if len(entries) > 0 && entries[0].ID == place {
			entries = entries[1:]
		} else if entries, err = s.client.XRangeN(ctx, stream, s.back(place), "+", int64(limit)).Result(); err != nil {
			return nil, place, false, err
		}
	}
	entries = entries[:min(len(entries), limit)]
	if len(entries) == 0 {
		return nil, place, false, nil
	}
	keys := make([]string, len(entries))
	for n, e := range entries {
		keys[n], _ = e.Values["k"].(string)
	}
	values, err := s.client.HMGet(ctx, s.keys.events(track, shard), keys...).Result()
	if err != nil {
		return nil, place, false, err
	}
	var out []replaystore.Event
	for n, v := range values {
		text, _ := v.(string)
		if text == "" { // erased
			continue
		}
		e, err := replaystore.DecodeEvent([]byte(text))
		if err != nil {
			s.log.Error("stepping over an event that cannot be read", "track", track, "key", keys[n], "error", err)
			continue
		}
		out = append(out, e)
	}
	return out, entries[len(entries)-1].ID, len(entries) == limit, nil
}

// back is a stream id by the re-send window before a place.
func (s *Store) back(place string) string {
	ms, _, _ := strings.Cut(place, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return "-"
	}
	return strconv.FormatInt(max(n-s.cfg.Resend.Milliseconds(), 0), 10)
}
