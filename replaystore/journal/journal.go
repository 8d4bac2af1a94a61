// Package journal is an append-only log of records in segment files.
//
// Invariants. Every record has a sequence number; numbers ascend, are never used again and survive restarts, rotation
// and rewriting. A record is acknowledged (Append, Wait) only after its bytes and the directory entry of its file are
// synced. After a failed sync the kernel may have dropped the bytes and a second sync may lie, so the segment is sealed
// and every record not yet acknowledged is written again to a new one. When a write fails nothing of it is kept.
// Opening cuts a torn tail, steps over corrupt bytes to the next valid record, and reports both.
//
// It is not a queue (readers keep their own place) and knows nothing of what the records mean. One process may have a
// directory open at a time; the caller sees to that.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"
)

// Errors that callers tell apart.
var (
	ErrClosed = errors.New("journal is closed")
	ErrGone   = errors.New("record is not in the journal")
)

// Config of a journal. FS is required; zero fields take the defaults.
type Config struct {
	FS           FS
	SegmentBytes int64         // a segment is closed when it is this large; 64 MiB, at most 1 GiB
	MaxRecord    int           // largest payload; 64 MiB
	MaxUnsynced  int64         // payload bytes kept while syncs fail, after which writes are refused; 256 MiB
	SyncEvery    time.Duration // a written record is synced after this time though nobody waits; 20 ms
	Log          *slog.Logger
}

// Report says what Open found.
type Report struct {
	Segments  int
	Records   int64
	Truncated int64 // bytes of a torn tail that were cut
	Gaps      []Gap // corrupt bytes that were stepped over
}

// Skipped is the number of corrupt bytes.
func (r Report) Skipped() int64 {
	var n int64
	for _, g := range r.Gaps {
		n += g.Length
	}
	return n
}

// Gap is a stretch of corrupt bytes.
type Gap struct {
	File           string
	Offset, Length int64
}

// Record is a payload and its sequence number.
type Record struct {
	Seq     uint64
	Payload []byte
}

// Stats of a journal.
type Stats struct {
	Segments int
	Bytes    int64
	Records  int64
	Durable  uint64 // largest acknowledged sequence number
	Last     uint64 // largest written one
	SyncErr  error  // why the last sync failed, nil when it did not
}

// Journal is an open journal. All methods are safe for concurrent use.
type Journal struct {
	cfg    Config
	report Report

	// rewriting admits one Rewrite or Drop at a time. flushing is held while the active segment is synced or replaced.
	// Locks are taken in the order rewriting, flushing, mu.
	rewriting sync.Mutex
	flushing  sync.Mutex

	mu           sync.RWMutex
	segments     []*segment // ascending; with the active one
	doomed       []string   // files of sealed segments without records, to be removed once there is a next segment
	active       *segment   // nil after a failure, until a new one could be made
	number       uint64     // of the newest segment ever tried
	last         uint64
	durable      uint64
	pending      []Record // written and not durable
	pendingBytes int64
	waiters      []waiter
	changed      chan struct{} // closed when durable moves
	syncErr      error
	closed       bool
	buf          []byte

	written chan struct{} // capacity 1: something is pending
	urgent  chan struct{} // capacity 1: somebody waits
	stop    chan struct{}
	done    chan struct{}
}

type waiter struct {
	seq uint64
	ch  chan error // capacity 1
}

