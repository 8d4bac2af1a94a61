package selection

import (
	"cmp"
	"strings"
	"unicode"

	"nightshift/replaystore"
)

// evidence is an interaction with the feedback that counts.
type evidence struct {
	interaction replaystore.Interaction
	feedback    replaystore.Feedback
}

// gather ties feedback to interactions: the newest correction wins, and where there is none the newest rating.
func gather(events []replaystore.Event, s *Selection) []evidence {
	interactions := map[string]replaystore.Interaction{}
	latest := map[string]replaystore.Feedback{}
	var order []string
	for _, e := range events {
		switch {
		case e.Interaction != nil:
			interactions[e.Interaction.ID] = *e.Interaction
		case e.Feedback != nil:
			id := e.Feedback.Interaction
			before, seen := latest[id]
			if !seen {
				order = append(order, id)
			}
			if !seen || outranks(*e.Feedback, before) {
				latest[id] = *e.Feedback
			}
		}
	}
	var list []evidence
	for _, id := range order {
		in, ok := interactions[id]
		if !ok {
			s.reject(id, "its interaction is not in the store")
			continue
		}
		list = append(list, evidence{in, latest[id]})
	}
	return list
}

// outranks says whether newer feedback a replaces b. Only a correction undoes a correction: a rating that follows one may
// be of the answer or of the correction, and it cannot say that the edited text was wrong. And only an editor undoes what an editor
// has said.
func outranks(a, b replaystore.Feedback) bool {
	says := func(f replaystore.Feedback) bool { return f.Correction != nil || f.Rating != nil }
	if b.Editor != a.Editor && says(a) && says(b) {
		return a.Editor
	}
	if a.Time.Before(b.Time) {
		return false
	}
	return a.Correction != nil || a.Rating != nil && b.Correction == nil
}

// negative is why objectives without ratings do not use one.
const negative = "a rating that is not positive says what is wrong but not what is right"

// example makes an SFT example, or says why not.
func example(e evidence, opt Options, scale map[string]float64) (Item, string) {
	if len(e.interaction.Redacted) > 0 {
		return Item{}, "the interaction was redacted"
	}
	it := Item{Example: replaystore.Example{ID: e.interaction.ID, Kind: replaystore.SFT, Prompt: e.interaction.Messages, Interaction: e.interaction.ID,
		Feedback: e.feedback.ID, Subject: cmp.Or(e.interaction.Subject, e.feedback.Subject), Editor: e.feedback.Editor, Source: e.feedback.Source, Time: e.feedback.Time}}
	if e.feedback.Subject != it.Subject {
		it.Author = e.feedback.Subject
	}
	if e.interaction.SpecialPrompt {
		it.PromptTokens = e.interaction.PromptTokens
	}
	switch f := e.feedback; {
	case f.Correction != nil && len(f.Redacted) > 0:
		return Item{}, "the correction was redacted"
	case f.Correction != nil && strings.TrimSpace(*f.Correction) == "":
		return Item{}, "the correction is empty"
	case f.Correction != nil && strings.TrimSpace(*f.Correction) != strings.TrimSpace(e.interaction.Answer):
		it.Completion, it.Rejected = leading(e.interaction.Answer)+strings.TrimSpace(*f.Correction), e.interaction.Answer
		it.Weight, it.Why, it.Served = opt.Correction, "correction", served(e.interaction, opt.Objective)
	case f.Correction != nil:
		return approved(it, e.interaction, opt)
	case f.Rating != nil && rated(opt.Objective):
		return rating(it, e, opt, scale)
	case f.Rating != nil && *f.Rating <= 0:
		return Item{}, negative
	case f.Rating != nil:
		if why := unremarkable(centred(e, scale)); why != "" {
			return Item{}, why
		}
		return approved(it, e.interaction, opt)
	default:
		return Item{}, "a comment alone says nothing to learn"
	}
	if it.Weight <= 0 {
		return Item{}, "the weight of corrections is 0"
	}
	return it, ""
}

// approved makes an example of an answer as it was served. One that was cut off has no end to learn.
func approved(it Item, in replaystore.Interaction, opt Options) (Item, string) {
	switch {
	case strings.TrimSpace(in.Answer) == "":
		return Item{}, "the approved answer is empty"
	case in.Finish != "" && in.Finish != ended:
		return Item{}, "the approved answer was cut off, so it does not show where an answer ends"
	case opt.Approval <= 0:
		return Item{}, "the weight of approved answers is 0"
	}
	it.Completion, it.Weight, it.Why = in.Answer, opt.Approval, "approved answer"
	return it, ""
}

// ended is how an interaction's answer finished that came to its own end; the others met a limit, a hang-up or an error.
const ended = "stop"

// leading is the white space that a text begins with: a continued text goes on with a space, which people leave out when
// they type what it should have said.
func leading(text string) string {
	return text[:len(text)-len(strings.TrimLeftFunc(text, unicode.IsSpace))]
}

// promptText is a prompt's words in one string, roles included.
func promptText(messages []replaystore.Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.WriteString(m.Role + ": " + m.Content + "\n")
	}
	return b.String()
}
