package runner

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/replaystore"
)

// Governor says when a night's child process gives way to servers. It then computes for a part of each pulse, and the night
// takes longer.
type Governor struct {
	Target   time.Duration `yaml:"target" min:"0s" max:"1m" doc:"Target of the inter-token latency of servers, 99th percentile. Training computes for a smaller part of the time while a server comes near it\nor has requests waiting, and all of the time while no server has anything to do. 0: training never gives way."`
	MinShare float64       `yaml:"min_share" min:"0.01" max:"1" doc:"Minimum share of the time that training computes. Half of the deadline after its start it computes all of the time, so that nights end."`
}

const (
	pulse      = 50 * time.Millisecond // in which the child runs once: short beside what readers notice, long beside a switch of processes
	signalLife = 10 * time.Second      // a server that says nothing for longer is gone
	interval   = 2 * time.Second       // at least between two changes of the share: what a change does must be seen first
	near       = 0.9                   // of the target: from there on the share falls
	far        = 0.7                   // of the target: from there on it rises
)

// governor decides how much of the time a child process may compute, from what servers say about their load: a server that
// has requests waiting, or whose readers wait nearly as long as the target, halves the share; when all are well it rises by a
// quarter; when none has anything to do it is whole at once. After half of the deadline it is whole for good, so that a night
// which would be done in half of its deadline by itself is always done in time.
type governor struct {
	cfg  Governor
	full time.Time // from then on nothing is given way to

	mu      sync.Mutex
	servers map[string]heardLoad
	share   float64 // of the time, 0…1
	changed time.Time
}

type heardLoad struct {
	at   time.Time
	load replaystore.LoadSignal
}

func newGovernor(cfg Governor, full time.Time) *governor {
	return &governor{cfg: cfg, full: full, servers: map[string]heardLoad{}, share: 1}
}

// hear takes what a server says.
func (g *governor) hear(l replaystore.LoadSignal, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.servers[l.Server] = heardLoad{now, l}
	g.decide(now)
}

// decide sets the share. Called with mu.
func (g *governor) decide(now time.Time) {
	target := g.cfg.Target.Seconds() * 1e3
	worst, waiting, idle := 0.0, false, true
	for name, s := range g.servers {
		if now.Sub(s.at) > signalLife {
			delete(g.servers, name)
			continue
		}
		worst = max(worst, s.load.ITLP99)
		waiting = waiting || s.load.Queued > 0
		idle = idle && s.load.Queued == 0 && s.load.Active == 0 && s.load.ITLCount == 0
	}
	switch {
	case idle:
		g.share, g.changed = 1, time.Time{}
	case now.Sub(g.changed) < interval:
	case waiting || worst >= near*target:
		g.share, g.changed = max(g.cfg.MinShare, g.share/2), now
	case worst < far*target:
		g.share, g.changed = min(1, g.share*1.25), now
	}
}

// now returns the part of the time that the child may compute.
func (g *governor) now(now time.Time) float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !now.Before(g.full) {
		return 1
	}
	for _, s := range g.servers {
		if now.Sub(s.at) > signalLife { // nobody may be left who would say so
			g.decide(now)
			break
		}
	}
	return g.share
}

// govern stops and continues a child process as its governor says, until ctx ends; the child is left running. It returns the
// part of the time that the child had.
func (l *Local) govern(ctx context.Context, child *os.Process) (had float64) {
	g := newGovernor(l.cfg.Governor, l.deps.Now().Add(l.cfg.Deadline/2))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { l.followLoad(ctx, g); return nil })
	group.Go(func() error {
		had = pulses(ctx, func() float64 { return g.now(l.deps.Now()) }, child.Signal, wait)
		return nil
	})
	_ = group.Wait() // neither returns an error
	return had
}

// followLoad tells a governor what servers say from now on. The stream carries hints: without it nothing is given way to.
func (l *Local) followLoad(ctx context.Context, g *governor) {
	control, after, told := l.deps.Control, "", false
	for ctx.Err() == nil {
		var list []replaystore.Signal
		var err error
		if !told {
			after, err = control.Last(ctx)
			told = err == nil
		} else {
			list, err = control.Read(ctx, after, 100, interval)
		}
		if err != nil {
			wait(ctx, interval)
			continue
		}
		for _, s := range list {
			after = s.ID
			if s.Kind != replaystore.KindLoad {
				continue
			}
			if load, err := replaystore.Decode[replaystore.LoadSignal](s); err == nil {
				g.hear(load, l.deps.Now())
			}
		}
	}
}

// pulses lets a process run for a share of each pulse until ctx ends or the process has. It returns the part of the time that
// the process ran. The process is stopped and not asked, because one batch of training can take seconds, in which every token
// that is served would be late.
func pulses(ctx context.Context, share func() float64, signal func(os.Signal) error, wait func(context.Context, time.Duration)) float64 {
	ran, all := time.Duration(0), time.Duration(0)
	for ctx.Err() == nil {
		on := pulse
		if s := share(); s < 1 {
			on = time.Duration(s * float64(pulse))
			if signal(syscall.SIGSTOP) != nil { // it has ended
				break
			}
			wait(ctx, pulse-on)
			if signal(syscall.SIGCONT) != nil {
				break
			}
		}
		wait(ctx, on)
		ran, all = ran+on, all+pulse
	}
	if all == 0 {
		return 1
	}
	return float64(ran) / float64(all)
}

// wait waits until a time has passed or ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
