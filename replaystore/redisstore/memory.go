package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
)

// Admit implements replaystore.Store: like an event an item is durable in the journal first, and shipped.
func (s *Store) Admit(ctx context.Context, track string, items ...replaystore.MemoryItem) error {
	if err := replaystore.ValidTrack(track); err != nil {
		return fmt.Errorf("admit to rehearsal memory: %w", err)
	}
	records, err := replaystore.AdmitRecords(track, items, s.cfg.Now())
	if err != nil {
		return fmt.Errorf("admit to rehearsal memory of %s: %w", track, err)
	}
	if err := s.checkStrata(ctx, track, records); err != nil {
		return fmt.Errorf("admit to rehearsal memory of %s: %w", track, err)
	}
	if err := s.appendRecords(ctx, records); err != nil {
		return fmt.Errorf("admit to rehearsal memory of %s: %w", track, err)
	}
	return nil
}

// checkStrata refuses a stratum too many while the caller can still be told, once what was admitted before is in Redis. When
// that is down, or far behind, the script decides.
func (s *Store) checkStrata(ctx context.Context, track string, records []replaystore.Record) error {
	soon, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	_ = s.Sync(soon) // a failure is seen below, or does not matter
	m := replaystore.NewMemory(s.cfg.limits(track))
	state := replaystore.MemoryState{}
	var items []replaystore.MemoryItem
	generation, strata, err := s.strata(ctx, track)
	if err == nil {
		state.Generation = generation
		for _, name := range strata {
			one := replaystore.Keyed{Item: replaystore.MemoryItem{Stratum: name}}
			one.Item.ID, one.Item.Generation = "stratum:"+name, generation
			state.Strata = append(state.Strata, replaystore.Stratum{Name: name, Items: []replaystore.Keyed{one}})
		}
	}
	if err := m.MergeState(state); err != nil {
		return err
	}
	for _, r := range records {
		items = append(items, *r.Admit)
	}
	return m.Check(items...)
}

func (s *Store) appendRecords(ctx context.Context, records []replaystore.Record) error {
	if s.isClosed() {
		return replaystore.ErrClosed
	}
	var payloads [][]byte
	for _, r := range records {
		payload, err := r.Encode()
		if err != nil {
			return err
		}
		payloads = append(payloads, payload)
	}
	if len(payloads) == 0 {
		return nil
	}
	_, err := s.journal.Append(ctx, payloads...)
	return err
}

// Retire implements replaystore.Store.
func (s *Store) Retire(ctx context.Context, track string, ids ...string) error {
	if err := replaystore.ValidTrack(track); err != nil {
		return fmt.Errorf("retire from rehearsal memory: %w", err)
	}
	if len(ids) == 0 {
		return nil
	}
	if err := s.appendRecords(ctx, []replaystore.Record{{Time: s.cfg.Now(), Track: track, Retire: ids}}); err != nil {
		return fmt.Errorf("retire from rehearsal memory of %s: %w", track, err)
	}
	return nil
}

// strata returns the generation of a track's sample and the names of its strata, sorted.
func (s *Store) strata(ctx context.Context, track string) (int64, []string, error) {
	generation, err := s.client.Get(ctx, s.keys.memory(track, "generation")).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, nil, err
	}
	names, err := s.client.SMembers(ctx, s.keys.generation(track, generation, "strata")).Result()
	slices.Sort(names)
	return generation, names, err
}

// Rehearsal implements replaystore.Store. It ships what this process has pending first.
func (s *Store) Rehearsal(ctx context.Context, track string) (replaystore.Rehearsal, error) {
	if err := s.Sync(ctx); err != nil {
		return replaystore.Rehearsal{}, fmt.Errorf("read rehearsal memory of %s: %w", track, err)
	}
	r, err := s.rehearsal(ctx, track)
	if err != nil {
		return r, fmt.Errorf("read rehearsal memory of %s: %w", track, err)
	}
	return r, nil
}

func (s *Store) rehearsal(ctx context.Context, track string) (replaystore.Rehearsal, error) {
	r := replaystore.Rehearsal{Track: track}
	recent, err := s.items(ctx, s.keys.memory(track, "recent"), s.keys.memory(track, "recent:items"))
	if err != nil {
		return r, err
	}
	for _, k := range recent {
		r.Recent = append(r.Recent, k.Item)
	}
	generation, names, err := s.strata(ctx, track)
	if err != nil {
		return r, err
	}
	r.Generation = generation
	for _, name := range names {
		items, err := s.items(ctx, s.keys.sample(track, generation, name), s.keys.generation(track, generation, "items"))
		if err != nil {
			return r, err
		}
		if len(items) > 0 {
			r.Strata = append(r.Strata, replaystore.Stratum{Name: name, Items: items})
		}
	}
	return r, nil
}

// items reads the members of a sorted set and their items.
func (s *Store) items(ctx context.Context, set, hash string) ([]replaystore.Keyed, error) {
	members, err := s.client.ZRangeWithScores(ctx, set, 0, -1).Result()
	if err != nil {
		return nil, err
	}
	var out []replaystore.Keyed
	for part := range slices.Chunk(members, 64) {
		ids := make([]string, len(part))
		for n, m := range part {
			ids[n], _ = m.Member.(string)
		}
		values, err := s.client.HMGet(ctx, hash, ids...).Result()
		if err != nil {
			return nil, err
		}
		for n, v := range values {
			text, ok := v.(string)
			if !ok { // evicted between the two reads
				continue
			}
			k := replaystore.Keyed{Key: part[n].Score}
			if err := json.Unmarshal([]byte(text), &k.Item); err != nil {
				return nil, fmt.Errorf("decode memory item %s: %w", ids[n], err)
			}
			out = append(out, k)
		}
	}
	return out, nil
}

// retireItems takes items out of the memory in Redis. The ids are barred first, so that none comes back in between.
func (s *Store) retireItems(ctx context.Context, track string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	members := make([]any, len(ids))
	for n, id := range ids {
		members[n] = id
	}
	if err := s.client.SAdd(ctx, s.keys.memory(track, "retired"), members...).Err(); err != nil {
		return err
	}
	generation, strata, err := s.strata(ctx, track)
	if err != nil {
		return err
	}
	pipe := s.client.Pipeline()
	pipe.ZRem(ctx, s.keys.memory(track, "recent"), members...)
	pipe.HDel(ctx, s.keys.memory(track, "recent:items"), ids...)
	for _, name := range strata {
		pipe.ZRem(ctx, s.keys.sample(track, generation, name), members...)
	}
	pipe.HDel(ctx, s.keys.generation(track, generation, "items"), ids...)
	_, err = pipe.Exec(ctx)
	return err
}

// removeGeneration deletes the sample of a generation that has ended.
func (s *Store) removeGeneration(ctx context.Context, track string, generation int64) error {
	names, err := s.client.SMembers(ctx, s.keys.generation(track, generation, "strata")).Result()
	if err != nil {
		return err
	}
	pipe := s.client.Pipeline()
	for _, name := range names {
		pipe.Del(ctx, s.keys.sample(track, generation, name))
	}
	pipe.Del(ctx, s.keys.generation(track, generation, "items"))
	pipe.Del(ctx, s.keys.generation(track, generation, "strata"))
	_, err = pipe.Exec(ctx)
	return err
}
