package serve

import (
	"context"
	"time"

	"nightshift/replaystore"
)

const loadEvery = 2 * time.Second // between load signals

// listen reads the control stream: hints for the registry, requests and steps of nights. It also says how busy this
// server is. A stream that fails is read again later: it carries no truth.
func (s *Server) listen(ctx context.Context) error {
	control := s.deps.Store.Control()
	after, told := "", false
	var lastLoad time.Time
	for ctx.Err() == nil {
		if !told {
			last, err := control.Last(ctx)
			if err != nil {
				s.pause(ctx, err)
				continue
			}
			after, told = last, true
		}
		if now := time.Now(); now.Sub(lastLoad) >= loadEvery {
			lastLoad = now
			s.nights.sweep(now)
			if err := s.tellLoad(ctx, control); err != nil {
				s.pause(ctx, err)
				continue
			}
		}
		signals, err := control.Read(ctx, after, 100, loadEvery)
		if err != nil {
			s.pause(ctx, err)
			continue
		}
		for _, signal := range signals {
			after = signal.ID
			s.hear(signal)
		}
	}
	return nil
}

// pause waits before the stream is tried again.
func (s *Server) pause(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.log.Debug("the control stream cannot be used", "error", err)
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// hear acts on a signal.
func (s *Server) hear(signal replaystore.Signal) {
	switch signal.Kind {
	case replaystore.KindActivation:
		select {
		case s.hints <- struct{}{}:
		default:
		}
	case replaystore.KindNightRequest:
		if r, err := replaystore.Decode[replaystore.NightRequest](signal); err == nil {
			s.nights.requested(r)
		}
	case replaystore.KindProgress:
		if p, err := replaystore.Decode[replaystore.ProgressSignal](signal); err == nil {
			s.nights.progress(p)
		}
	}
}

// tellLoad publishes how busy the engine is, and the inter-token latency of the last seconds.
func (s *Server) tellLoad(ctx context.Context, control replaystore.Control) error {
	stats := s.deps.Engine.Stats()
	p50, p99, n := s.itl.quantiles()
	s.itl.next()
	_, err := replaystore.Send(ctx, control, replaystore.LoadSignal{Server: s.cfg.Name, Active: int(stats.Active), Queued: int(stats.Waiting),
		Busy: min(1, float64(stats.Active)/float64(s.cfg.Slots)), ITLCount: n, ITLP50: p50.Seconds() * 1e3, ITLP99: p99.Seconds() * 1e3})
	return err
}
