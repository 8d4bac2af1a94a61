package continual

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/retention"
)

// Options are a whole benchmark.
type Options struct {
	Model   *Model
	Budget  Budget
	Sizes   Sizes
	Stream  StreamOptions
	Methods []Method
	Tracks  []string // Tasks, Streaming
	Orders  int
	Seeds   int
	Workers int // each has graphs of its own and one thread; no figure depends on it
	Report  func(RunReport) error
}

// RunReport is what there is to say after each run.
type RunReport struct {
	Stage string
	Done  int
	Total int           // of the stage
	Left  time.Duration // estimate for the stage; 0 while nothing was run
	Run   Record
	Kept  bool // from an earlier, interrupted benchmark
}

// DefaultBudget is what a method may spend in the full benchmark.
func DefaultBudget() Budget {
	return Budget{Rank: 8, Alpha: 16, Modules: []string{"mlp.c_fc", "mlp.c_proj"}, Rate: 5e-3, Warmup: 0.05, Clip: 1, Rows: 8, Columns: 64, Steps: 60}
}

// DefaultSizes are those of the full benchmark.
func DefaultSizes() Sizes { return Sizes{Train: 16, Exam: 3, Quick: 12} }

// Run measures methods: it tunes those that have a grid on the first order, with facts of use Tune and phrasings of
// Validation, and then takes every method through every order with every seed. It returns the records of the measurement in
// a fixed order; all are in the file of records. What it has already is not run again.
func Run(ctx context.Context, kept *Records, opt Options) ([]Record, error) {
	if opt.Orders < 1 || opt.Seeds < 1 || opt.Workers < 1 || len(opt.Methods) == 0 || len(opt.Tracks) == 0 {
		return nil, fmt.Errorf("run the benchmark with %d methods on %d tracks, %d orders, %d seeds and %d workers: there must be at least one of each",
			len(opt.Methods), len(opt.Tracks), opt.Orders, opt.Seeds, opt.Workers)
	}
	pool, err := newPool(opt)
	if err != nil {
		return nil, err
	}
	defer pool.close()
	settings, err := pool.tune(ctx, kept)
	if err != nil {
		return nil, err
	}
	var cells []cell
	for _, track := range opt.Tracks {
		for _, m := range opt.Methods {
			if m.tasks && track == Streaming {
				continue
			}
			for order := range opt.Orders {
				for seed := range opt.Seeds {
					cells = append(cells, cell{Measuring, track, m.Name, settings[m.Name], order, seed})
				}
			}
		}
	}
	return pool.run(ctx, kept, cells)
}

// pool is the workers.
type pool struct {
	options  Options
	methods  map[string]Method
	orders   [][]int
	learners chan *learner
}

func newPool(opt Options) (*pool, error) {
	p := &pool{options: opt, methods: map[string]Method{}, orders: Orders(opt.Orders, len(Domains())), learners: make(chan *learner, opt.Workers)}
	for _, m := range opt.Methods {
		p.methods[m.Name] = m
	}
	for range opt.Workers {
		l, err := newLearner(opt.Model, opt.Budget)
		if err != nil {
			p.close()
			return nil, err
		}
		p.learners <- l
	}
	return p, nil
}

// close frees the graphs; all learners must be back.
func (p *pool) close() {
	for len(p.learners) > 0 {
		(<-p.learners).close()
	}
}

// tune chooses the settings of every method: those of its grid whose mean ACC of exact answers on the first order is best,
// of equals the first.
func (p *pool) tune(ctx context.Context, kept *Records) (map[string]Settings, error) {
	chosen := map[string]Settings{}
	var cells []cell
	for _, m := range p.options.Methods {
		chosen[m.Name] = m.Settings
		for _, s := range m.Grid {
			cells = append(cells, cell{Tuning, Tasks, m.Name, s, 0, 0})
		}
	}
	records, err := p.run(ctx, kept, cells)
	if err != nil {
		return nil, err
	}
	best := map[string]float64{}
	for _, r := range records {
		m, err := retention.Measure(r.Exact)
		if err != nil {
			return nil, err
		}
		if before, tried := best[r.Method]; !tried || m.ACC > before {
			best[r.Method], chosen[r.Method] = m.ACC, r.Settings
		}
	}
	return chosen, nil
}

// run works through cells.
func (p *pool) run(ctx context.Context, kept *Records, cells []cell) ([]Record, error) {
	records := make([]Record, len(cells))
	var mu sync.Mutex
	done, fresh, begin := 0, 0, time.Now()
	finished := func(i int, r Record, kept bool) error {
		mu.Lock()
		defer mu.Unlock()
		records[i] = r
		done++
		if !kept {
			fresh++
		}
		if p.options.Report == nil {
			return nil
		}
		pr := RunReport{Stage: r.Stage, Done: done, Total: len(cells), Run: r, Kept: kept}
		if fresh > 0 {
			pr.Left = time.Since(begin) / time.Duration(fresh) * time.Duration(len(cells)-done)
		}
		return p.options.Report(pr)
	}
	var missing []int
	keys := make([]string, len(cells))
	for i, c := range cells {
		var err error
		if keys[i], err = p.options.key(c); err != nil {
			return nil, err
		}
		r, ok := kept.Find(keys[i])
		if !ok {
			missing = append(missing, i)
			continue
		}
		if err := finished(i, r, true); err != nil {
			return nil, err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.options.Workers)
	for _, i := range missing {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := p.one(ctx, cells[i])
			if err != nil {
				return err
			}
			r.Key = keys[i]
			return errors.Join(kept.Add(r), finished(i, r, false))
		})
	}
	return records, group.Wait()
}

// one runs one cell on a free learner.
func (p *pool) one(ctx context.Context, c cell) (Record, error) {
	l := <-p.learners
	defer func() { p.learners <- l }()
	begin := time.Now()
	course, err := p.course(c)
	if err != nil {
		return Record{}, err
	}
	s, err := l.study(ctx, p.methods[c.Method], c.Settings, course, uint64(1000*c.Order+c.Seed+1))
	if err != nil {
		return Record{}, fmt.Errorf("run %s over order %d with seed %d: %w", c.Method, c.Order+1, c.Seed+1, err)
	}
	r := s.record(begin)
	r.Stage, r.Track, r.Order, r.Seed, r.Columns = c.Stage, c.Track, c.Order, c.Seed, course.Columns
	for _, phase := range course.Phases {
		r.Phases = append(r.Phases, phase.Name)
	}
	return r, nil
}

// course writes what a cell goes through. Facts depend on the seed and not on the order.
func (p *pool) course(c cell) (Course, error) {
	use, split := Final, Test
	if c.Stage == Tuning {
		use, split = Tune, Validation
	}
	seed := uint64(c.Seed + 1)
	if c.Track == Streaming {
		return StreamCourse(p.orders[c.Order], use, split, seed, p.options.Sizes, p.options.Stream)
	}
	return TaskCourse(p.orders[c.Order], use, split, seed, p.options.Sizes), nil
}
