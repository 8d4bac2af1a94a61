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
// A step of several tokens rounds differently, so that an answer with drafts may leave the one without where two tokens are equally
// likely. Each that does gets a line: which answer, the position of the token, the gap between the two tokens there in nats, and
// whether it is a tie: at most twice rounding, which is by how much gaps between likely tokens differ at most between steps of one
// token and of several, over all answers. The summary counts them (parted); those that are no ties (not_tied) are an error.
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
	prompts := slices.Concat(asked[false], asked[true])
	parted, err := partings(ctx, plain.Engine, prompts, slices.Concat(answers[0], answers[2]), slices.Concat(answers[1], answers[3]))
	if err != nil {
		return err
	}
	limit, err := rounding(ctx, plain.Engine, prompts)
	if err != nil {
		return err
	}
	summary, notTied, largest := lines[3], 0, 0.0
	for _, at := range parted {
		line := p.line(testCase{name: partedCase, weights: weights, settings: []Number{{"answer", float64(at.answer)}}})
		line.Blocks, line.Figures = opt.Blocks, at.numbers(limit)
		if err := report(line); err != nil {
			return err
		}
		if largest = max(largest, at.gap); !at.tied(limit) {
			notTied++
		}
	}
	summary.Figures = append(slices.Clone(summary.Figures), Number{"answers", float64(len(prompts))}, Number{"parted", float64(len(parted))},
		Number{"largest_gap", largest}, Number{"rounding", limit}, Number{"not_tied", float64(notTied)})
	if err := p.conclude(lines, summary, report); err != nil || notTied == 0 {
		return err
	}
	return fmt.Errorf("%d of %d answers with drafts leave those without where no two tokens are equally likely", notTied, len(prompts))
}

// partedCase is the case of lines about answers that are different with drafts.
const partedCase = "parted"

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

// parting is where an answer with drafts leaves the one without.
type parting struct {
	answer   int     // from 0, in the order in which prompts are given
	position int     // of the token in the answer, from 0
	gap      float64 // of the two tokens' log-probabilities, and so of their logits, under the model without drafts; in nats
}

// tied says whether the two tokens are equally likely within the rounding of gaps.
func (p parting) tied(rounding float64) bool { return p.gap <= 2*rounding }

// numbers are the figures of a parting's line.
func (p parting) numbers(rounding float64) []Number {
	tie := 0.0
	if p.tied(rounding) {
		tie = 1
	}
	return []Number{{"position", float64(p.position)}, {"gap", p.gap}, {"rounding", rounding}, {"tie", tie}}
}

// partings finds the answers that are different with drafts, and where.
func partings(ctx context.Context, e *engine.Engine, prompts, plain, drafted [][]int32) (list []parting, err error) {
	for i, want := range plain {
		if slices.Equal(want, drafted[i]) {
			continue
		}
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
		list = append(list, parting{i, at, math.Abs(of[0] - of[1])})
	}
	return list, nil
}

// roundingTop is among how many of the likeliest tokens rounding looks at gaps.
const roundingTop = 8

// rounding answers all prompts, token by token, and computes the answers once more in steps of many tokens, as prompts are. It is by
// how much the gap between the likeliest token and another of the likeliest differs at most, in nats.
func rounding(ctx context.Context, e *engine.Engine, prompts [][]int32) (largest float64, err error) {
	for _, prompt := range prompts {
		a, _, err := answerOne(ctx, e, prompt, roundingTop)
		if err != nil {
			return 0, err
		}
		again, err := scorePrompt(ctx, e, slices.Concat(prompt, a.tokens), roundingTop)
		if err != nil {
			return 0, err
		}
		for i, top := range a.tops {
			largest = max(largest, gapsApart(top, again[len(prompt)+i].Top))
		}
	}
	return largest, nil
}

// gapsApart is by how much the gap between the first token of one list and another of its tokens differs at most from that in a
// second list, where both are in it.
func gapsApart(a, b []sampling.Choice) (largest float64) {
	differ := func(c sampling.Choice) (by float64, ok bool) {
		i := slices.IndexFunc(b, func(o sampling.Choice) bool { return o.ID == c.ID })
		if i < 0 {
			return 0, false
		}
		return float64(c.LogProb) - float64(b[i].LogProb), true
	}
	first, ok := differ(a[0])
	for _, c := range a {
		if by, there := differ(c); ok && there {
			largest = max(largest, math.Abs(by-first))
		}
	}
	return largest
}

// scorePrompt is what the base model thinks of a text's tokens, with the likeliest tokens at each place.
func scorePrompt(ctx context.Context, e *engine.Engine, text []int32, top int) ([]engine.PromptToken, error) {
	pin, ok := e.Bank().Pin("")
	if !ok {
		return nil, errors.New("score a text: the base model is not in the bank")
	}
	s, err := e.Submit(ctx, engine.Request{Prompt: text, Pin: pin, TopLogProbs: top, PromptLogProbs: true})
	if err != nil {
		return nil, err
	}
	err = s.Result().Err
	return s.Prompt(), err
}
