// Package redisstore is the replay store of many processes. Each appends to a journal of its own, and a shipper copies
// the journal to Redis: standalone, behind Sentinels, or a cluster.
//
// Invariants. Acknowledged means durable in the local journal; Redis may be down, full or refuse to write, and Append
// goes on: that is degraded, and Stats says why. Every write to Redis is idempotent by event id. When Redis may have lost
// data (a restart, another master, a flush) the shipper sends the last ten minutes again. A record that Redis refuses for
// good goes to a file of its own (DeadLetterFile) and holds up nothing. The order of a track is the
// order of its Redis stream. A server that evicts keys is refused. What is erased cannot come back by a late copy.
//
// It is not a cache: nothing expires. Trim drops the oldest of what nights have read. Writes do not wait for Redis; readers see them once they are shipped (Sync).
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
	"nightshift/replaystore/journal"
)

// ErrInUse is returned by Open when another process has the journal.
var ErrInUse = errors.New("another process has the journal open; give each process its own directory")

// ErrRefused marks a Redis that must not be used as it is configured.
var ErrRefused = errors.New("this Redis cannot be used")

// Store is an open Redis store; it implements replaystore.Store.
type Store struct {
	cfg     Config
	keys    keys
	log     *slog.Logger
	client  redis.UniversalClient
	lock    *flock.Flock
	journal *journal.Journal
	dead    *deadLetters
	control control

	mu       sync.RWMutex
	index    *replaystore.Index // of what is in the journal
	erasures replaystore.Erasures
	open     map[string]replaystore.Erasure     // erasures whose records are not yet out of the journal
	finished map[string]replaystore.Erasure     // the others in the journal
	reports  map[string]replaystore.EraseReport // of erasures that somebody waits for; nil until done
	events   int64
	lost     int64
	resent   int64
	degraded error
	waiting  []chan error // Sync calls; each has capacity 1
	closed   bool

	ship *shipper
	wake chan struct{} // capacity 1
	stop context.CancelFunc
	done chan struct{}
}

var (
	_ replaystore.Store   = (*Store)(nil)
	_ replaystore.Trimmer = (*Store)(nil)
)

// Open locks and recovers the journal, looks at Redis once, and starts the shipper, which Close ends. A Redis that is
// down is no error; one that is wrongly configured is, with ErrRefused.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open replay store: %w", err)
	}
	dir := filepath.Join(cfg.Dir, "journal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open replay store %s: %w", cfg.Dir, err)
	}
	lock := flock.New(filepath.Join(cfg.Dir, "lock"), flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil || !ok {
		if err == nil {
			err = ErrInUse
		}
		return nil, fmt.Errorf("lock replay store %s: %w", cfg.Dir, err)
	}
	s := &Store{
		cfg: cfg, keys: keys{cfg.Prefix, cfg.Shards}, log: cfg.Log, client: cfg.client(), lock: lock,
		open: make(map[string]replaystore.Erasure), finished: make(map[string]replaystore.Erasure), reports: make(map[string]replaystore.EraseReport),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.control = control{s.client, s.keys.control("signals"), cfg.Now}
	s.index = replaystore.NewIndex(s.keyOf)
	if err := s.start(ctx, dir); err != nil {
		if s.journal != nil {
			err = errors.Join(err, s.journal.Close())
		}
		return nil, fmt.Errorf("open replay store %s: %w", cfg.Dir, errors.Join(err, s.client.Close(), lock.Unlock()))
	}
	return s, nil
}

func (s *Store) start(ctx context.Context, dir string) error {
	var err error
	s.journal, err = journal.Open(journal.Config{FS: journal.Dir(dir), SegmentBytes: s.cfg.SegmentBytes, Log: s.log})
	if err != nil {
		return err
	}
	if s.dead, err = openDeadLetters(s.cfg.Dir); err != nil {
		return err
	}
	if err := s.load(); err != nil {
		return err
	}
	if s.ship, err = newShipper(s); err != nil {
		return err
	}
	if err := s.ship.connect(ctx); errors.Is(err, ErrRefused) {
		return err
	} else if err != nil {
		s.setDegraded(err)
	}
	run, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.ship.run(run)
	return nil
}

// load rebuilds the index from the journal.
func (s *Store) load() error {
	return s.each(func(seq uint64, r replaystore.Record) error {
		switch {
		case r.Event == nil:
		case r.Event.Erasure != nil:
			if e := *r.Event.Erasure; s.erasures.Add(e) {
				s.open[e.ID] = e
			} else {
				delete(s.open, e.ID)
				s.finished[e.ID] = e
			}
		default:
			s.index.Put(indexKey(r.Event.Track(), r.Event.Key()), seq)
			s.events++
		}
		return nil
	})
}

// each calls visit for every durable record of the journal.
func (s *Store) each(visit func(uint64, replaystore.Record) error) error {
	for after := uint64(0); ; {
		records, err := s.journal.Scan(after, 1024, 8<<20)
		if err != nil || len(records) == 0 {
			return err
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
	}
}

func indexKey(track, key string) string { return track + "/" + key }

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

// Append implements replaystore.Store. An event that an erasure covers is accepted and not kept.
func (s *Store) Append(ctx context.Context, events ...replaystore.Event) error {
	if len(events) == 0 {
		return nil
	}
	seq, err := s.write(events)
	if err == nil && seq > 0 {
		err = s.journal.Wait(ctx, seq)
	}
	if err != nil {
		return fmt.Errorf("append to replay store: %w", err)
	}
	return nil
}

// AppendAsync implements replaystore.Store.
func (s *Store) AppendAsync(event replaystore.Event) bool {
	_, err := s.write([]replaystore.Event{event})
	if err != nil {
		s.log.Error("cannot log an event", "key", event.Key(), "error", err)
		s.mu.Lock()
		s.lost++
		s.mu.Unlock()
	}
	return err == nil
}

// write puts the events that the journal does not have into it, and returns the largest sequence number of all.
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
	var fresh []string
	var data [][]byte
	last := uint64(0)
	for n, e := range events {
		key := indexKey(e.Track(), e.Key())
		if slices.Contains(fresh, key) || s.erasures.Cover(e.Subject(), e.Time()) {
			continue
		}
		if seq, ok := s.index.Find(key); ok {
			last = max(last, seq)
			continue
		}
		fresh, data = append(fresh, key), append(data, payloads[n])
	}
	if len(fresh) == 0 {
		return last, nil
	}
	first, err := s.journal.Write(data...)
	if err != nil {
		return 0, err
	}
	for n, key := range fresh {
		s.index.Put(key, first+uint64(n))
		s.events++
	}
	return first + uint64(len(fresh)) - 1, nil
}

// Dir is the directory of the store's journal.
func (s *Store) Dir() string { return s.cfg.Dir }

// Control implements replaystore.Store.
func (s *Store) Control() replaystore.Control { return s.control }

// Sync implements replaystore.Store: it makes the shipper look at Redis now and send what is pending.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.journal.Sync(ctx); err != nil {
		return fmt.Errorf("sync replay store: %w", err)
	}
	ch := make(chan error, 1)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return replaystore.ErrClosed
	}
	s.waiting = append(s.waiting, ch)
	s.mu.Unlock()
	s.poke()
	select {
	case err := <-ch:
		if err != nil {
			return fmt.Errorf("sync replay store: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sync replay store: %w", ctx.Err())
	}
}

