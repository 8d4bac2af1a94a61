package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
)

// Erase implements replaystore.Store. The erasure is durable in the journal before anything is removed; the shipper
// carries it out in Redis, and every other process in its own journal. When Redis is down the local bytes are removed,
// an error says that the rest is still to come, and the shipper sees to it.
func (s *Store) Erase(ctx context.Context, subject string) (replaystore.EraseReport, error) {
	if err := replaystore.ValidSubject(subject); err != nil {
		return replaystore.EraseReport{}, fmt.Errorf("forget: %w", err)
	}
	e := replaystore.Erasure{ID: replaystore.NewID(), Subject: subject, Time: s.cfg.Now()}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.erasures.Add(e)
		s.open[e.ID] = e
		s.reports[e.ID] = replaystore.EraseReport{}
	}
	s.mu.Unlock()
	if closed {
		return replaystore.EraseReport{}, replaystore.ErrClosed
	}
	defer func() {
		s.mu.Lock()
		delete(s.reports, e.ID)
		s.mu.Unlock()
	}()
	if err := s.appendRecords(ctx, []replaystore.Record{{Time: s.cfg.Now(), Event: &replaystore.Event{Erasure: &e}}}); err != nil {
		return replaystore.EraseReport{}, fmt.Errorf("forget a subject: %w", err)
	}
	if err := s.Sync(ctx); err != nil {
		x := replaystore.NewEraser(e)
		local := s.rewrite(context.WithoutCancel(ctx), x)
		return x.Report(), fmt.Errorf("forget a subject: the erasure is recorded and will be finished when Redis is back: %w", errors.Join(err, local))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reports[e.ID], nil
}

// shipErasure carries an erasure out in Redis, unless that was done, and then in the local journal.
func (p *shipper) shipErasure(ctx context.Context, e replaystore.Erasure) error {
	p.mu.RLock()
	if full, ok := p.finished[e.ID]; ok {
		e = full // with everything that was deleted
	}
	p.mu.RUnlock()
	text, err := p.client.HGet(ctx, p.keys.control("erased"), e.ID).Result()
	if err == nil {
		err = json.Unmarshal([]byte(text), &e)
	} else if errors.Is(err, redis.Nil) {
		var report replaystore.EraseReport
		if report, err = p.eraseRemote(ctx, e); err == nil {
			e = report.Erasure
			p.mu.Lock()
			if _, wanted := p.reports[e.ID]; wanted {
				p.reports[e.ID] = report
			}
			p.mu.Unlock()
		}
	}
	if err != nil {
		return fmt.Errorf("carry out erasure %s: %w", e.ID, err)
	}
	p.mu.RLock()
	_, unfinished := p.open[e.ID]
	p.mu.RUnlock()
	if !unfinished {
		return nil
	}
	return p.finishErasure(ctx, e, false)
}

// finishErasure removes what an erasure covers from the local journal and notes that: an erasure that stands twice in
// the journal is finished.
func (p *shipper) finishErasure(ctx context.Context, e replaystore.Erasure, first bool) error {
	if err := p.rewrite(ctx, replaystore.NewEraser(e)); err != nil {
		return fmt.Errorf("finish erasure %s: %w", e.ID, err)
	}
	record := replaystore.Record{Time: p.cfg.Now(), Event: &replaystore.Event{Erasure: &e}}
	records := []replaystore.Record{record}
	if first {
		records = append(records, record)
	}
	if err := p.appendRecords(ctx, records); err != nil {
		return fmt.Errorf("finish erasure %s: %w", e.ID, err)
	}
	p.mu.Lock()
	delete(p.open, e.ID)
	p.finished[e.ID] = e
	p.mu.Unlock()
	return nil
}

// resumeErasures finishes what the last run of this process left unfinished.
func (p *shipper) resumeErasures(ctx context.Context) error {
	for len(p.resume) > 0 {
		if err := p.shipErasure(ctx, p.resume[0]); err != nil {
			return err
		}
		p.resume = p.resume[1:]
	}
	return nil
}

