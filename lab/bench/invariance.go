package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/models/checkpoint"
	"nightshift/models/demo"
)

// InvarianceOptions choose a comparison of answers.
type InvarianceOptions struct {
	Options      // Shape may be Shipped
	Requests int // of each weight format
	Prompt   int // tokens of the longest prompt
	Tokens   int // of the longest answer
}

// Shipped is the name of the model that ships where shapes are named.
const Shipped = "shipped"

// invarianceSlots are enough for the largest batch and its strangers, one choice each.
const invarianceSlots = 40

// Invariance answers random requests (prompts, versions, sampling, penalties, biases, log-probabilities, choices) one at a time, each
// choice as a request of its own, and then again in batches of 2 to 32 of random members, among strangers that leave midway: with 1
// and 2 threads, with and without a prefix cache. It counts the requests whose answers are, with all their log-probabilities, bit for
// bit those that were given alone; fewer than all are an error.
func Invariance(ctx context.Context, opt InvarianceOptions, report Report) (err error) {
	named := opt.Options
	if named.Shape == Shipped {
		named.Shape = "demo" // which has that one's
	}
	if err := errors.Join(opt.check(), named.formats(), positive("number of requests", opt.Requests), positive("prompt length", opt.Prompt), positive("number of tokens", opt.Tokens)); err != nil {
		return err
	}
	p := plan{bench: "invariance", options: opt.Options}
	var engines []*runningEngine
	defer func() { err = errors.Join(err, closeAll(engines)) }()
	for _, weights := range opt.Weights {
		opt.say("open %s in %s", opt.Shape, weights)
		model, err := invarianceModel(opt.Options, weights)
		if err != nil {
			return err
		}
		start := func(threads int, cache int64) (*runningEngine, error) {
			e, err := startOn(ctx, model, engine.Config{Threads: threads, PrefixCache: cache, Slots: invarianceSlots, QueueTokens: maxChoices * 2 * invarianceSlots * model.Config.Context})
			if err != nil {
				return nil, err
			}
			engines = append(engines, e)
			return e, installStrange(e)
		}
		alone, err := start(1, -1)
		if err != nil {
			return err
		}
		jobs := randomRequests(opt, model)
		opt.say("ask %d questions, one at a time", len(jobs))
		want := make([][32]byte, len(jobs))
		for i, j := range jobs {
			if want[i], err = alone.digestAlone(ctx, j); err != nil {
				return fmt.Errorf("answer request %d alone: %w", i, err)
			}
		}
		for threads := 1; threads <= 2; threads++ {
			for _, cache := range []int64{-1, 0} {
				e, err := start(threads, cache)
				if err != nil {
					return err
				}
				name := fmt.Sprintf("%d threads", threads)
				if cache == 0 {
					name += ", prefix cache"
				}
				p.cases = append(p.cases, testCase{name: name, weights: weights, run: func(ctx context.Context, block int) (measurement, error) {
					return e.replay(ctx, jobs, want, rand.New(rand.NewPCG(14, uint64(block))))
				}})
			}
		}
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	summary := p.line(testCase{weights: strings.Join(opt.Weights, ",")})
	summary.Blocks, summary.Threads, summary.Summary = opt.Blocks, 0, true
	var requests, identical float64
	for _, l := range lines {
		n, _ := l.Figure("requests")
		same, _ := l.Figure("identical")
		requests, identical = requests+n, identical+same
	}
	summary.Figures = []Number{{"requests", requests}, {"identical", identical}}
	if err := report(summary); err != nil || identical == requests {
		return err
	}
	return fmt.Errorf("%.0f of %.0f answers are not those that were given alone", requests-identical, requests)
}

// invarianceModel opens the model that ships, converted as it is, or a random one.
func invarianceModel(opt Options, weights string) (*engine.Model, error) {
	if opt.Shape != Shipped {
		return RandomModel(opt.Shape, weights, opt.CacheDir)
	}
	f, err := formatOf(weights)
	if err != nil {
		return nil, err
	}
	dir, err := demo.Dir(opt.CacheDir)
	if err != nil {
		return nil, err
	}
	c, err := checkpoint.Open(dir, opt.CacheDir)
	if err != nil {
		return nil, err
	}
	return f.open(c, opt.CacheDir)
}

// startOn runs an engine on a model.
func startOn(ctx context.Context, model *engine.Model, cfg engine.Config) (*runningEngine, error) {
	e, err := engine.New(model, cfg)
	if err != nil {
		return nil, err
	}
	return &runningEngine{e, running(ctx, e.Run)}, nil
}

// strangeRanks are those of the versions that are asked besides the base model.
var strangeRanks = []int{8, 3, 16, 8}

func installStrange(e *runningEngine) error {
	for i, rank := range strangeRanks {
		a, err := randomAdapter(e.Model().Config, rank, uint64(i))
		if err != nil {
			return err
		}
		if err := e.Bank().Install(adapterName(i), a); err != nil {
			return err
		}
	}
	return nil
}

// namedRequest is a request for a version that every engine has.
type namedRequest struct {
	engine.Request
	version string
}

// maxChoices is how many answers a request of randomRequests wants at most.
const maxChoices = 3

// randomRequests are of all kinds; a third begin in one of a few ways, which a prefix cache knows after the first time, and a fifth
// want several choices.
func randomRequests(opt InvarianceOptions, model *engine.Model) []namedRequest {
	random := rand.New(rand.NewPCG(15, 0))
	vocab, longest := model.Config.Vocab, min(opt.Prompt, model.Config.Context-1)
	var beginnings [][]int32
	for range 3 {
		beginnings = append(beginnings, randomPrompt(random, longest*3/4, vocab))
	}
	list := make([]namedRequest, opt.Requests)
	for i := range list {
		r := namedRequest{Request: engine.Request{MaxTokens: 1 + random.IntN(opt.Tokens), IgnoreEOS: i%2 == 0, TopLogProbs: random.IntN(4), PromptLogProbs: i%9 == 0}}
		if v := random.IntN(len(strangeRanks) + 1); v > 0 {
			r.version = adapterName(v - 1)
		}
		if i%3 == 0 {
			b := beginnings[random.IntN(len(beginnings))]
			r.Prompt = append(append(r.Prompt, b...), randomPrompt(random, 1+random.IntN(max(1, longest-len(b))), vocab)...)
		} else {
			r.Prompt = randomPrompt(random, 1+random.IntN(longest), vocab)
		}
		if i%5 == 0 {
			r.Choices = 2 + random.IntN(maxChoices-1)
		}
		switch i % 6 {
		case 1:
			r.Sampling = sampling.Params{Temperature: 1, Seed: random.Uint64()}
		case 2:
			r.Sampling = sampling.Params{Temperature: 0.8, TopK: 20, TopP: 0.9, Seed: random.Uint64()}
		case 3:
			r.Sampling = sampling.Params{Temperature: 1.2, TopP: 0.95, Seed: random.Uint64()}
			r.Adjustment = sampling.Adjustment{Repetition: 1.2, Presence: 0.5}
		case 4:
			r.Sampling = sampling.Params{Temperature: 1.1, MinP: 0.02, Seed: random.Uint64()}
			r.Adjustment = sampling.Adjustment{Frequency: 0.7, Bias: randomBias(random, vocab)}
		case 5: // greedy
			r.Adjustment = sampling.Adjustment{Frequency: 0.4, MinTokens: random.IntN(r.MaxTokens + 1), Bias: randomBias(random, vocab)}
		}
		list[i] = r
	}
	return list
}

// randomBias makes some tokens likelier and others less likely.
func randomBias(random *rand.Rand, vocab int) []sampling.Bias {
	list := make([]sampling.Bias, 1+random.IntN(20))
	for i := range list {
		list[i] = sampling.Bias{Token: random.Int32N(int32(vocab)), Value: 8*random.Float32() - 4}
	}
	return list
}

// submit sends a request to the engine.
func (e *runningEngine) submit(ctx context.Context, r namedRequest) (*engine.Stream, error) {
	pin, ok := e.Bank().Pin(r.version)
	if !ok {
		return nil, fmt.Errorf("version %s is not in the bank", r.version)
	}
	r.Pin = pin
	return e.Submit(ctx, r.Request)
}

// digestAlone answers a request's choices one after the other, each as a request of its own, and sums up what they say as digestOf
// does.
func (e *runningEngine) digestAlone(ctx context.Context, r namedRequest) ([32]byte, error) {
	said := transcript{}
	for i := range max(r.Choices, 1) {
		one := r
		one.Choices, one.PromptLogProbs, one.Sampling.Seed = 1, r.PromptLogProbs && i == 0, sampling.ChoiceSeed(r.Sampling.Seed, i)
		s, err := e.submit(ctx, one)
		if err != nil {
			return [32]byte{}, err
		}
		own, err := read(s)
		if err != nil {
			return [32]byte{}, err
		}
		said.prompt = append(said.prompt, own.prompt...)
		said.choices = append(said.choices, own.choices...)
	}
	return said.digest(), nil
}

// digestOf reads the answers to a request to their end and sums up all that they say.
func digestOf(s *engine.Stream) ([32]byte, error) {
	said, err := read(s)
	return said.digest(), err
}

// transcript is all that the answers to a request say: of each its tokens, its log-probabilities with those of the likeliest tokens,
// and why it ended; and the log-probabilities of the prompt.
type transcript struct {
	prompt  []byte
	choices [][]byte
}

func (t transcript) digest() [32]byte {
	return sha256.Sum256(append(bytes.Join(t.choices, nil), t.prompt...))
}

// read reads the answers to a request to their end.
func read(s *engine.Stream) (t transcript, err error) {
	number := binary.LittleEndian.AppendUint32
	top := func(said []byte, list []sampling.Choice) []byte {
		said = number(said, uint32(len(list)))
		for _, c := range list {
			said = number(number(said, uint32(c.ID)), math.Float32bits(c.LogProb))
		}
		return said
	}
	for p := range s.Pieces {
		for len(t.choices) <= p.Choice {
			t.choices = append(t.choices, nil)
		}
		if said := &t.choices[p.Choice]; p.HasToken {
			*said = top(number(number(*said, uint32(p.Token)), math.Float32bits(p.LogProb)), p.Top)
		}
	}
	for _, p := range s.Prompt() {
		t.prompt = top(number(t.prompt, math.Float32bits(p.LogProb)), p.Top)
	}
	for i, r := range s.Results() {
		if r.Err != nil {
			return t, r.Err
		}
		t.choices[i] = append(t.choices[i], r.Finish...)
	}
	return t, nil
}

// replay answers all requests in random batches and counts the answers that are those given alone.
func (e *runningEngine) replay(ctx context.Context, jobs []namedRequest, want [][32]byte, random *rand.Rand) (measurement, error) {
	order := random.Perm(len(jobs))
	identical, strangers := 0, 0
	before := e.Stats()
	for len(order) > 0 {
		batch := order[:min(len(order), 2+random.IntN(31))]
		order = order[len(batch):]
		leave, cancel := context.WithCancel(ctx)
		var streams, strange []*engine.Stream
		for i, at := range batch {
			if i%4 == 0 {
				s, err := e.submit(leave, namedRequest{Request: engine.Request{Prompt: randomPrompt(random, 1+random.IntN(20), e.Model().Config.Vocab), MaxTokens: 64, IgnoreEOS: true},
					version: adapterName(random.IntN(len(strangeRanks)))})
				if err != nil {
					cancel()
					return measurement{}, err
				}
				strange = append(strange, s)
			}
			s, err := e.submit(ctx, jobs[at])
			if err != nil {
				cancel()
				return measurement{}, err
			}
			streams = append(streams, s)
		}
		for i, s := range streams {
			if i == len(streams)/2 {
				cancel()
			}
			got, err := digestOf(s)
			if err != nil {
				cancel()
				return measurement{}, fmt.Errorf("answer request %d in a batch of %d: %w", batch[i], len(batch), err)
			}
			if got == want[batch[i]] {
				identical++
			}
		}
		cancel()
		for _, s := range strange {
			if err := s.Result().Err; err != nil && !errors.Is(err, context.Canceled) {
				return measurement{}, fmt.Errorf("answer a stranger: %w", err)
			}
		}
		strangers += len(strange)
	}
	after := e.Stats()
	return measurement{figures: []Number{{"rows_per_step", float64(after.StepRows-before.StepRows) / float64(after.Steps-before.Steps)}},
		counts: []Number{{"requests", float64(len(jobs))}, {"identical", float64(identical)}, {"strangers", float64(strangers)}, {"prefix_hits", float64(after.PrefixHits - before.PrefixHits)}}}, nil
}
