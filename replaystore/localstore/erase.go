package localstore

import (
	"context"
	"fmt"
	"slices"

	"nightshift/replaystore"
)

// Erase implements replaystore.Store. The order makes it safe to stop anywhere: the erasure is durable before anything
// is removed, and it is written a second time when all is; Open finishes one that was written once.
func (s *Store) Erase(ctx context.Context, subject string) (replaystore.EraseReport, error) {
	if err := replaystore.ValidSubject(subject); err != nil {
		return replaystore.EraseReport{}, fmt.Errorf("forget: %w", err)
	}
	s.erasing.Lock()
	defer s.erasing.Unlock()
	e := replaystore.Erasure{ID: replaystore.NewID(), Subject: subject, Time: s.cfg.Now()}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.erasures.Add(e) // from here on nothing late gets in
	}
	s.mu.Unlock()
	if closed {
		return replaystore.EraseReport{}, replaystore.ErrClosed
	}
	report, err := s.erase(ctx, e, false)
	if err != nil {
		return report, fmt.Errorf("forget a subject: %w", err)
	}
	return report, nil
}

// erase removes what belongs to an erasure from memory and disk. recorded says that the erasure is in the journal.
func (s *Store) erase(ctx context.Context, e replaystore.Erasure, recorded bool) (replaystore.EraseReport, error) {
	x := replaystore.NewEraser(e)
	if err := s.journal.Sync(ctx); err != nil {
		return x.Report(), err
	}
	note := func(_ uint64, r replaystore.Record) error {
		if r.Event != nil {
			x.Note(*r.Event)
		}
		return nil
	}
	count := func(_ uint64, r replaystore.Record) error {
		if r.Event != nil && x.Event(*r.Event) {
			x.Count(*r.Event)
		}
		return nil
	}
	for _, pass := range []func(uint64, replaystore.Record) error{note, count} {
		if err := s.each(ctx, pass); err != nil {
			return x.Report(), err
		}
	}
	first, err := s.recordErasure(x, recorded)
	if err != nil {
		return x.Report(), err
	}
	if err := s.journal.Sync(ctx); err != nil {
		return x.Report(), err
	}
	if err := s.rewrite(ctx, x, first); err != nil {
		return x.Report(), err
	}
	return x.Report(), s.finish(ctx, x)
}

// recordErasure takes the items out of the memory and writes the erasure and the memory as it is now.
func (s *Store) recordErasure(x *replaystore.Eraser, recorded bool) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.tracks {
		x.CountItems(name, t.memory.Remove(x.Item))
	}
	if !recorded {
		e := x.Report().Erasure
		if err := s.writeErasure(e, true); err != nil {
			return 0, err
		}
	}
	return s.snapshot()
}

// writeErasure writes an erasure into the journal and, the first time, into the tracks it touched. Called with mu.
func (s *Store) writeErasure(e replaystore.Erasure, add bool) error {
	payload, err := replaystore.Record{Time: s.cfg.Now(), Event: &replaystore.Event{Erasure: &e}}.Encode()
	if err != nil {
		return err
	}
	seq, err := s.journal.Write(payload)
	if err != nil || !add {
		return err
	}
	for _, name := range e.Tracks {
		t := s.track(name)
		t.events = append(t.events, seq)
	}
	return nil
}

// rewrite removes the records from the journal, and with them every memory record that the snapshot made superfluous.
func (s *Store) rewrite(ctx context.Context, x *replaystore.Eraser, first uint64) error {
	gone := make(map[uint64]bool)
	_, err := s.journal.Rewrite(ctx, func(seq uint64, payload []byte) bool {
		r, err := replaystore.DecodeRecord(payload)
		if err != nil {
			return false // not ours to judge; load reports it
		}
		if r.Event == nil {
			return seq < first
		}
		if x.Event(*r.Event) {
			gone[seq] = true
		}
		return gone[seq]
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(gone) > 0 {
		s.index.Sweep(func(seq uint64) bool { return gone[seq] })
		for _, t := range s.tracks {
			t.events = slices.DeleteFunc(t.events, func(seq uint64) bool { return gone[seq] })
		}
		s.events -= int64(len(gone))
	}
	return err
}

// finish notes in the journal that nothing is left to do.
func (s *Store) finish(ctx context.Context, x *replaystore.Eraser) error {
	s.mu.Lock()
	err := s.writeErasure(x.Report().Erasure, false)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.journal.Sync(ctx)
}

// each calls visit for every durable record.
func (s *Store) each(ctx context.Context, visit func(uint64, replaystore.Record) error) error {
	after := uint64(0)
	for {
		records, err := s.journal.Scan(after, 1024, 8<<20)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return nil
		}
		for _, rec := range records {
			after = rec.Seq
			r, err := replaystore.DecodeRecord(rec.Payload)
			if err != nil {
				return fmt.Errorf("record %d: %w", rec.Seq, err)
			}
			if err := visit(rec.Seq, r); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// load rebuilds the index and the memory from the journal.
func (s *Store) load() error {
	ctx := context.Background()
	open := make(map[string]replaystore.Erasure)
	err := s.each(ctx, func(seq uint64, r replaystore.Record) error {
		switch {
		case r.Event != nil && r.Event.Erasure != nil:
			e := *r.Event.Erasure
			if !s.erasures.Add(e) {
				delete(open, e.ID)
				return nil
			}
			open[e.ID] = e
			for _, name := range e.Tracks {
				t := s.track(name)
				t.events = append(t.events, seq)
			}
			return nil
		case r.Event != nil:
			if _, ok := s.index.Find(indexKey(r.Event.Track(), r.Event.Key())); !ok {
				s.add(seq, *r.Event)
			}
			return nil
		}
		return s.loadMemory(r)
	})
	if err != nil {
		return err
	}
	for _, e := range open {
		if _, err := s.erase(ctx, e, true); err != nil {
			return fmt.Errorf("finish erasure %s: %w", e.ID, err)
		}
	}
	return nil
}

func (s *Store) loadMemory(r replaystore.Record) error {
	memory := s.track(r.Track).memory
	var err error
	switch {
	case r.Admit != nil:
		s.admitted++
		err = memory.Admit(s.keyed(*r.Admit))
	case r.Snapshot != nil:
		s.admitted = 0
		err = memory.MergeState(*r.Snapshot)
	default:
		for _, id := range r.Retire {
			memory.Retire(id)
		}
	}
	if err != nil { // smaller limits than before: what does not fit stays out
		s.cfg.Log.Warn("memory item stays out", "track", r.Track, "error", err)
	}
	return nil
}