// learn carries out in the local journal the erasures that others have made.
func (p *shipper) learn(ctx context.Context) error {
	all, err := p.allErasures(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		p.mu.Lock()
		fresh := p.erasures.Add(e)
		p.mu.Unlock()
		if fresh {
			if err := p.finishErasure(ctx, e, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) allErasures(ctx context.Context) ([]replaystore.Erasure, error) {
	texts, err := s.client.HVals(ctx, s.keys.control("erased")).Result()
	if err != nil {
		return nil, err
	}
	out := make([]replaystore.Erasure, len(texts))
	for n, text := range texts {
		if err := json.Unmarshal([]byte(text), &out[n]); err != nil {
			return nil, fmt.Errorf("decode erasure: %w", err)
		}
	}
	return out, nil
}

// rewrite removes what an eraser matches from the local journal.
func (s *Store) rewrite(ctx context.Context, x *replaystore.Eraser) error {
	err := s.each(func(_ uint64, r replaystore.Record) error {
		if r.Event != nil {
			x.Note(*r.Event)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.dead.erase(x); err != nil {
		return err
	}
	gone := make(map[uint64]bool)
	_, err = s.journal.Rewrite(ctx, func(seq uint64, payload []byte) bool {
		r, err := replaystore.DecodeRecord(payload)
		hit := err == nil && (r.Event != nil && x.Event(*r.Event) || r.Admit != nil && x.Item(r.Admit))
		if hit {
			gone[seq] = true
		}
		return hit
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(gone) > 0 {
		s.index.Sweep(func(seq uint64) bool { return gone[seq] })
		s.events = int64(s.index.Len())
	}
	return err
}

// eraseRemote removes everything of a subject from Redis: first late copies are barred, then payloads are emptied (their
// keys stay, so that a copy sent again is known), then memory items are retired, and last the erasure enters the tracks
// it touched and is told to the others.
func (p *shipper) eraseRemote(ctx context.Context, e replaystore.Erasure) (replaystore.EraseReport, error) {
	x := replaystore.NewEraser(e)
	tracks, err := p.client.SMembers(ctx, p.keys.control("tracks")).Result()
	if err != nil {
		return x.Report(), err
	}
	bar := p.client.Pipeline()
	for _, track := range tracks {
		p.queueErased(ctx, bar, track, e)
	}
	if bar.Len() > 0 {
		if _, err := bar.Exec(ctx); err != nil {
			return x.Report(), err
		}
	}
	for _, pass := range []func(context.Context, string, string, replaystore.Event) error{
		func(_ context.Context, _, _ string, ev replaystore.Event) error { x.Note(ev); return nil },
		func(ctx context.Context, hash, key string, ev replaystore.Event) error {
			if !x.Event(ev) {
				return nil
			}
			x.Count(ev)
			return p.client.HSet(ctx, hash, key, "").Err()
		},
	} {
		for _, track := range tracks {
			for shard := range p.keys.shards {
				if err := p.eachRemote(ctx, p.keys.events(track, shard), pass); err != nil {
					return x.Report(), err
				}
			}
		}
	}
	for _, track := range tracks {
		if err := p.eraseItems(ctx, track, x); err != nil {
			return x.Report(), err
		}
	}
	return x.Report(), p.announce(ctx, x.Report().Erasure)
}

// eachRemote visits every event of a shard. A cursor scan may show an event twice; once emptied it is not shown again.
func (p *shipper) eachRemote(ctx context.Context, hash string, visit func(context.Context, string, string, replaystore.Event) error) error {
	seen := make(map[string]bool)
	for cursor := uint64(0); ; {
		pairs, next, err := p.client.HScan(ctx, hash, cursor, "", 200).Result()
		if err != nil {
			return err
		}
		for n := 0; n+1 < len(pairs); n += 2 {
			if pairs[n+1] == "" || seen[pairs[n]] {
				continue
			}
			ev, err := replaystore.DecodeEvent([]byte(pairs[n+1]))
			if err != nil {
				return fmt.Errorf("%s: %w", pairs[n], err)
			}
			seen[pairs[n]] = true
			if err := visit(ctx, hash, pairs[n], ev); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (p *shipper) eraseItems(ctx context.Context, track string, x *replaystore.Eraser) error {
	r, err := p.rehearsal(ctx, track)
	if err != nil {
		return err
	}
	var ids []string
	for _, item := range r.Items() {
		if x.Item(&item) {
			ids = append(ids, item.ID)
		}
	}
	x.CountItems(track, len(ids))
	return p.retireItems(ctx, track, ids)
}

func (p *shipper) announce(ctx context.Context, e replaystore.Erasure) error {
	pipe := p.client.Pipeline()
	for _, track := range e.Tracks {
		if err := p.queueErasure(ctx, pipe, track, e); err != nil {
			return err
		}
	}
	data, err := replaystore.EncodeJSON(e)
	if err != nil {
		return err
	}
	pipe.HSet(ctx, p.keys.control("erased"), e.ID, data)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	_, err = replaystore.Send(ctx, p.control, replaystore.Erasure{ID: e.ID, Subject: e.Subject, Time: e.Time})
	return err
}
