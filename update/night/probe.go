package night

import (
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/internal/retention"
	"nightshift/update/history"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Bounds of what a night scores of earlier ones.
const (
	probeLimit  = 512 // probes of earlier nights, each of which has the same share of them
	probeShare  = 32  // maximum of one night
	probeMin    = 4   // minimum of one night; with more nights than that leaves room for the oldest have none
	probesOfAll = probeLimit / probeMin
)

// probes lists what a night scores to see what is forgotten: what the champion's ancestors held out, and the operator's. What newer
// corrections contradict is left out for good.
func (n *night) probes(c *chosen, carried, fresh []selection.Item, newer []selection.Item, before map[string]bool) ([]selection.Item, error) {
	var own []selection.Item
	var err error
	if n.settings.Probes != "" {
		if own, err = readExamples(n.settings.Probes, selection.Probe); err != nil {
			return nil, err
		}
		for i := range own {
			own[i].Why = nightrecord.FileSet
		}
	}
	again := map[string]bool{} // there is newer feedback on the same answer
	for _, it := range fresh {
		again[it.ID] = true
	}
	carried = slices.DeleteFunc(carried, func(it selection.Item) bool { return again[it.ID] })
	return shared(c.current("probe", append(own, carried...), newer, before)), nil
}

// shared gives each earlier night its share of the probes. Which ones are left of a night is decided by their ids, so that they are
// among those of every night before. The operator's are all kept.
func shared(items []selection.Item) []selection.Item {
	var list []selection.Item
	sets := map[string][]selection.Item{}
	var order []string
	for _, it := range items {
		if it.Why == nightrecord.FileSet {
			list = append(list, it)
			continue
		}
		if _, ok := sets[it.Why]; !ok {
			order = append(order, it.Why)
		}
		sets[it.Why] = append(sets[it.Why], it)
	}
	order = order[max(0, len(order)-probesOfAll):]
	for _, name := range order {
		list = append(list, selection.RandomSample(sets[name], min(probeShare, max(probeMin, probeLimit/len(order))))...)
	}
	return list
}

// confirmScores takes out of the scores that a night's work left what was erased while it ran.
func (n *night) confirmScores() error {
	var s nightrecord.Scores
	if found, err := n.nights.history.Read(n.req.Night, nightrecord.ScoresFile, &s); err != nil || !found {
		return err
	}
	present := map[string]bool{}
	for _, name := range []string{work.ProbesFile, work.SelectionFile} {
		items, err := n.nights.history.Items(n.req.Night, name)
		if err != nil {
			return err
		}
		for _, it := range items {
			present[it.ID] = true
		}
	}
	return history.KeepScores(n.nights.deps.Registry, n.req.Night, s, func(id string) bool { return !present[id] })
}

// warn says in the night's log and in the program's what the champion knows no more.
func (n *night) warn() {
	report, err := retention.Read(n.nights.deps.Registry, n.req.Track)
	if err != nil { // the champion serves already
		n.nights.deps.Log.Warn("what was forgotten cannot be told", "night", n.req.Night, "track", n.req.Track, "error", err)
		return
	}
	for _, a := range report.Alarms {
		n.log.say("forgotten: " + a.String())
		n.nights.deps.Log.Warn("a night has forgotten what was known", "night", n.req.Night, "track", n.req.Track, "set", a.Set, "version", a.Version,
			"activation", a.Activation, "score", a.Now, "best", a.Best, "best_by", a.BestBy)
	}
}
