package selection

import (
	"math"

	"nightshift/replaystore"
)

// Objectives: what a night learns from.
const (
	SFT = "sft" // corrections and approved answers, by imitation
	DPO = "dpo" // the same, and corrections as pairs: better than the answer that was corrected
	KTO = "kto" // the same, and answers with their ratings, good or bad
	APO = "apo" // the same with another loss of ratings
)

// Objectives lists them.
func Objectives() []string { return []string{SFT, DPO, KTO, APO} }

// Served is what the server recorded when it made an answer; replaystore.Interaction has the fields. An interaction that was
// redacted becomes no example, so nothing here is.
type Served struct {
	Prompt   []int32   `json:"prompt_tokens,omitempty"`
	Answer   []int32   `json:"answer_tokens,omitempty"`
	LogProbs []float32 `json:"logprobs,omitempty"`
	Version  string    `json:"version,omitempty"`
	Weights  string    `json:"weights,omitempty"`
	Template string    `json:"template_hash,omitempty"`
	Finish   string    `json:"finish,omitempty"`
}

// Ended says whether the answer came to its own end.
func (s *Served) Ended() bool { return s == nil || s.Finish == "" || s.Finish == ended }

// served takes over what was recorded of an answer, where an objective asks for it.
func served(in replaystore.Interaction, objective string) *Served {
	if objective == "" || objective == SFT {
		return nil
	}
	return &Served{Prompt: in.PromptTokens, Answer: in.AnswerTokens, LogProbs: in.LogProbs, Version: in.Version, Weights: in.Weights,
		Template: in.TemplateHash, Finish: in.Finish}
}

// rated says whether an objective learns from ratings by themselves.
func rated(objective string) bool { return objective == KTO || objective == APO }

// Shape gives new examples the kinds that an objective learns from: a correction becomes a pair, of the corrected text as
// Chosen and the answer that was served as Rejected. All else stays as it is, but what measures needs no record of how it was
// served. For SFT everything stays.
func Shape(items []Item, objective string) []Item {
	if objective == "" || objective == SFT {
		return items
	}
	list := make([]Item, len(items))
	for i, it := range items {
		if it.Use == New && it.Kind == replaystore.SFT && it.Rejected != "" {
			it.Kind, it.Chosen, it.Completion = replaystore.Preference, it.Completion, ""
		}
		if it.Use != New {
			it.Served = nil
		}
		list[i] = it
	}
	return list
}

// Plain undoes Shape, in whatever form an example was stored.
func Plain(it Item) Item {
	if it.Kind == replaystore.Preference {
		it.Kind, it.Completion, it.Chosen = replaystore.SFT, it.Chosen, ""
	}
	return it
}

// scaleOf is how many ratings show what a person's scale is.
const scaleOf = 3

// scales are the mean ratings of people who rate by numbers: of at least scaleOf ratings some are not thumbs, and they are not all
// the same. Thumbs mean what they say, but one person's 0.5 is praise and another's is what everything gets.
func scales(list []evidence) map[string]float64 {
	type sum struct {
		total   float64
		count   int
		first   float64
		numbers bool
		differ  bool
	}
	sums := map[string]sum{}
	for _, e := range list {
		who := rater(e)
		if e.feedback.Rating == nil || who == "" {
			continue
		}
		s, r := sums[who], *e.feedback.Rating
		if s.count == 0 {
			s.first = r
		}
		s.total, s.count = s.total+r, s.count+1
		s.numbers, s.differ = s.numbers || r != math.Trunc(r), s.differ || r != s.first
		sums[who] = s
	}
	means := map[string]float64{}
	for who, s := range sums {
		if s.numbers && s.differ && s.count >= scaleOf {
			means[who] = s.total / float64(s.count)
		}
	}
	return means
}

// rater is the person who rated, "" for nobody who is named.
func rater(e evidence) string {
	if e.feedback.Subject != "" {
		return e.feedback.Subject
	}
	return e.interaction.Subject
}

// centred is a rating, of people who rate by numbers after their mean is taken off.
func centred(e evidence, scale map[string]float64) float64 {
	return *e.feedback.Rating - scale[rater(e)]
}

// indifferent is how near to a person's mean a rating says nothing.
const indifferent = 0.05

// Why a rating says nothing of an answer.
const (
	average = "the rating is what this person gives on average, or 0: it says neither good nor bad"
	below   = "the rating is positive, but lower than what this person gives on average: it approves nothing"
)

// unremarkable is why a positive rating is no approval, by what it is after centred: "" where it is one.
func unremarkable(score float64) string {
	switch {
	case math.Abs(score) < indifferent:
		return average
	case score < 0:
		return below
	}
	return ""
}

// rating makes an example of an answer that was rated, good or bad: by the sign of the centred rating, and with the weight of an
// approval times how far it is from the mean, at most 1.
func rating(it Item, e evidence, opt Options, scale map[string]float64) (Item, string) {
	score := centred(e, scale)
	switch {
	case math.Abs(score) < indifferent:
		return Item{}, average
	case score > 0 && *e.feedback.Rating < 0:
		return Item{}, "the rating is negative, if better than what this person gives on average: it says neither good nor bad"
	}
	it, why := approved(it, e.interaction, opt)
	if why != "" {
		return Item{}, why
	}
	it.Kind, it.Good, it.Weight, it.Why = replaystore.Unpaired, score > 0, it.Weight*min(1, math.Abs(score)), "rated answer"
	it.Served = served(e.interaction, opt.Objective)
	return it, ""
}
