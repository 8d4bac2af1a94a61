package localstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"nightshift/replaystore"
)

// controlLength is how many signals are kept.
const controlLength = 10_000

// Server is the name under which a local store publishes its shipped marks.
const Server = "local"

// control is the control stream of one process. Ids are numbers that count up.
type control struct {
	now func() time.Time

	mu      sync.Mutex
	signals []replaystore.Signal // the last controlLength; the id of signals[i] is first+i
	first   uint64
	more    chan struct{} // closed when a signal comes or the store closes
	closed  bool
}

func newControl(now func() time.Time) *control {
	return &control{now: now, first: 1, more: make(chan struct{})}
}

// Publish implements replaystore.Control. A request for a night is answered at once with a shipped mark: in one process
// everything acknowledged can be read.
func (c *control) Publish(_ context.Context, s replaystore.Signal) (string, error) {
	if err := s.Validate(); err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return "", replaystore.ErrClosed
	}
	id := c.add(s)
	if s.Kind == replaystore.KindNightRequest {
		request, err := replaystore.Decode[replaystore.NightRequest](s)
		if err != nil {
			return id, err
		}
		mark, err := replaystore.NewSignal(replaystore.ShippedMark{Server: Server, Night: request.Night, Through: c.now()})
		if err != nil {
			return id, err
		}
		c.add(mark)
	}
	return id, nil
}

// add appends a signal and wakes the readers. Called with mu.
func (c *control) add(s replaystore.Signal) string {
	if s.Time.IsZero() {
		s.Time = c.now()
	}
	s.ID = strconv.FormatUint(c.first+uint64(len(c.signals)), 10)
	s.Data = slices.Clone(s.Data)
	c.signals = append(c.signals, s)
	if over := len(c.signals) - controlLength; over > 0 {
		c.signals = slices.Delete(c.signals, 0, over)
		c.first += uint64(over)
	}
	close(c.more)
	c.more = make(chan struct{})
	return s.ID
}

// Read implements replaystore.Control.
func (c *control) Read(ctx context.Context, after string, limit int, block time.Duration) ([]replaystore.Signal, error) {
	from := uint64(0)
	if after != "" {
		n, err := strconv.ParseUint(after, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read control stream: %q is not an id of it", after)
		}
		from = n
	}
	timer := time.NewTimer(max(block, 0))
	defer timer.Stop()
	for {
		c.mu.Lock()
		closed, more := c.closed, c.more
		var out []replaystore.Signal
		if at := max(from+1, c.first) - c.first; at < uint64(len(c.signals)) {
			out = slices.Clone(c.signals[at:min(at+uint64(max(limit, 0)), uint64(len(c.signals)))])
		}
		c.mu.Unlock()
		switch {
		case closed:
			return nil, replaystore.ErrClosed
		case len(out) > 0 || limit <= 0 || block <= 0:
			return out, nil
		}
		select {
		case <-more:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Last implements replaystore.Control.
func (c *control) Last(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return "", replaystore.ErrClosed
	}
	if len(c.signals) == 0 {
		return "", nil
	}
	return c.signals[len(c.signals)-1].ID, nil
}

func (c *control) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	close(c.more)
	c.more = make(chan struct{})
}
