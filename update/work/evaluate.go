package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/sampling"
	"nightshift/models/adapter"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// Evaluation is what a run leaves for the gate and for the version's manifest.
type Evaluation struct {
	gate.Evaluation
	SelfTest   []registry.SelfTest `json:"self_test"`
	DataDigest string              `json:"data_digest"`
	Candidate  string              `json:"candidate"` // digest
	Model      Identity            `json:"model"`

	Training       nightrecord.Trained  `json:"training,omitzero"`         // how long the run trained, and why no longer
	Linears        []nightrecord.Linear `json:"linears,omitempty"`         // that could have been adapted, where the run chose
	Cut            *Cut                 `json:"cut,omitempty"`             // what the candidate lost where it needed more rank than it may have
	Learned        *ObjectiveReport     `json:"learned,omitempty"`         // of preferences and ratings, nil where the objective is imitation
	Sparsity       *float64             `json:"sparsity,omitempty"`        // share of the trained parameters that are as before, with L1
	StoredTeachers int                  `json:"stored_teachers,omitempty"` // rehearsed examples that what was stored with them taught

	WarmStart *nightrecord.WarmStart `json:"warm_start,omitempty"` // of a run that made a warm start
}

// Identity says with what a run worked, for the version's manifest and for replays.
type Identity struct {
	Base      string `json:"base"`      // digest of the base model's weights
	Tokenizer string `json:"tokenizer"` // digest
	Template  string `json:"template"`  // digest, "" for a model without a chat template
	Library   string `json:"library"`   // version of ONNX Runtime
	Weights   string `json:"weights"`   // format in which versions were scored: f32, int8 or int4
}

// identity describes the model of a run.
func identity(m *engine.Model) Identity {
	id := Identity{Base: m.Checkpoint.Digest(), Tokenizer: m.Tokenizer.Digest(), Library: ort.Version(), Weights: m.Weights()}
	if m.Template != nil {
		id.Template = m.Template.Digest()
	}
	return id
}

// The versions that an evaluation compares, as they are called in the bank.
const (
	championName  = "champion"
	candidateName = "candidate"
	referenceName = "reference"
)

// evaluate scores champion, candidate and reference on the held-out and anchor items through the engine, with the weights that
// are served, lets champion and candidate answer some of their prompts, and writes the evaluation, of which result has what is known
// already.
func (w *worker) evaluate(ctx context.Context, items []selection.Item, candidate *adapter.Adapter, result Evaluation) (err error) {
	reference, err := adapterAt(w.dir, w.job.Reference)
	if err != nil {
		return err
	}
	widest := max(rank(candidate), rank(w.champion), rank(reference))
	e, err := engine.New(w.model, engine.Config{Threads: w.job.Threads, MaxRank: max(64, widest), BankRows: 2 + 3*(1+widest/graphs.RankStep)})
	if err != nil {
		return err
	}
	defer e.Close()
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() {
		stop()
		if failed := <-done; failed != nil && !errors.Is(failed, context.Canceled) {
			err = errors.Join(err, failed)
		}
	}()
	digests := map[string]string{}
	for name, a := range map[string]*adapter.Adapter{championName: w.champion, candidateName: candidate, referenceName: reference} {
		if a == nil {
			continue
		}
		digests[name] = name
		if err := e.Bank().Install(name, a); err != nil {
			return err
		}
	}
	result.Model = identity(w.model)
	if result.Candidate, err = candidate.Digest(); err != nil {
		return err
	}
	s := &scorer{worker: w, engine: e, digests: digests}
	if err := s.compare(ctx, items, &result.Evaluation); err != nil {
		return err
	}
	if result.SelfTest, err = s.selfTests(ctx, items); err != nil {
		return err
	}
	if err := s.remember(ctx, items, &result); err != nil {
		return err
	}
	data, err := json.MarshalIndent(result, "", " ")
	if err != nil {
		return fmt.Errorf("write evaluation: %w", err)
	}
	return os.WriteFile(filepath.Join(w.dir, EvaluationFile), data, 0o644)
}

