package night

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"nightshift/internal/anchors"
	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/history"
	"nightshift/update/selection"
)

// decision is what a night would work with, and why it would not. Making it changes nothing.
type decision struct {
	gathered
	before   history.Past
	chosen   chosen
	modelDir string
	answers  *anchors.Plan // questions that the model answers first, for its anchors; nil where there are some
}

// decide looks at what there is for a night that rests on the frozen champion.
func (n *night) decide(ctx context.Context) (d decision, err error) {
	d.modelDir = n.nights.cfg.ModelDir
	if d.before, err = n.nights.history.Past(n.req.Track, n.frozen.Champion.Digest); err != nil {
		return d, fmt.Errorf("read earlier nights: %w", err)
	}
	key, err := replaystore.LoadSecret(filepath.Join(n.nights.deps.Registry.Dir(), HeldOutKeyFile), nil)
	if err != nil {
		return d, fmt.Errorf("read the key that holds people out: %w", err)
	}
	if d.gathered, err = n.nights.gather(ctx, n.req.Track, d.before.Cursor, n.frozen.Time, n.settings.Evidence.MinAge); err != nil {
		return d, err
	}
	if d.chosen, err = n.choose(ctx, d.gathered, d.before, key); err != nil {
		return d, err
	}
	d.answers, err = n.unanswered()
	return d, err
}

// explain says in the night's log what is not as usual.
func (d decision) explain(log *nightLog) {
	d.gathered.explain(log)
	for _, again := range []struct {
		nights []string
		what   string
	}{
		{d.before.Reviewed, "takes up again what these nights selected, which a person has reviewed: "},
		{d.before.Withdrawn, "learns again what these nights selected, whose versions left service because somebody was erased: "},
		{d.before.Edited, "takes up again what editors said in these nights, which were rejected with what others said: "},
	} {
		if len(again.nights) > 0 {
			log.say(again.what + strings.Join(again.nights, ", "))
		}
	}
	c := d.chosen
	if c.aside > 0 {
		log.say(fmt.Sprintf("learns what editors say alone; %d examples of others wait: %s", c.aside, strings.Join(unmet(c.needs), ", ")))
	}
	if c.counts.HeldOutBy == selection.ByQuestions {
		log.say("holds out by questions: too few people are held out for a gain to show, so that of what several people corrected some people's corrections measure")
	}
}

// needs are what a night asks of what others than editors say: without it the gate would reject the candidate, whatever it learned.
func needs(items []selection.Item, l gate.Limits) []nightrecord.Need {
	others, _ := selection.Parted(items)
	people, share := selection.People(others)
	held := len(selection.Using(others, selection.HeldOut))
	atLeast := func(name string, have, need int, what string) nightrecord.Need {
		return nightrecord.Need{Name: name, Have: float64(have), Need: float64(need), Met: have >= need, Text: fmt.Sprintf("%d of %d %s", have, need, what)}
	}
	list := []nightrecord.Need{
		atLeast("examples", selection.Said(others), max(1, l.MinExamples), "examples"),
		atLeast("people", people, l.MinSubjects, "people"),
		{Name: "largest_share", Have: share, Need: l.MaxSubjectShare, Met: share <= l.MaxSubjectShare,
			Text: fmt.Sprintf("one person gave %.0f %% of the examples, at most %.0f %% may come from one", 100*share, 100*l.MaxSubjectShare)},
	}
	if corrections(others, selection.New)+corrections(others, selection.HeldOut) > 0 {
		return append(list, atLeast("held_out_corrections", corrections(others, selection.HeldOut), l.HeldOut(), "held-out corrections, in fewer of which the gate can see no gain"))
	}
	return append(list, atLeast("held_out", held, l.HeldOut(), "held-out examples, in fewer of which the gate can see no gain"))
}

// unmet are the texts of the needs that are not met.
func unmet(list []nightrecord.Need) []string { return nightrecord.Plan{Needs: list}.Unmet() }

// enough skips a night whose candidate the gate would reject whatever it learned, or whose work could not begin, and leaves the evidence to a later one.
func (d decision) enough() error {
	c := d.chosen
	missing := unmet(c.needs)
	switch _, editors := selection.Parted(c.items); {
	case c.counts.New+c.counts.HeldOut+c.aside == 0:
		return skip{fmt.Sprintf("there are no new examples; a night needs %g from %g people, or one by an editor", c.needs[0].Need, c.needs[1].Need)}
	case len(missing) > 0 && corrections(editors, selection.New) == 0:
		return skip{"not enough yet: " + strings.Join(missing, ", ")}
	case c.counts.Anchors == 0 && d.answers == nil:
		return skip{"there is no anchor example that still holds, so nobody could see what is forgotten; put anchors.jsonl beside the model, name a file in the settings, or add questions: nightshift anchors make"}
	}
	if why := conversations(d.modelDir, c.items); why != "" {
		return skip{why}
	}
	return nil
}

// corrections counts the items with a use that correct an answer.
func corrections(items []selection.Item, use string) int {
	n := 0
	for _, it := range items {
		if it.Use == use && it.Rejected != "" {
			n++
		}
	}
	return n
}
