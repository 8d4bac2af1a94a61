package journal

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// recover reads all segments, cuts a torn tail and makes the last segment the active one.
func (j *Journal) recover() error {
	names, err := j.cfg.FS.List()
	if err != nil {
		return err
	}
	var numbers []uint64
	for _, name := range names {
		if strings.HasSuffix(name, tempSuffix) { // a rewrite that did not finish
			if err := j.cfg.FS.Remove(name); err != nil {
				return fmt.Errorf("remove %s: %w", name, err)
			}
			continue
		}
		if n, ok := segmentNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if err := j.load(n, i == len(numbers)-1); err != nil {
			return fmt.Errorf("recover %s: %w", segmentName(n), err)
		}
		j.number = n
	}
	j.durable = j.last
	empty := j.weed()
	if j.active == nil {
		if err := j.ensureActive(); err != nil {
			return err
		}
	}
	for _, s := range empty {
		s.file.Close()
		if err := j.cfg.FS.Remove(segmentName(s.number)); err != nil {
			return fmt.Errorf("remove empty %s: %w", segmentName(s.number), err)
		}
	}
	if len(empty) > 0 {
		if err := j.cfg.FS.Sync(); err != nil {
			return fmt.Errorf("remove empty segments: sync directory: %w", err)
		}
	}
	j.report.Segments = len(j.segments)
	return nil
}

// weed takes the segments without records out of the list and returns them: what is left of one that could not be made or ended,
// and could not be removed then. Reading relies on the last number of a segment being no smaller than those before it, which
// holds for an empty segment only where its base follows all of them: that of the newest, which goes on as the active one.
func (j *Journal) weed() (empty []*segment) {
	kept, last := j.segments[:0], uint64(0)
	for _, s := range j.segments {
		if len(s.deltas) > 0 || s == j.active && s.base > last {
			kept, last = append(kept, s), max(last, s.last())
			continue
		}
		if s == j.active {
			j.active = nil
		}
		empty = append(empty, s)
	}
	j.segments = kept
	return empty
}

// load reads one segment; the last one is made durable and becomes active.
func (j *Journal) load(number uint64, newest bool) error {
	f, err := j.cfg.FS.Open(segmentName(number), false)
	if err != nil {
		return err
	}
	data, err := readAll(f)
	if err != nil {
		f.Close()
		return err
	}
	base, headed := decodeHeader(data, number)
	if !headed {
		base = j.last + 1
	}
	s := &segment{number: number, base: base, file: f, size: headerSize}
	j.last = max(j.last, base-1)
	end := parseSegment(data, number, func(offset int64, seq uint64, payload []byte) {
		j.keep(s, offset, seq, payload)
	}, func(offset, length int64) {
		j.gap(number, offset, length)
	})
	tail := int64(len(data)) - end
	if !newest {
		if tail > 0 {
			j.gap(number, end, tail)
		}
		j.segments = append(j.segments, s)
		return nil
	}
	return j.activate(s, headed, end, tail)
}

// keep indexes a recovered record. A number seen before is a record that was written again after a failed sync: the
// later copy counts, the bytes of the earlier one may be in memory only.
func (j *Journal) keep(s *segment, offset int64, seq uint64, payload []byte) {
	if seq < s.base || len(s.deltas) > 0 && seq <= s.last() {
		return
	}
	if seq <= j.last {
		for _, o := range j.segments {
			n := o.from(seq)
			j.report.Records -= int64(len(o.deltas) - n)
			o.deltas, o.offsets = o.deltas[:n], o.offsets[:n]
		}
	}
	s.add(offset, seq, len(payload))
	j.last = seq
	j.report.Records++
}

func (j *Journal) gap(number uint64, offset, length int64) {
	g := Gap{File: segmentName(number), Offset: offset, Length: length}
	j.report.Gaps = append(j.report.Gaps, g)
	j.cfg.Log.Error("journal has corrupt bytes; stepping over them", "segment", g.File, "offset", offset, "bytes", length)
}

// activate cuts the torn tail of the newest segment and makes what was read durable: it may have been written by a
// process that died before its sync.
func (j *Journal) activate(s *segment, headed bool, end, tail int64) error {
	if tail > 0 || end < headerSize {
		j.report.Truncated = max(tail, 0)
		j.cfg.Log.Warn("journal had a torn tail; cutting it", "segment", segmentName(s.number), "offset", end, "bytes", tail)
	}
	if !headed && len(s.deltas) == 0 { // it died while the segment was made
		s.file.Close()
		j.number = s.number
		return errors.Join(j.cfg.FS.Remove(segmentName(s.number)), j.cfg.FS.Sync())
	}
	j.segments = append(j.segments, s)
	if tail > 0 {
		if err := s.file.Truncate(end); err != nil {
			return fmt.Errorf("cut torn tail: %w", err)
		}
	}
	s.size = end
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := j.cfg.FS.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if headed {
		j.active = s
	}
	return nil
}

func readAll(f File) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}
