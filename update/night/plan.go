package night

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// Pages ask for plans again and again, and a track may have much to look at: making plans takes one part of so many of the time, or
// where something was said since the last one, of fewer.
const (
	planRest = 10
	newsRest = 3
)

// plans are the last plans of tracks.
type plans struct {
	making sync.Mutex // held by whoever makes one
	mu     sync.Mutex
	last   map[string]planned
}

// of is the last plan of a track.
func (p *plans) of(track string) planned {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[track]
}

// keep replaces the last plan of a track.
func (p *plans) keep(track string, made planned) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[string]planned{}
	}
	p.last[track] = made
}

// planned is a plan that was made.
type planned struct {
	plan nightrecord.Plan
	end  replaystore.Cursor // of the events that it knows
	made time.Time
	took time.Duration
}

// holds says whether a plan may be shown again.
func (p planned) holds(ctx context.Context, store replaystore.Store) bool {
	age := time.Since(p.made)
	if p.made.IsZero() || age > planRest*p.took {
		return false
	}
	if age < newsRest*p.took {
		return true
	}
	news, _, err := store.Scan(ctx, p.plan.Track, p.end, 1)
	return err == nil && len(news) == 0
}

// Plan says what the next night of a track would find now. It is the night's own choice, made and not written down; only what the
// model thinks of examples (Evidence.OutlierLoss and the like) is not asked. Where it takes long to make, a plan may be some seconds old.
func (ns *Nights) Plan(ctx context.Context, track string) (nightrecord.Plan, error) {
	if !ns.plans.making.TryLock() {
		if p := ns.plans.of(track); !p.made.IsZero() {
			return p.plan, nil // a newer one is being made
		}
		ns.plans.making.Lock()
	}
	defer ns.plans.making.Unlock()
	if p := ns.plans.of(track); p.holds(ctx, ns.deps.Store) {
		return p.plan, nil
	}
	p := planned{made: time.Now()}
	var err error
	if p.plan, p.end, err = ns.plan(ctx, track); err != nil {
		return p.plan, fmt.Errorf("plan the next night of track %s: %w", track, err)
	}
	p.took = time.Since(p.made)
	p.made = p.made.Add(p.took)
	ns.plans.keep(track, p)
	return p.plan, nil
}

// plan makes a plan, and says up to where it has read.
func (ns *Nights) plan(ctx context.Context, track string) (p nightrecord.Plan, end replaystore.Cursor, err error) {
	n := ns.night(Request{Track: track})
	n.looks = true
	p = nightrecord.Plan{Track: track, Time: n.log.now(), Needs: []nightrecord.Need{}, Sentences: []string{}, Help: []string{}}
	n.frozen.Time = p.Time
	if n.makesWarmStart {
		p.Sentences = append(p.Sentences, "Its nights make a warm start of what other tracks remember, and wait for no feedback of its own.")
		return p, "", nil
	}
	n.frozen.Champion, n.frozen.Reference, err = n.base()
	var no skip
	if errors.As(err, &no) {
		p.Sentences = append(p.Sentences, "No night learns now: "+no.reason+".")
		p.Help = append(p.Help, fmt.Sprintf("`nightshift adapter release %s` lets nights go on; a trial ends by itself.", track))
		return p, "", nil
	}
	if err != nil {
		return p, "", err
	}
	d, err := n.decide(ctx)
	if err != nil {
		return p, "", err
	}
	why := d.enough()
	p.Ready = why == nil
	d.fill(&p)
	d.say(&p, n.settings)
	if p.Ready && d.answers != nil {
		p.Sentences = append(p.Sentences, fmt.Sprintf("Before it learns, the model answers %d questions: what it says now measures what is forgotten, and is rehearsed. That takes some minutes, once.", len(d.answers.Ask)))
		p.Help = append(p.Help, "`nightshift import MODEL` makes these anchors beforehand; `nightshift anchors make --questions FILE` adds questions of your own.")
	}
	if missing := unmet(d.chosen.needs); why != nil && (d.chosen.counts.Editors > 0 || len(missing) == 0) {
		p.Sentences = append(p.Sentences, "It would be skipped: "+why.Error()+".")
	}
	return p, d.end, nil
}

