package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"nightshift/replaystore"
	"nightshift/replaystore/journal"
)

// A batch is sent in one pipeline, and the events of one shard in it by a script for each group.
const (
	batchRecords = 1024
	batchBytes   = 1 << 20
	groupEvents  = 64
	groupBytes   = 128 << 10
)

// nightAge is how old a request for a night may be for a server that has just come to answer it.
const nightAge = 15 * time.Minute

// shipper copies the journal to Redis. Only its own goroutine uses it, after Open; the position is for all.
type shipper struct {
	*Store
	secret    []byte
	connected bool
	tracks    map[string]bool // tracks that are known in Redis, with their erasures
	seen      string          // last control signal read
	resume    []replaystore.Erasure
	nights    []string // requests to answer with a mark
	probed    time.Time
	marked    time.Time
	dropped   time.Time
	high      uint64 // largest sequence number ever shipped

	place sync.Mutex
	state state
}

func newShipper(s *Store) (*shipper, error) {
	st, err := loadState(s.cfg.Dir, s.cfg.Server)
	if err != nil {
		return nil, err
	}
	st.Shipped = min(st.Shipped, s.journal.Durable())
	p := &shipper{Store: s, state: st, high: st.Shipped, tracks: make(map[string]bool)}
	for _, e := range s.open {
		p.resume = append(p.resume, e)
	}
	return p, nil
}

// pending is how many records wait, and the time through which everything is shipped.
func (p *shipper) pending() (int64, time.Time) {
	p.place.Lock()
	st := p.state
	p.place.Unlock()
	durable, _ := p.journal.Progress()
	if durable <= st.Shipped {
		return 0, st.Contact
	}
	oldest, ok := p.oldest(st.Shipped)
	if !ok {
		oldest = st.Contact
	}
	return int64(durable - st.Shipped), oldest
}

// move sets the position, in memory and on disk.
func (p *shipper) move(change func(*state)) error {
	p.place.Lock()
	defer p.place.Unlock()
	change(&p.state)
	return p.state.save(p.cfg.Dir)
}

// run makes passes until ctx ends: when the journal has grown, when somebody waits, and at intervals.
func (p *shipper) run(ctx context.Context) {
	defer close(p.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		_, changed := p.journal.Progress()
		if p.failing() {
			changed = nil // leave a server that is down alone until the timer or a caller
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-p.wake:
		case <-timer.C:
		}
		p.mu.Lock()
		waiting := p.waiting
		p.waiting = nil
		p.mu.Unlock()
		err := p.pass(ctx, len(waiting) > 0)
		if ctx.Err() != nil {
			err = replaystore.ErrClosed
		} else {
			p.setDegraded(err)
		}
		for _, ch := range waiting {
			ch <- err
		}
		timer.Reset(p.cfg.Probe)
	}
}

func (p *shipper) failing() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.degraded != nil
}

// pass looks at Redis when it is time or when told to, and ships what is durable.
func (p *shipper) pass(ctx context.Context, look bool) error {
	if look || !p.connected || p.failing() || time.Since(p.probed) >= p.cfg.Probe {
		if err := p.connect(ctx); err != nil {
			return err
		}
		if err := p.listen(ctx); err != nil {
			return err
		}
	}
	if err := p.shipAll(ctx); err != nil {
		p.connected = false
		return err
	}
	if err := p.mark(ctx); err != nil {
		return err
	}
	return p.drop()
}

// connect looks at Redis; when it is not the one that was shipped to, or may have lost data, the position goes back.
func (p *shipper) connect(ctx context.Context) error {
	now := p.cfg.Now()
	identity, err := p.identity(ctx)
	if err != nil {
		p.connected = false
		return fmt.Errorf("look at Redis: %w", err)
	}
	p.probed = time.Now()
	if p.connected && identity == p.state.Identity {
		return p.move(func(st *state) { st.Contact = now })
	}
	if p.secret, err = p.settle(ctx); err != nil {
		p.connected = false
		return fmt.Errorf("look at Redis: %w", err)
	}
	if err := p.loadScripts(ctx); err != nil {
		p.connected = false
		return fmt.Errorf("load scripts: %w", err)
	}
	clear(p.tracks)
	if identity != p.state.Identity {
		if err := p.rewind(identity, now); err != nil {
			return err
		}
	}
	if err := p.learn(ctx); err != nil {
		return err
	}
	p.connected = true
	return nil
}