// rank is the rank of an adapter, 0 for the base model.
func rank(a *adapter.Adapter) int {
	if a == nil {
		return 0
	}
	return a.Config.Rank
}

// scorer scores through an engine.
type scorer struct {
	*worker
	engine  *engine.Engine
	digests map[string]string
}

// Sets of examples on which versions are compared.
const (
	heldOutSet = "heldout"
	anchorSet  = "anchor"
	editedSet  = "edited"
)

// setNames says in which set each item is scored, "" in none. What editors corrected is scored where nothing was held out.
func setNames(items []selection.Item) []string {
	nothing := !slices.ContainsFunc(items, func(it selection.Item) bool { return it.Use == selection.HeldOut })
	sets := make([]string, len(items))
	for i, it := range items {
		switch {
		case it.Use == selection.HeldOut:
			sets[i] = heldOutSet
		case it.Use == selection.Anchor:
			sets[i] = anchorSet
		case nothing && it.Use == selection.New && it.Editor && it.Rejected != "":
			sets[i] = editedSet
		}
	}
	return sets
}

// compare fills the figures of an evaluation.
func (s *scorer) compare(ctx context.Context, items []selection.Item, out *gate.Evaluation) error {
	sets := map[string]*gate.Paired{}
	var names []string
	named := setNames(items)
	total := 0
	for _, name := range named {
		if name != "" {
			total++
		}
	}
	done := 0
	people := map[string]int{} // everybody who is not named is one person
	for i, it := range items {
		name := named[i]
		if name == "" {
			continue
		}
		set, ok := sets[name]
		if !ok {
			set = &gate.Paired{Name: name}
			sets[name] = set
			names = append(names, name)
		}
		if err := s.score(ctx, selection.Plain(it), set); err != nil {
			return err
		}
		if it.Use == selection.HeldOut {
			set.People = append(set.People, numbered(people, it.Subject))
			set.Corrected = append(set.Corrected, it.Rejected != "")
		}
		done++
		if err := s.lines.Encode(ProgressLine{Stage: "evaluate", Done: done, Total: total}); err != nil {
			return err
		}
	}
	slices.Sort(names)
	for _, name := range names {
		switch name {
		case heldOutSet:
			out.Gain = *sets[name]
		case editedSet:
			out.Edited = *sets[name]
		default:
			out.Anchors = append(out.Anchors, *sets[name])
		}
	}
	var err error
	if out.Pairing, err = s.pairing(ctx, items); err != nil {
		return err
	}
	if out.Taught, err = s.taught(ctx, items); err != nil {
		return err
	}
	if out.ChampionBehaviour, err = s.behaviour(ctx, championName, items); err != nil {
		return err
	}
	out.CandidateBehaviour, err = s.behaviour(ctx, candidateName, items)
	return err
}

// numbered is the number of a person, the next one for somebody new.
func numbered(people map[string]int, subject string) int {
	if _, ok := people[subject]; !ok {
		people[subject] = len(people)
	}
	return people[subject]
}

// score adds one item's negative log-likelihoods, in nats, to a set.
func (s *scorer) score(ctx context.Context, it selection.Item, set *gate.Paired) error {
	seq, err := s.scored(it)
	if err != nil {
		return err
	}
	set.Tokens = append(set.Tokens, len(seq.Tokens)-seq.Prompt)
	for _, v := range []struct {
		name string
		into *[]float64
	}{{championName, &set.Champion}, {candidateName, &set.Candidate}, {referenceName, &set.Reference}} {
		if v.name == referenceName && s.job.Reference == s.job.Champion {
			*v.into = append(*v.into, set.Champion[len(set.Champion)-1])
			continue
		}
		nats, err := s.nats(ctx, v.name, it.ID, seq)
		if err != nil {
			return err
		}
		*v.into = append(*v.into, nats)
	}
	return nil
}

// scored is an item's tokens; of one that is longer than the context, the last ones.
func (s *scorer) scored(it selection.Item) (train.Sequence, error) {
	seq, err := s.sequence(it)
	if over := len(seq.Tokens) - s.model.Config.Context; over > 0 {
		seq.Tokens, seq.Prompt = seq.Tokens[over:], max(1, seq.Prompt-over)
	}
	return seq, err
}

