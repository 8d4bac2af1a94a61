package localstore

import (
	"context"
	"fmt"

	"nightshift/replaystore"
)

const (
	snapshotEvery = 1024    // memory records between snapshots
	snapshotBytes = 4 << 20 // of one snapshot record
)

// Rehearsal implements replaystore.Store.
func (s *Store) Rehearsal(_ context.Context, name string) (replaystore.Rehearsal, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return replaystore.Rehearsal{}, replaystore.ErrClosed
	}
	if t := s.tracks[name]; t != nil {
		return t.memory.Rehearsal(name), nil
	}
	return replaystore.Rehearsal{Track: name}, nil
}

// Admit implements replaystore.Store.
func (s *Store) Admit(ctx context.Context, name string, items ...replaystore.MemoryItem) error {
	if err := replaystore.ValidTrack(name); err != nil {
		return fmt.Errorf("admit to rehearsal memory: %w", err)
	}
	records, err := replaystore.AdmitRecords(name, items, s.cfg.Now())
	if err != nil {
		return fmt.Errorf("admit to rehearsal memory of %s: %w", name, err)
	}
	if err := s.admit(name, records); err != nil {
		return fmt.Errorf("admit to rehearsal memory of %s: %w", name, err)
	}
	return s.journal.Sync(ctx)
}

func (s *Store) admit(name string, records []replaystore.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return replaystore.ErrClosed
	}
	memory := s.track(name).memory
	var fresh []replaystore.MemoryItem
	var payloads [][]byte
	for _, r := range records {
		if memory.Knows(*r.Admit) || s.erasures.Cover(r.Admit.Subject, r.Admit.Time) {
			continue
		}
		payload, err := r.Encode()
		if err != nil {
			return err
		}
		fresh, payloads = append(fresh, *r.Admit), append(payloads, payload)
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := memory.Check(fresh...); err != nil {
		return err
	}
	if _, err := s.journal.Write(payloads...); err != nil {
		return err
	}
	for _, item := range fresh {
		if err := memory.Admit(s.keyed(item)); err != nil {
			return err
		}
	}
	return s.count(len(fresh))
}

// keyed gives an item its sampling key.
func (s *Store) keyed(item replaystore.MemoryItem) replaystore.Keyed {
	return replaystore.Keyed{Key: replaystore.SampleKey(replaystore.Uniform(s.secret, item.ID), item.Weight), Item: item}
}

// count writes a snapshot when many memory records have gone by. Called with mu.
func (s *Store) count(n int) error {
	if s.admitted += n; s.admitted < snapshotEvery {
		return nil
	}
	_, err := s.snapshot()
	return err
}

// snapshot writes the rehearsal memory of every track into the journal and returns the number of the first record, past
// which no older memory record is needed. Called with mu.
func (s *Store) snapshot() (uint64, error) {
	first := s.journal.Stats().Last + 1
	for name, t := range s.tracks {
		for _, part := range t.memory.State(name).Split(snapshotBytes) {
			payload, err := replaystore.Record{Time: s.cfg.Now(), Track: name, Snapshot: &part}.Encode()
			if err != nil {
				return 0, err
			}
			if _, err := s.journal.Write(payload); err != nil {
				return 0, err
			}
		}
	}
	s.admitted = 0
	return first, nil
}

// Retire implements replaystore.Store.
func (s *Store) Retire(ctx context.Context, name string, ids ...string) error {
	if err := replaystore.ValidTrack(name); err != nil {
		return fmt.Errorf("retire from rehearsal memory: %w", err)
	}
	if len(ids) == 0 {
		return nil
	}
	if err := s.retire(name, ids); err != nil {
		return fmt.Errorf("retire from rehearsal memory of %s: %w", name, err)
	}
	return s.journal.Sync(ctx)
}

func (s *Store) retire(name string, ids []string) error {
	payload, err := replaystore.Record{Time: s.cfg.Now(), Track: name, Retire: ids}.Encode()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return replaystore.ErrClosed
	}
	if _, err := s.journal.Write(payload); err != nil {
		return err
	}
	for _, id := range ids {
		s.track(name).memory.Retire(id)
	}
	return s.count(1)
}
