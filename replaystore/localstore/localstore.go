// Package localstore is the replay store of a single process: a journal, and an index in memory that is rebuilt from it.
//
// Invariants. The journal is the truth: an event is acknowledged once its record is durable, and what is not in the
// journal is not in the store. A cursor is the sequence number of a record, which no rewriting changes. A directory
// belongs to one process at a time, by a lock on a file. After Erase the bytes are in no file of the directory.
//
// It is not for several processes: that is redisstore. Its control stream lives in memory and ends with the process.
package localstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"nightshift/replaystore"
	"nightshift/replaystore/journal"
)

// Config of a local store. Dir is required and is made when it is missing.
type Config struct {
	Dir          string
	Memory       replaystore.MemoryLimits            // of a track
	Tracks       map[string]replaystore.MemoryLimits // of the tracks that differ
	SegmentBytes int64                               // of the journal
	Log          *slog.Logger
	Now          func() time.Time // time.Now
}

// Store is an open local store; it implements replaystore.Store.
type Store struct {
	cfg     Config
	lock    *flock.Flock
	journal *journal.Journal
	secret  []byte
	control *control

	erasing sync.Mutex // admits one Erase at a time; taken before mu

	mu       sync.RWMutex
	index    *replaystore.Index
	tracks   map[string]*track
	erasures replaystore.Erasures
	admitted int // memory records since the last snapshot
	events   int64
	lost     int64
	closed   bool
}

type track struct {
	events []uint64 // ascending
	memory *replaystore.Memory
}

var _ replaystore.Store = (*Store)(nil)

// Open locks the directory, recovers the journal and rebuilds the index. An erasure that was interrupted is finished.
func Open(cfg Config) (*Store, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	dir := filepath.Join(cfg.Dir, "journal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open replay store %s: %w", cfg.Dir, err)
	}
	lock := flock.New(filepath.Join(cfg.Dir, "lock"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock replay store %s: %w", cfg.Dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("lock replay store %s: %w", cfg.Dir, ErrInUse)
	}
	s := &Store{cfg: cfg, lock: lock, tracks: make(map[string]*track)}
	s.control = newControl(cfg.Now)
	s.index = replaystore.NewIndex(s.keyOf)
	if err := s.open(dir); err != nil {
		if s.journal != nil {
			err = errors.Join(err, s.journal.Close())
		}
		return nil, fmt.Errorf("open replay store %s: %w", cfg.Dir, errors.Join(err, lock.Unlock()))
	}
	return s, nil
}

// ErrInUse is returned by Open when another process has the store.
var ErrInUse = errors.New("another process has it open; stop that process, or go through its API")

func (s *Store) open(dir string) error {
	secret, err := replaystore.LoadSecret(filepath.Join(s.cfg.Dir, "secret"), nil)
	if err != nil {
		return err
	}
	s.secret = secret
	s.journal, err = journal.Open(journal.Config{FS: journal.Dir(dir), SegmentBytes: s.cfg.SegmentBytes, Log: s.cfg.Log})
	if err != nil {
		return err
	}
	return s.load()
}

// indexKey identifies an event in the whole store.
func indexKey(track, key string) string { return track + "/" + key }

// keyOf reads back what identifies a record.
func (s *Store) keyOf(seq uint64) (string, bool) {
	r, err := s.record(seq)
	if err != nil || r.Event == nil {
		return "", false
	}
	return indexKey(r.Event.Track(), r.Event.Key()), true
}

func (s *Store) record(seq uint64) (replaystore.Record, error) {
	payload, err := s.journal.Read(seq)
	if err != nil {
		return replaystore.Record{}, err
	}
	return replaystore.DecodeRecord(payload)
}

// track returns a track, making it when needed. Called with mu.
func (s *Store) track(name string) *track {
	t := s.tracks[name]
	if t == nil {
		limits, differs := s.cfg.Tracks[name]
		if !differs {
			limits = s.cfg.Memory
		}
		t = &track{memory: replaystore.NewMemory(limits)}
		s.tracks[name] = t
	}
	return t
}

// Append implements replaystore.Store. An event that an erasure covers is accepted and not kept.
func (s *Store) Append(ctx context.Context, events ...replaystore.Event) error {
	if len(events) == 0 {
		return nil
	}
	seq, err := s.write(events)
	if err != nil {
		return fmt.Errorf("append to replay store: %w", err)
	}
	if seq == 0 {
		return nil
	}
	if err := s.journal.Wait(ctx, seq); err != nil {
		return fmt.Errorf("append to replay store: %w", err)
	}
	return nil
}

// AppendAsync implements replaystore.Store.
func (s *Store) AppendAsync(event replaystore.Event) bool {
	_, err := s.write([]replaystore.Event{event})
	if err != nil {
		s.cfg.Log.Error("cannot log an event", "key", event.Key(), "error", err)
		s.mu.Lock()
		s.lost++
		s.mu.Unlock()
	}
	return err == nil
}