// Open recovers the journal and starts its flusher, which Close ends.
func Open(cfg Config) (*Journal, error) {
	if cfg.SegmentBytes <= 0 {
		cfg.SegmentBytes = 64 << 20
	}
	cfg.SegmentBytes = min(cfg.SegmentBytes, 1<<30)
	if cfg.MaxRecord <= 0 {
		cfg.MaxRecord = 64 << 20
	}
	if cfg.MaxUnsynced <= 0 {
		cfg.MaxUnsynced = 256 << 20
	}
	if cfg.SyncEvery <= 0 {
		cfg.SyncEvery = 20 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	j := &Journal{
		cfg:     cfg,
		changed: make(chan struct{}),
		written: make(chan struct{}, 1),
		urgent:  make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	if err := j.recover(); err != nil {
		j.closeFiles()
		return nil, fmt.Errorf("open journal: %w", err)
	}
	go j.flusher()
	return j, nil
}

// Report says what Open found.
func (j *Journal) Report() Report { return j.report }

// Append writes the payloads with consecutive sequence numbers and returns the first once all are durable. The journal
// keeps the payloads until then: they must not be changed. When ctx ends first, or the sync fails, the outcome is
// unknown: the records may become durable later.
func (j *Journal) Append(ctx context.Context, payloads ...[]byte) (uint64, error) {
	first, err := j.Write(payloads...)
	if err != nil {
		return 0, err
	}
	return first, j.Wait(ctx, first+uint64(len(payloads))-1)
}

// Write writes the payloads with consecutive sequence numbers and returns the first. They survive the death of the
// process, and within Config.SyncEvery and one sync also that of the machine. All are written or none. The journal keeps
// the payloads until they are durable: they must not be changed.
func (j *Journal) Write(payloads ...[]byte) (uint64, error) {
	if len(payloads) == 0 {
		return 0, errors.New("append to journal: no records")
	}
	total := int64(0)
	for _, p := range payloads {
		if len(p) > j.cfg.MaxRecord {
			return 0, fmt.Errorf("append to journal: record of %d bytes; the limit is %d", len(p), j.cfg.MaxRecord)
		}
		total += int64(len(p))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, ErrClosed
	}
	if j.pendingBytes > 0 && j.pendingBytes+total > j.cfg.MaxUnsynced {
		return 0, fmt.Errorf("append to journal: %d bytes wait for a sync; the limit is %d: %w", j.pendingBytes, j.cfg.MaxUnsynced, errors.Join(errStalled, j.syncErr))
	}
	if err := j.ensureActive(); err != nil {
		return 0, fmt.Errorf("append to journal: %w", err)
	}
	first := j.last + 1
	records := make([]Record, len(payloads))
	for n, p := range payloads {
		records[n] = Record{Seq: first + uint64(n), Payload: p}
	}
	if err := j.put(records); err != nil {
		return 0, fmt.Errorf("append to journal: %w", err)
	}
	j.last = records[len(records)-1].Seq
	j.pending = append(j.pending, records...)
	j.pendingBytes += total
	poke(j.written)
	return first, nil
}

var errStalled = errors.New("syncing is behind")

// put writes records at the end of the active segment and indexes them. On error nothing of them counts.
func (j *Journal) put(records []Record) error {
	s := j.active
	buf, at := j.buf[:0], s.size
	for _, r := range records {
		buf = appendRecord(buf, s.number, at+int64(len(buf)), r.Seq, r.Payload)
	}
	if cap(buf) <= 1<<20 {
		j.buf = buf
	}
	if at+int64(len(buf)) > math.MaxUint32 || records[len(records)-1].Seq-s.base > math.MaxUint32 {
		return fmt.Errorf("write %s: segment is full and could not be closed", segmentName(s.number))
	}
	if _, err := s.file.WriteAt(buf, at); err != nil {
		// What is left behind the end is overwritten by the next write or cut at recovery; cut it now if that works.
		return errors.Join(fmt.Errorf("write %s: %w", segmentName(s.number), err), s.file.Truncate(at))
	}
	for _, r := range records {
		s.add(s.size, r.Seq, len(r.Payload))
	}
	return nil
}

// Wait returns once the record is durable. An error of the sync that was made for it means that it is not yet; it is
// kept, and the next sync tries again.
func (j *Journal) Wait(ctx context.Context, seq uint64) error {
	j.mu.Lock()
	if j.durable >= seq {
		j.mu.Unlock()
		return nil
	}
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	if seq > j.last {
		j.mu.Unlock()
		return fmt.Errorf("wait for journal record %d: %w", seq, ErrGone)
	}
	w := waiter{seq, make(chan error, 1)}
	j.waiters = append(j.waiters, w)
	j.mu.Unlock()
	poke(j.urgent)
	select {
	case err := <-w.ch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sync returns once everything written before the call is durable.
func (j *Journal) Sync(ctx context.Context) error {
	j.mu.RLock()
	last := j.last
	j.mu.RUnlock()
	return j.Wait(ctx, last)
}

// Stats returns sizes and places.
func (j *Journal) Stats() Stats {
	j.mu.RLock()
	defer j.mu.RUnlock()
	s := Stats{Segments: len(j.segments), Durable: j.durable, Last: j.last, SyncErr: j.syncErr}
	for _, seg := range j.segments {
		s.Bytes += seg.size
		s.Records += int64(len(seg.deltas))
	}
	return s
}

// Close syncs what is written and closes the files. The error says that it could not.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	<-j.done
	j.rewriting.Lock()
	defer j.rewriting.Unlock()
	err := j.flush()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, w := range j.waiters {
		w.ch <- ErrClosed
	}
	j.waiters = nil
	close(j.changed)
	j.closeFiles()
	if err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

func (j *Journal) closeFiles() {
	for _, s := range j.segments {
		s.file.Close() // everything that counts is synced
	}
	j.segments, j.active = nil, nil
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
