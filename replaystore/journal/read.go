package journal

import (
	"context"
	"errors"
	"fmt"
	"sort"
)

// Read returns the payload of a record, also of one that is not durable yet.
func (j *Journal) Read(seq uint64) ([]byte, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if n := j.find(seq); n < len(j.segments) {
		s := j.segments[n]
		if i := s.from(seq); i < len(s.deltas) && s.seq(i) == seq {
			return s.read(i)
		}
	}
	return nil, fmt.Errorf("read journal record %d: %w", seq, ErrGone)
}

// find returns the first segment that can hold seq or a later one. Called with mu.
func (j *Journal) find(seq uint64) int {
	return sort.Search(len(j.segments), func(i int) bool { return j.segments[i].last() >= seq })
}

// Scan returns durable records with numbers above after, in order: at most limit, and no more once their payloads
// exceed maxBytes. A record that went bad on disk is logged and stepped over.
func (j *Journal) Scan(after uint64, limit int, maxBytes int) ([]Record, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.closed {
		return nil, ErrClosed
	}
	var out []Record
	total := 0
	for n := j.find(after + 1); n < len(j.segments); n++ {
		s := j.segments[n]
		for i := s.from(after + 1); i < len(s.deltas); i++ {
			if len(out) >= limit || total > maxBytes || s.seq(i) > j.durable {
				return out, nil
			}
			payload, err := s.read(i)
			if errors.Is(err, errCorrupt) {
				j.cfg.Log.Error("journal record went bad; stepping over it", "segment", segmentName(s.number), "seq", s.seq(i))
				continue
			}
			if err != nil {
				return out, err
			}
			total += len(payload)
			out = append(out, Record{Seq: s.seq(i), Payload: payload})
		}
	}
	return out, nil
}

// Durable is the largest sequence number that is durable.
func (j *Journal) Durable() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.durable
}

// Progress returns the largest durable sequence number and a channel that is closed when it has grown, or the journal
// is closed.
func (j *Journal) Progress() (uint64, <-chan struct{}) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.durable, j.changed
}

// Follow returns once there is a durable record above after.
func (j *Journal) Follow(ctx context.Context, after uint64) error {
	for {
		durable, changed := j.Progress()
		if durable > after {
			return nil
		}
		select {
		case <-changed:
			if j.Durable() == durable {
				return ErrClosed
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
