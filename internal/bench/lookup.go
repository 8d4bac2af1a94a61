package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/models/demo"
	"nightshift/models/quantize"
	"nightshift/models/template"
)

// LookupOptions choose a benchmark of drafts out of the text itself.
type LookupOptions struct {
	Options
	Dialogues int // with the model that ships, about three facts each
	Longest   int // draft, in tokens
}

// Lookup measures how fast one answer at a time is made with drafts out of the text and without, side by side. Customers of
// the model that ships ask for three facts, one after the other, and then for each of them once more in other words, with all
// that was said before in the context; answers are greedy. over_plain is the ratio of tokens per second, prompts excluded, of
// the answers to what was asked before, and new_over_plain that of the others.
//
// The summary counts the answers that are not the same with drafts as without: a step of several tokens rounds differently, so
// that they may part where two tokens are equally likely; largest_gap is by how much they were not, in nats.
func Lookup(ctx context.Context, opt LookupOptions, report Report) (err error) {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("number of dialogues", opt.Dialogues), positive("longest draft", opt.Longest)); err != nil {
		return err
	}
	var engines []*runningEngine
	defer func() { err = errors.Join(err, closeAll(engines)) }()
	for _, longest := range []int{0, opt.Longest} {
		e, err := startDemo(ctx, opt.Options, weights, engine.Config{Slots: 1, Lookup: longest})
		if err != nil {
			return err
		}
		engines = append(engines, e)
	}
	plain := engines[0]
	opt.say("hold %d dialogues", opt.Dialogues)
	asked, err := dialogues(ctx, plain, opt.Dialogues)
	if err != nil {
		return err
	}
	p := plan{bench: "lookup", options: opt.Options, judged: "over_plain"}
	answers := make([][][]int32, 0, 4)
	for _, again := range []bool{false, true} {
		name := map[bool]string{false: "new", true: "again"}[again]
		for i, e := range engines {
			at, list := len(answers), asked[again]
			answers = append(answers, nil)
			p.cases = append(p.cases, testCase{name: []string{name + " plain", name + " lookup"}[i], weights: weights,
				settings: []Number{{"batch", 1}, {"longest", float64(i * opt.Longest)}},
				run: func(ctx context.Context, _ int) (m measurement, err error) {
					answers[at], m, err = answerAll(ctx, e.Engine, list)
					return m, err
				}})
		}
	}
	p.ratios = []ratio{{"new_over_plain", 1, 0, "tokens_per_second"}, {"over_plain", 3, 2, "tokens_per_second"}}
	for _, c := range p.cases { // what each shape of a step needs is made the first time
		if _, err := c.run(ctx, -1); err != nil {
			return err
		}
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	summary := lines[3]
	parted, err := partings(ctx, plain.Engine, slices.Concat(asked[false], asked[true]), slices.Concat(answers[0], answers[2]), slices.Concat(answers[1], answers[3]))
	if err != nil {
		return err
	}
	summary.Figures = append(slices.Clone(summary.Figures), parted...)
	return p.conclude(lines, summary, report)
}

// startDemo is startEngine with the model that ships.
func startDemo(ctx context.Context, opt Options, weights string, cfg engine.Config) (*runningEngine, error) {
	dir, err := demo.Dir(opt.CacheDir)
	if err != nil {
		return nil, err
	}
	if weights == formats[0].name {
		weights = quantize.Float32
	}
	model, err := engine.LoadModelAs(dir, opt.CacheDir, weights)
	if err != nil {
		return nil, err
	}
	cfg.Threads, cfg.Spin = opt.Threads, true
	e, err := engine.New(model, cfg)
	if err != nil {
		return nil, err
	}
	return &runningEngine{e, running(ctx, e.Run)}, nil
}

// factsEach is how many facts a dialogue is about.
const factsEach = 3

