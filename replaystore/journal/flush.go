package journal

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// retryEvery is how long the flusher leaves a failing disk alone when nobody waits.
const retryEvery = 250 * time.Millisecond

// flusher syncs: at once when somebody waits, so that all who came during one sync share the next, and otherwise
// Config.SyncEvery after a write.
func (j *Journal) flusher() {
	defer close(j.done)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	armed := false
	for {
		select {
		case <-j.stop:
			return
		case <-j.written:
			if !armed {
				timer.Reset(j.cfg.SyncEvery)
				armed = true
			}
			continue
		case <-j.urgent:
		case <-timer.C:
			armed = false
		}
		if err := j.flush(); err != nil && !armed {
			timer.Reset(retryEvery)
			armed = true
		}
	}
}

// flush makes what is written durable and tells those who wait.
func (j *Journal) flush() error {
	j.flushing.Lock()
	defer j.flushing.Unlock()

	j.mu.Lock()
	target, active := j.last, j.active
	if j.durable == target {
		j.settle(target, nil)
		j.mu.Unlock()
		return nil
	}
	if active == nil {
		err := j.replace()
		j.settle(target, err)
		j.mu.Unlock()
		return err
	}
	j.mu.Unlock()

	err := active.file.Sync()

	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.cfg.Log.Error("journal sync failed; writing its records again to a new segment", "segment", segmentName(active.number), "error", err)
		first := fmt.Errorf("sync %s: %w", segmentName(active.number), err)
		j.seal()
		if err = j.replace(); err != nil {
			err = errors.Join(first, err)
		}
		j.settle(target, err)
		return err
	}
	j.advance(target)
	j.settle(target, nil)
	if active.size >= j.cfg.SegmentBytes && !j.closed {
		if err := j.rotate(); err != nil {
			j.cfg.Log.Error("journal rotation failed; the segment grows", "segment", segmentName(active.number), "error", err)
		}
	}
	return nil
}

// advance moves the durable mark. Called with mu.
func (j *Journal) advance(to uint64) {
	if to <= j.durable {
		return
	}
	n := 0
	for n < len(j.pending) && j.pending[n].Seq <= to {
		j.pendingBytes -= int64(len(j.pending[n].Payload))
		n++
	}
	j.pending = slices.Delete(j.pending, 0, n)
	j.durable = to
	close(j.changed)
	j.changed = make(chan struct{})
}

// settle answers the waiters for records up to attempted. Called with mu.
func (j *Journal) settle(attempted uint64, err error) {
	j.syncErr = err
	j.waiters = slices.DeleteFunc(j.waiters, func(w waiter) bool {
		switch {
		case w.seq <= j.durable:
			w.ch <- nil
		case w.seq <= attempted && err != nil:
			w.ch <- fmt.Errorf("sync journal: %w", err)
		default:
			return false
		}
		return true
	})
	if len(j.waiters) > 0 {
		poke(j.urgent)
	}
}

// seal ends the active segment at its last durable record. What follows in the file is cut if that works; if not,
// recovery finds the same records again under the same numbers and drops them. Called with mu.
func (j *Journal) seal() {
	s := j.active
	j.active = nil
	if n := s.from(j.durable + 1); n < len(s.deltas) {
		s.size = int64(s.offsets[n])
		s.deltas, s.offsets = s.deltas[:n:n], s.offsets[:n:n]
	}
	err := s.file.Truncate(s.size)
	if len(s.deltas) == 0 {
		j.segments = slices.DeleteFunc(j.segments, func(o *segment) bool { return o == s })
		s.file.Close()
		j.doomed = append(j.doomed, segmentName(s.number))
	}
	if err != nil {
		j.cfg.Log.Warn("cannot cut a sealed journal segment", "segment", segmentName(s.number), "error", err)
	}
}

// replace makes a new active segment, writes the pending records to it and syncs it; on error there is no active one.
// Called with mu, when there is no active segment.
func (j *Journal) replace() error {
	if err := j.ensureActive(); err != nil {
		return err
	}
	if len(j.pending) == 0 {
		return nil
	}
	if err := j.active.file.Sync(); err != nil {
		err = fmt.Errorf("sync %s: %w", segmentName(j.active.number), err)
		j.seal()
		return err
	}
	j.advance(j.last)
	return nil
}

// ensureActive makes a segment to write to when there is none, with the pending records in it. Called with mu.
func (j *Journal) ensureActive() error {
	if j.active != nil {
		return nil
	}
	s, err := j.create(j.durable + 1)
	if err != nil {
		return err
	}
	j.active = s
	j.segments = append(j.segments, s)
	if len(j.pending) > 0 {
		if err := j.put(j.pending); err != nil {
			j.seal()
			return err
		}
	}
	return nil
}

// create makes an empty segment whose header and directory entry are durable.
func (j *Journal) create(base uint64) (*segment, error) {
	j.number++
	name := segmentName(j.number)
	f, err := j.cfg.FS.Open(name, true)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	_, err = f.WriteAt(encodeHeader(j.number, base), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.cfg.FS.Sync()
	}
	if err != nil {
		f.Close()
		return nil, errors.Join(fmt.Errorf("create %s: %w", name, err), j.cfg.FS.Remove(name))
	}
	j.bury()
	return &segment{number: j.number, base: base, file: f, size: headerSize}, nil
}

// bury removes sealed segments without records. Until the next segment is durable, their headers may be all that tells which
// numbers were used: the records may have been removed.
func (j *Journal) bury() {
	for _, name := range j.doomed {
		if err := j.cfg.FS.Remove(name); err != nil {
			j.cfg.Log.Warn("cannot remove an empty journal segment; it goes when the journal is opened again", "segment", name, "error", err)
		}
	}
	j.doomed = nil
}

// rotate closes the active segment and opens the next. On error the active one stays. Called with flushing and mu.
func (j *Journal) rotate() error {
	if j.last > j.durable {
		if err := j.active.file.Sync(); err != nil {
			j.seal()
			return errors.Join(fmt.Errorf("sync %s: %w", segmentName(j.number), err), j.replace())
		}
		j.advance(j.last)
		j.settle(j.last, nil)
	}
	s, err := j.create(j.last + 1)
	if err != nil {
		return err
	}
	j.active = s
	j.segments = append(j.segments, s)
	return nil
}