func (s *Store) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

func (s *Store) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) setDegraded(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (err == nil) != (s.degraded == nil) {
		if err != nil {
			s.log.Warn("replay store is degraded; events are kept in the local journal", "error", err)
		} else {
			s.log.Info("replay store is healthy")
		}
	}
	s.degraded = err
}

// Stats implements replaystore.Store.
func (s *Store) Stats(context.Context) (replaystore.Stats, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return replaystore.Stats{}, replaystore.ErrClosed
	}
	j, r := s.journal.Stats(), s.journal.Report()
	st := replaystore.Stats{Kind: "redis", Events: s.events, JournalBytes: j.Bytes, Segments: j.Segments, Lost: s.lost,
		Skipped: r.Skipped(), Truncated: r.Truncated, Resent: s.resent, DeadLetters: s.dead.count()}
	switch {
	case j.SyncErr != nil:
		st.Degraded = "the journal cannot be synced: " + j.SyncErr.Error()
	case s.degraded != nil:
		st.Degraded = reason(s.degraded)
	}
	st.Pending, st.ShippedThrough = s.ship.pending()
	if st.Pending > 0 {
		st.OldestPending = st.ShippedThrough
	}
	return st, nil
}

// Close implements replaystore.Store. What is pending stays in the journal for the next Open.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.stop()
	<-s.done
	s.mu.Lock()
	for _, ch := range s.waiting {
		ch <- replaystore.ErrClosed
	}
	s.waiting = nil
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Timeout)
	defer cancel()
	if s.ship.connected {
		if _, err := replaystore.Send(ctx, s.control, replaystore.ShippedMark{Server: s.ship.state.Server, Leaving: true}); err != nil {
			s.log.Debug("cannot say goodbye", "error", err)
		}
	}
	if err := errors.Join(s.journal.Close(), s.client.Close(), s.lock.Unlock()); err != nil {
		return fmt.Errorf("close replay store %s: %w", s.cfg.Dir, err)
	}
	return nil
}

// oldest is when the first record after a sequence number was appended.
func (s *Store) oldest(after uint64) (time.Time, bool) {
	records, err := s.journal.Scan(after, 1, 0)
	if err != nil || len(records) == 0 {
		return time.Time{}, false
	}
	r, err := replaystore.DecodeRecord(records[0].Payload)
	if err != nil {
		return time.Time{}, false
	}
	return r.Time, true
}
