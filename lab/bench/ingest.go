package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nightshift/internal/redact"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/redisstore"
)

// IngestOptions choose a benchmark of the replay store.
type IngestOptions struct {
	Options
	Interactions int     // in each block
	Writers      int     // at the same time
	Rate         float64 // interactions a second while what they add to a response is measured
	Requests     int     // over HTTP in each block, of a server that records and of one that does not
	Redis        string  // host:port; "" measures the local store alone
}

// Ingest measures how many interactions a second the store takes: durable ones into the local journal, and where Redis is
// given into Redis, until it has all of them; and what recording adds to a response, redaction included, at a rate that
// answers may have; and the same over HTTP, where a server that records and one that does not answer the same requests, as the difference
// of their times. In Redis it uses a prefix of its own and has the interactions forgotten at the end; a few fixed keys
// under that prefix stay. The summary is the line of the last case, and what recording adds over HTTP.
func Ingest(ctx context.Context, opt IngestOptions, report Report) (err error) {
	if err := errors.Join(opt.check(), positive("number of interactions", opt.Interactions), positive("number of writers", opt.Writers), positive("number of requests", opt.Requests)); err != nil {
		return err
	}
	if !(opt.Rate > 0) {
		return fmt.Errorf("a rate of %v interactions a second: it must be positive", opt.Rate)
	}
	redactor, err := redact.New(redact.Config{})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return fmt.Errorf("measure the store: %w", err)
	}
	defer os.RemoveAll(dir)
	p := plan{bench: "ingest", options: opt.Options, judged: addedHTTP, intervals: []string{"added_http_ms_p50", addedHTTP}}
	p.options.Shape = ""
	servers, err := startAnswering(ctx, opt.Options, opt.Requests)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.close()) }()
	if _, err := servers.block(ctx, -1); err != nil { // touches the memory
		return err
	}
	p.cases = []testCase{{name: recordedCase, settings: []Number{{"prompt", answeredPrompt}, {"tokens", answeredTokens}}, run: servers.block}}
	add := func(kind string, store replaystore.Store) {
		r := &ingestRun{opt: opt, store: store, redactor: redactor}
		p.cases = append(p.cases, testCase{name: kind, settings: []Number{{"writers", float64(opt.Writers)}}, run: r.block})
	}
	log := slog.New(slog.DiscardHandler)
	local, err := localstore.Open(localstore.Config{Dir: filepath.Join(dir, "local"), Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, local.Close()) }()
	add("local", local)
	if opt.Redis != "" {
		prefix := "nightshift-bench-" + strings.ReplaceAll(replaystore.NewID(), "-", "")
		remote, rerr := redisstore.Open(ctx, redisstore.Config{Addrs: []string{opt.Redis}, Prefix: prefix, Dir: filepath.Join(dir, "redis"), Log: log})
		if rerr != nil {
			return rerr
		}
		defer func() {
			_, ferr := remote.Erase(context.WithoutCancel(ctx), benchSubject)
			err = errors.Join(err, ferr, remote.Close())
		}()
		add("redis", remote)
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	summary := lines[len(lines)-1]
	for _, name := range []string{addedHTTP, addedHTTP + "_low", addedHTTP + "_high"} {
		v, _ := lines[0].Figure(name)
		summary.Figures = append(summary.Figures, Number{name, v})
	}
	if lost, _ := summary.Figure("lost"); lost > 0 {
		err = fmt.Errorf("%v interactions were not kept", lost)
	}
	return errors.Join(p.conclude(lines, summary, report), err)
}

// benchSubject is the person of all interactions, by which they are found again.
const benchSubject = "bench"

// ingestRun is one store under measurement.
type ingestRun struct {
	opt      IngestOptions
	store    replaystore.Store
	redactor *redact.Redactor
}

// block writes durably, then as answers do.
func (r *ingestRun) block(ctx context.Context, _ int) (measurement, error) {
	events := make([]replaystore.Event, r.opt.Interactions)
	random := rand.New(rand.NewPCG(11, 0))
	for i := range events {
		events[i] = r.event(random)
	}
	begin := time.Now()
	if err := r.append(ctx, events); err != nil {
		return measurement{}, err
	}
	durable := float64(len(events)) / time.Since(begin).Seconds()
	if err := r.store.Sync(ctx); err != nil {
		return measurement{}, fmt.Errorf("measure the store: %w", err)
	}
	shipped := float64(len(events)) / time.Since(begin).Seconds()
	added, lost, err := r.answers(ctx, random)
	return measurement{figures: []Number{{"durable_per_second", durable}, {"shipped_per_second", shipped}}, samples: []sample{{"added_ms", added}},
		counts: []Number{{"interactions", float64(len(events) + len(added))}, {"lost", float64(lost)}}}, err
}

// append writes all events durably, one at a time by each of the writers.
func (r *ingestRun) append(ctx context.Context, events []replaystore.Event) error {
	var next atomic.Int64
	failed := make([]error, r.opt.Writers)
	var wg sync.WaitGroup
	for w := range r.opt.Writers {
		wg.Go(func() {
			for failed[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(events) {
					return
				}
				failed[w] = r.store.Append(ctx, events[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

// answers records interactions at the rate as the server does before the last byte of an answer, for a tenth as many of them.
func (r *ingestRun) answers(ctx context.Context, random *rand.Rand) (added []float64, lost int, err error) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / r.opt.Rate))
	defer tick.Stop()
	for range max(1, r.opt.Interactions/10) {
		e := r.event(random)
		select {
		case <-ctx.Done():
			return added, lost, ctx.Err()
		case <-tick.C:
		}
		begin := time.Now()
		i := e.Interaction
		for n := range i.Messages {
			i.Messages[n].Content, _ = r.redactor.Text(i.Messages[n].Content)
		}
		i.Answer, _ = r.redactor.Text(i.Answer)
		if !r.store.AppendAsync(e) {
			lost++
		}
		added = append(added, milliseconds(time.Since(begin)))
	}
	return added, lost, nil
}

// event is an interaction of 32 prompt and 64 answer tokens.
func (r *ingestRun) event(random *rand.Rand) replaystore.Event {
	words := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString([]string{"the ", "order ", "tent ", "returns ", "within ", "thirty ", "days ", "please "}[random.IntN(8)])
		}
		return b.String()
	}
	logProbs := make([]float32, 64)
	for i := range logProbs {
		logProbs[i] = -random.Float32()
	}
	return replaystore.Event{Interaction: &replaystore.Interaction{
		ID: replaystore.NewID(), Track: replaystore.DefaultTrack, Time: time.Now(), Subject: benchSubject,
		Messages: []replaystore.Message{{Role: replaystore.RolePrompt, Content: words(32)}}, Answer: words(64),
		PromptTokens: randomPrompt(random, 32, 50257), AnswerTokens: randomPrompt(random, 64, 50257), LogProbs: logProbs, Finish: "length", Weights: "f32",
	}}
}