// rewind goes back to what was appended ten minutes before Redis was last known to be whole.
func (p *shipper) rewind(identity string, now time.Time) error {
	back := p.state.Shipped
	if p.state.Identity != "" {
		back = min(back, p.before(p.state.Contact.Add(-p.cfg.Resend)))
		p.log.Warn("Redis was restarted, replaced or flushed; sending again", "records", p.state.Shipped-back)
	} else {
		back = 0 // never shipped to any, or the position was lost
	}
	return p.move(func(st *state) { st.Identity, st.Shipped, st.Contact = identity, back, now })
}

// before is the sequence number of the last record that was appended before t.
func (p *shipper) before(t time.Time) uint64 {
	last, _ := p.journal.Progress()
	n := sort.Search(int(last), func(n int) bool {
		at, ok := p.oldest(uint64(n))
		return !ok || !at.Before(t)
	})
	return uint64(n)
}

// shipAll ships until the end of the journal.
func (p *shipper) shipAll(ctx context.Context) error {
	for {
		records, err := p.journal.Scan(p.state.Shipped, batchRecords, batchBytes)
		if errors.Is(err, journal.ErrClosed) {
			return replaystore.ErrClosed
		}
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		if len(records) == 0 {
			return p.resumeErasures(ctx)
		}
		if err := p.shipBatch(ctx, records); err != nil {
			return fmt.Errorf("ship to Redis: %w", err)
		}
		last := records[len(records)-1].Seq
		p.mu.Lock()
		for _, r := range records {
			if r.Seq <= p.high {
				p.resent++
			}
		}
		p.mu.Unlock()
		p.high = max(p.high, last)
		if err := p.move(func(st *state) { st.Shipped = last }); err != nil {
			return err
		}
	}
}

// listen reads the control stream for erasures by others and for night requests.
func (p *shipper) listen(ctx context.Context) error {
	for {
		signals, err := p.control.Read(ctx, p.seen, 100, 0)
		if err != nil || len(signals) == 0 {
			return err
		}
		for _, s := range signals {
			p.seen = s.ID
			switch s.Kind {
			case replaystore.KindErasure:
				if err := p.learn(ctx); err != nil {
					return err
				}
			case replaystore.KindNightRequest:
				if p.cfg.Now().Sub(s.Time) > nightAge {
					continue // long over
				}
				if r, err := replaystore.Decode[replaystore.NightRequest](s); err == nil {
					p.nights = append(p.nights, r.Night)
				}
			}
		}
	}
}

// mark publishes how far the journal is shipped: for each night that was asked for, and at intervals.
func (p *shipper) mark(ctx context.Context) error {
	for len(p.nights) > 0 {
		if err := p.publishMark(ctx, p.nights[0]); err != nil {
			return err
		}
		p.nights = p.nights[1:]
	}
	if time.Since(p.marked) < p.cfg.MarkEvery {
		return nil
	}
	p.marked = time.Now()
	return p.publishMark(ctx, "")
}

func (p *shipper) publishMark(ctx context.Context, night string) error {
	pending, through := p.pending()
	_, err := replaystore.Send(ctx, p.control, replaystore.ShippedMark{Server: p.state.Server, Night: night, Through: through, Pending: pending})
	return err
}

// drop removes segments that are shipped and older than anything that would be sent again.
func (p *shipper) drop() error {
	if time.Since(p.dropped) < p.cfg.Resend/10 {
		return nil
	}
	p.dropped = time.Now()
	return p.dropBefore(p.cfg.Now().Add(-2 * p.cfg.Resend))
}

func (p *shipper) dropBefore(t time.Time) error {
	through := min(p.before(t), p.state.Shipped)
	before := p.journal.Stats().Segments
	if err := p.journal.Drop(through); err != nil {
		return err
	}
	if p.journal.Stats().Segments == before {
		return nil
	}
	left, err := p.journal.Scan(0, 1, 0)
	if err != nil {
		return err
	}
	first := through + 1
	if len(left) > 0 {
		first = left[0].Seq
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index.Sweep(func(seq uint64) bool { return seq < first && seq <= through })
	p.events = int64(p.index.Len())
	return nil
}
