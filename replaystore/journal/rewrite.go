package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Rewrite removes the records for which drop says true, among those written before the call, and returns how many there
// were. Their bytes are gone from the directory's files when it returns; the others keep their numbers. Each segment is
// replaced in one step, so a crash in between leaves some done and some not: call it again. Appends go on meanwhile.
func (j *Journal) Rewrite(ctx context.Context, drop func(seq uint64, payload []byte) bool) (int, error) {
	j.rewriting.Lock()
	defer j.rewriting.Unlock()
	old, err := j.closeActive()
	if err != nil {
		return 0, fmt.Errorf("rewrite journal: %w", err)
	}
	removed := 0
	for _, s := range old {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		n, err := j.rewriteSegment(s, drop)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("rewrite %s: %w", segmentName(s.number), err)
		}
	}
	if err := j.cfg.FS.Sync(); err != nil {
		return removed, fmt.Errorf("rewrite journal: sync directory: %w", err)
	}
	return removed, nil
}

// closeActive starts a new segment and returns the ones before it.
func (j *Journal) closeActive() ([]*segment, error) {
	if err := j.flush(); err != nil {
		return nil, err
	}
	j.flushing.Lock()
	defer j.flushing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	if err := j.ensureActive(); err != nil {
		return nil, err
	}
	if len(j.active.deltas) > 0 {
		if err := j.rotate(); err != nil {
			return nil, err
		}
	}
	return slices.Clone(j.segments[:len(j.segments)-1]), nil
}

// rewriteSegment replaces one closed segment.
func (j *Journal) rewriteSegment(s *segment, drop func(uint64, []byte) bool) (int, error) {
	next := &segment{number: s.number, base: s.base, size: headerSize}
	buf := encodeHeader(s.number, s.base)
	removed := 0
	for i := range s.deltas {
		payload, err := s.read(i)
		if err != nil && !errors.Is(err, errCorrupt) {
			return 0, err
		}
		if err != nil || drop(s.seq(i), payload) {
			removed++
			continue
		}
		at := int64(len(buf))
		buf = appendRecord(buf, s.number, at, s.seq(i), payload)
		next.add(at, s.seq(i), len(payload))
	}
	size, err := s.file.Size()
	if err != nil {
		return 0, err
	}
	if removed == 0 && int64(len(buf)) == size {
		return 0, nil
	}
	if len(next.deltas) == 0 {
		return removed, j.discard(s)
	}
	return removed, j.swap(s, next, buf)
}

// swap writes the new bytes beside the old ones and puts them in their place.
func (j *Journal) swap(s, next *segment, data []byte) error {
	name := segmentName(s.number)
	f, err := j.cfg.FS.Open(name+tempSuffix, true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.cfg.FS.Rename(name+tempSuffix, name)
	}
	if err != nil {
		f.Close()
		return errors.Join(err, j.cfg.FS.Remove(name+tempSuffix))
	}
	next.file = f
	j.mu.Lock()
	j.segments[slices.Index(j.segments, s)] = next
	s.file.Close()
	j.mu.Unlock()
	return nil
}

// discard removes a closed segment. The directory is not synced.
func (j *Journal) discard(s *segment) error {
	if err := j.cfg.FS.Remove(segmentName(s.number)); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = slices.DeleteFunc(j.segments, func(o *segment) bool { return o == s })
	s.file.Close()
	return nil
}

// Drop removes whole segments at the beginning that hold nothing above the sequence number.
func (j *Journal) Drop(through uint64) error {
	j.rewriting.Lock()
	defer j.rewriting.Unlock()
	for dropped := false; ; dropped = true {
		j.mu.RLock()
		var s *segment
		if len(j.segments) > 1 && j.segments[0] != j.active && j.segments[0].last() <= through {
			s = j.segments[0]
		}
		j.mu.RUnlock()
		if s == nil && dropped {
			return j.cfg.FS.Sync()
		}
		if s == nil {
			return nil
		}
		if err := j.discard(s); err != nil {
			return fmt.Errorf("drop %s: %w", segmentName(s.number), err)
		}
	}
}