// fill puts the figures of a decision into a plan.
func (d decision) fill(p *nightrecord.Plan) {
	c := d.chosen
	p.Needs = c.needs
	p.New, p.HeldOut, p.HeldOutBy, p.Editors = c.counts.New, c.counts.HeldOut, c.counts.HeldOutBy, c.counts.Editors
	p.TooYoung, p.Usable, p.NotUsed = c.counts.Waiting, d.usable, c.counts.Rejected
	p.Unconfirmed = len(c.quarantined) - c.aside
}

// say puts a decision into sentences, and what would help.
func (d decision) say(p *nightrecord.Plan, s Settings) {
	say := func(format string, args ...any) { p.Sentences = append(p.Sentences, fmt.Sprintf(format, args...)) }
	help := func(format string, args ...any) { p.Help = append(p.Help, fmt.Sprintf(format, args...)) }
	others, _ := selection.Parted(append(selection.Using(d.chosen.items, selection.New), selection.Using(d.chosen.items, selection.HeldOut)...))
	missing := unmet(p.Needs)
	switch _, editors := selection.Parted(d.chosen.items); corrections(editors, selection.New) {
	case 0:
	case 1:
		say("The next night learns an answer that an editor corrected.")
	default:
		say("The next night learns %d answers that editors corrected.", corrections(editors, selection.New))
	}
	switch nothing := len(others)+d.chosen.aside+p.TooYoung+p.Unconfirmed == 0; {
	case nothing && p.Editors == 0:
		say("There is nothing new to learn.")
		help("Correct an answer. What an editor corrects is learned by the next night; what others say waits for %g examples from %g people.", p.Needs[0].Need, p.Needs[1].Need)
	case nothing:
	case len(missing) == 0 && len(others) > 0:
		say("What people say is enough: it learns %s and measures the gain on %d that it does not learn, %s.", counted(p.New-p.Editors, "example"), p.HeldOut, heldOutWords[p.HeldOutBy])
	case p.Editors > 0:
		say("What others say waits until there is more of it: %s.", strings.Join(missing, ", "))
	default:
		say("The next night waits for more: %s.", strings.Join(missing, ", "))
		help("A correction by an editor needs none of this and is learned by the next night.")
	}
	if night := d.before.Refused; night != "" {
		say("What the last night selected is not taken up again: its candidate was rejected.")
		help("`nightshift night show %s` says why. Say again what still holds, or vouch for all of it: `nightshift night review %s`.", night, night)
	}
	if p.TooYoung > 0 {
		say("%s", d.young(*p, s))
	}
	if p.Unconfirmed > 0 {
		say("%s until more people say the same.", verb(p.Unconfirmed, "example waits", "examples wait"))
		help("More people who say the same help; an editor's correction settles it at once.")
	}
	for _, n := range p.Needs {
		if n.Name == "people" && !n.Met && len(others)+d.chosen.aside > 0 {
			help("Send `user` with requests: everybody without a name counts as one person.")
		}
	}
	if s.Evidence.OutlierLoss > 0 || s.Evidence.OutlierGradient > 0 {
		say("What the model finds strange is only seen in the night, and then waits for others, too.")
	}
}

// heldOutWords say how what measures is chosen.
var heldOutWords = map[string]string{selection.ByPeople: "of people from whom it learns nothing", selection.ByQuestions: "of people who corrected the same questions in their own words"}

// young says when feedback that is too young can be used.
func (d decision) young(p nightrecord.Plan, s Settings) string {
	who := verb(p.TooYoung, "piece of feedback waits", "pieces of feedback wait")
	switch wait := p.Usable.Sub(p.Time); {
	case d.absent != "":
		return who + " for an interaction that is not in the store yet."
	case p.Usable.IsZero():
		return who + ": a server's clock is ahead."
	case wait <= 0:
		return who + "; the oldest can be used now."
	default:
		return fmt.Sprintf("%s for the minimum age of %s; the oldest can be used in %s.", who, spell(s.Evidence.MinAge), spell(wait))
	}
}

// counted is a number of things in words.
func counted(n int, what string) string { return verb(n, what, what+"s") }

// verb puts a number before what one or several do.
func verb(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// spell is a time as people say it, rounded up.
func spell(d time.Duration) string {
	up := func(unit time.Duration, what string) string {
		return counted(int(math.Ceil(float64(d)/float64(unit))), what)
	}
	switch {
	case d < time.Minute:
		return up(time.Second, "second")
	case d <= 2*time.Hour:
		return up(time.Minute, "minute")
	case d <= 48*time.Hour:
		return up(time.Hour, "hour")
	}
	return up(24*time.Hour, "day")
}