// dialogues holds conversations and returns the prompts of all their questions, by whether the fact was asked for before.
func dialogues(ctx context.Context, e *runningEngine, n int) (map[bool][][]int32, error) {
	asked := map[bool][][]int32{}
	facts := demo.Facts()
	for d := range n {
		var said []template.Message
		for turn := range 2 * factsEach {
			fact := facts[(d*factsEach+turn%factsEach)*7%len(facts)]
			questions := fact.Questions(demo.Demo)
			again := turn >= factsEach
			question := questions[d%len(questions)]
			if again {
				question = questions[(d+len(questions)/2)%len(questions)]
			}
			said = append(said, template.Message{Role: demo.User, Content: question})
			ids, err := e.Model().ChatTokens(said)
			if err != nil {
				return nil, err
			}
			if len(ids)+answerTokens > e.Model().Config.Context {
				break
			}
			_, text, err := answerOne(ctx, e.Engine, ids, 0)
			if err != nil {
				return nil, err
			}
			said = append(said, template.Message{Role: demo.Assistant, Content: text})
			asked[again] = append(asked[again], ids)
		}
	}
	if len(asked[true]) == 0 {
		return nil, errors.New("hold dialogues: no question was asked twice within the model's context")
	}
	return asked, nil
}

// answerTokens is the length of the longest answer.
const answerTokens = 48

// greedyAnswer is an answer to one of the prompts.
type greedyAnswer struct {
	tokens []int32
	tops   [][]sampling.Choice
	result engine.Result
}

// answerOne is the greedy answer to a prompt, alone, with the likeliest tokens at each place when top is not 0.
func answerOne(ctx context.Context, e *engine.Engine, prompt []int32, top int) (a greedyAnswer, text string, err error) {
	pin, ok := e.Bank().Pin("")
	if !ok {
		return a, "", errors.New("answer a prompt: the base model is not in the bank")
	}
	s, err := e.Submit(ctx, engine.Request{Prompt: prompt, Pin: pin, MaxTokens: answerTokens, TopLogProbs: top})
	if err != nil {
		return a, "", err
	}
	for p := range s.Pieces {
		if text += p.Text; p.HasToken {
			a.tokens, a.tops = append(a.tokens, p.Token), append(a.tops, p.Top)
		}
	}
	a.result = s.Result()
	return a, text, a.result.Err
}

// answerAll answers one prompt after the other.
func answerAll(ctx context.Context, e *engine.Engine, prompts [][]int32) (answers [][]int32, m measurement, err error) {
	before, steps := e.Lookups(), e.Stats().Steps
	tokens, seconds, begin := 0, 0.0, time.Now()
	for _, ids := range prompts {
		a, _, err := answerOne(ctx, e, ids, 0)
		if err != nil {
			return nil, m, err
		}
		tokens += len(a.tokens) - 1 // the prompt's step brings the first
		seconds += a.result.Timings.Decode.Seconds()
		answers = append(answers, a.tokens)
	}
	after := e.Lookups()
	m.figures = []Number{{"tokens_per_second", float64(tokens) / seconds}, {"answers_per_second", float64(len(prompts)) / time.Since(begin).Seconds()},
		{"tokens_per_step", float64(tokens) / float64(e.Stats().Steps-steps)}}
	drafted, accepted := after.Drafted-before.Drafted, after.Accepted-before.Accepted
	if drafted > 0 {
		m.figures = append(m.figures, Number{"accepted_share", float64(accepted) / float64(drafted)})
	}
	m.counts = []Number{{"tokens", float64(tokens)}, {"drafted", float64(drafted)}, {"accepted", float64(accepted)}}
	return answers, m, nil
}

// partings counts the answers that are different with drafts, and finds the largest gap in nats between the two tokens where
// such answers part, under the model without drafts.
func partings(ctx context.Context, e *engine.Engine, prompts, plain, drafted [][]int32) ([]Number, error) {
	parted, largest := 0, 0.0
	for i, want := range plain {
		if slices.Equal(want, drafted[i]) {
			continue
		}
		parted++
		at := 0
		for at < min(len(want), len(drafted[i])) && want[at] == drafted[i][at] {
			at++
		}
		if at == min(len(want), len(drafted[i])) {
			return nil, fmt.Errorf("answer %d with drafts has %d tokens, without %d, and one begins with the other", i, len(drafted[i]), len(want))
		}
		a, _, err := answerOne(ctx, e, prompts[i], e.Model().Config.Vocab)
		if err != nil {
			return nil, err
		}
		var of [2]float64
		for _, c := range a.tops[at] {
			for side, id := range []int32{want[at], drafted[i][at]} {
				if c.ID == id {
					of[side] = float64(c.LogProb)
				}
			}
		}
		largest = max(largest, math.Abs(of[0]-of[1]))
	}
	return []Number{{"answers", float64(len(plain))}, {"parted", float64(parted)}, {"largest_gap", largest}}, nil
}