// write puts the events that are new into the journal and the index, and returns the largest sequence number of all of
// them, 0 when none is kept.
func (s *Store) write(events []replaystore.Event) (uint64, error) {
	payloads, err := replaystore.EncodeRecords(events, s.cfg.Now())
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, replaystore.ErrClosed
	}
	var fresh []replaystore.Event
	var data [][]byte
	last, batch := uint64(0), make(map[string]bool)
	for n, e := range events {
		key := indexKey(e.Track(), e.Key())
		if batch[key] || s.erasures.Cover(e.Subject(), e.Time()) {
			continue
		}
		if seq, ok := s.index.Find(key); ok {
			last = max(last, seq)
			continue
		}
		batch[key] = true
		fresh, data = append(fresh, e), append(data, payloads[n])
	}
	if len(fresh) == 0 {
		return last, nil
	}
	first, err := s.journal.Write(data...)
	if err != nil {
		return 0, err
	}
	for n, e := range fresh {
		s.add(first+uint64(n), e)
	}
	return first + uint64(len(fresh)) - 1, nil
}

// add indexes an event that is in the journal. Called with mu.
func (s *Store) add(seq uint64, e replaystore.Event) {
	s.index.Put(indexKey(e.Track(), e.Key()), seq)
	t := s.track(e.Track())
	t.events = append(t.events, seq)
	s.events++
}

// Interaction implements replaystore.Store.
func (s *Store) Interaction(_ context.Context, track, id string) (replaystore.Interaction, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return replaystore.Interaction{}, false, replaystore.ErrClosed
	}
	seq, ok := s.index.Find(indexKey(track, replaystore.InteractionKey(id)))
	if !ok {
		return replaystore.Interaction{}, false, nil
	}
	r, err := s.record(seq)
	if err != nil {
		return replaystore.Interaction{}, false, fmt.Errorf("read interaction %s: %w", id, err)
	}
	return *r.Event.Interaction, true, nil
}

// Scan implements replaystore.Store.
func (s *Store) Scan(ctx context.Context, name string, after replaystore.Cursor, limit int) ([]replaystore.Event, replaystore.Cursor, error) {
	from := uint64(0)
	if after != "" {
		n, err := strconv.ParseUint(string(after), 10, 64)
		if err != nil {
			return nil, after, fmt.Errorf("scan track %s: cursor %q is not one of this store", name, after)
		}
		from = n
	}
	if limit <= 0 {
		return nil, after, nil
	}
	s.mu.RLock()
	var seqs []uint64
	if t := s.tracks[name]; t != nil {
		at, found := slices.BinarySearch(t.events, from)
		if found {
			at++
		}
		seqs = slices.Clone(t.events[at:min(len(t.events), at+limit)])
	}
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return nil, after, replaystore.ErrClosed
	}
	durable := s.journal.Durable()
	var out []replaystore.Event
	for _, seq := range seqs {
		if seq > durable {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, after, err
		}
		r, err := s.record(seq)
		switch {
		case errors.Is(err, journal.ErrGone): // erased meanwhile
		case err != nil:
			s.cfg.Log.Error("stepping over an event that cannot be read", "track", name, "seq", seq, "error", err)
		default:
			out = append(out, *r.Event)
		}
		from = seq
	}
	if from == 0 {
		return out, after, nil
	}
	if len(out) == 0 && len(seqs) == limit && seqs[len(seqs)-1] == from { // all of them gone: look further
		return s.Scan(ctx, name, replaystore.Cursor(strconv.FormatUint(from, 10)), limit)
	}
	return out, replaystore.Cursor(strconv.FormatUint(from, 10)), nil
}

// Tracks implements replaystore.Store.
func (s *Store) Tracks(context.Context) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, replaystore.ErrClosed
	}
	return slices.Sorted(maps.Keys(s.tracks)), nil
}

// Control implements replaystore.Store.
func (s *Store) Control() replaystore.Control { return s.control }

// Sync implements replaystore.Store.
func (s *Store) Sync(ctx context.Context) error {
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return replaystore.ErrClosed
	}
	return s.journal.Sync(ctx)
}

// Stats implements replaystore.Store.
func (s *Store) Stats(context.Context) (replaystore.Stats, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return replaystore.Stats{}, replaystore.ErrClosed
	}
	j, r := s.journal.Stats(), s.journal.Report()
	st := replaystore.Stats{Kind: "local", Events: s.events, JournalBytes: j.Bytes, Segments: j.Segments, Lost: s.lost,
		Skipped: r.Skipped(), Truncated: r.Truncated, ShippedThrough: s.cfg.Now()}
	if j.SyncErr != nil {
		st.Degraded = "the journal cannot be synced: " + j.SyncErr.Error()
	}
	return st, nil
}

// Close implements replaystore.Store.
func (s *Store) Close() error {
	s.erasing.Lock()
	defer s.erasing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.control.close()
	err := errors.Join(s.journal.Close(), s.lock.Unlock())
	if err != nil {
		return fmt.Errorf("close replay store %s: %w", s.cfg.Dir, err)
	}
	return nil
}