// nats is a version's negative log-likelihood of a completion.
func (s *scorer) nats(ctx context.Context, version, id string, seq train.Sequence) (float64, error) {
	scored, err := s.engine.Score(ctx, s.pin(version), seq.Tokens, seq.Prompt)
	if err != nil {
		return 0, fmt.Errorf("score example %s with the %s: %w", id, version, err)
	}
	var sum float64
	for _, l := range scored.LogProbs {
		sum -= float64(l)
	}
	return sum, nil
}

// pin holds one of the compared versions; one without an adapter is the base model.
func (s *scorer) pin(name string) *engine.Pin {
	pin, ok := s.engine.Bank().Pin(s.digests[name])
	if !ok {
		panic("an installed version left a bank that has room for all") // the bank is sized for all three
	}
	return pin
}

// behaviour lets a version answer prompts of the held-out and anchor items greedily.
func (s *scorer) behaviour(ctx context.Context, name string, items []selection.Item) (gate.Behaviour, error) {
	var b gate.Behaviour
	var length, ended, repeated int
	var streams []*engine.Stream
	for _, it := range items {
		if (it.Use != selection.HeldOut && it.Use != selection.Anchor) || len(streams) >= s.job.Answers {
			continue
		}
		prompt, err := promptTokens(s.model, it.Example)
		if err != nil {
			return b, err
		}
		if len(prompt) >= s.model.Config.Context {
			continue
		}
		stream, err := s.engine.Submit(ctx, engine.Request{Prompt: prompt, Pin: s.pin(name), MaxTokens: 64, Sampling: sampling.Params{}})
		if err != nil {
			return b, fmt.Errorf("answer as the %s: %w", name, err)
		}
		streams = append(streams, stream)
	}
	for _, stream := range streams {
		var text strings.Builder
		for p := range stream.Pieces {
			text.WriteString(p.Text)
		}
		r := stream.Result()
		if r.Err != nil {
			b.NonFinite++
			continue
		}
		length += r.Tokens
		if r.Finish == engine.FinishStop {
			ended++
		}
		if holdsBlocked(text.String(), s.job.Blocked) {
			b.Blocked++
		}
		if repetitive(text.String()) {
			repeated++
		}
	}
	b.Answers = len(streams)
	if n := b.Answers - b.NonFinite; n > 0 {
		b.MeanLength = float64(length) / float64(n)
		b.EndRate = float64(ended) / float64(n)
		b.Repetition = float64(repeated) / float64(n)
	}
	return b, nil
}

// holdsBlocked says whether a text holds one of the phrases, in any case.
func holdsBlocked(text string, phrases []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(text, strings.ToLower(p)) })
}

// repetitive says whether some four words come up three times or more.
func repetitive(text string) bool {
	words := strings.Fields(strings.ToLower(text))
	seen := map[string]int{}
	for i := 0; i+4 <= len(words); i++ {
		key := strings.Join(words[i:i+4], " ")
		if seen[key]++; seen[key] >= 3 {
			return true
		}
	}
	return false
}

// selfTests scores anchor examples with the candidate, for replicas to check that they serve the same thing. People's
// texts are left out: the manifest that keeps the tests outlives an erasure.
func (s *scorer) selfTests(ctx context.Context, items []selection.Item) ([]registry.SelfTest, error) {
	var tests []registry.SelfTest
	for _, it := range items {
		if len(tests) >= s.job.SelfTests {
			break
		}
		if it.Use != selection.Anchor {
			continue
		}
		seq, err := s.sequence(it)
		if err != nil {
			return nil, err
		}
		if len(seq.Tokens) > s.model.Config.Context {
			continue
		}
		scored, err := s.engine.Score(ctx, s.pin(candidateName), seq.Tokens, seq.Prompt)
		if err != nil {
			return nil, fmt.Errorf("score self-test %s: %w", it.ID, err)
		}
		tests = append(tests, registry.SelfTest{Prompt: seq.Tokens[:seq.Prompt], Target: seq.Tokens[seq.Prompt:], Scores: scored.LogProbs})
	}
	return tests, nil
}
