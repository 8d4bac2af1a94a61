package serve

import (
	"errors"
	"log/slog"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/retention"
	"nightshift/internal/telemetry"
)

// reportsAtOnce bounds how many tracks are looked at between two looks at the registry.
const reportsAtOnce = 16

// forgetting shows in the metrics and in the log what champions know no more that their ancestors knew. It only reads: what
// versions know is measured by nights.
type forgetting struct {
	registry *registry.Registry
	log      *slog.Logger
	seen     map[string]string // track → digest of the champion that was looked at

	score, worst, alarms, backward *prometheus.GaugeVec
}

func newForgetting(r *registry.Registry, m *telemetry.Metrics, log *slog.Logger) *forgetting {
	return &forgetting{registry: r, log: log, seen: map[string]string{},
		score: m.Gauge("probe_score", "Mean log-probability of a token of the expected answers, in nats, under the champion: of the anchors, of the operator's probes, and of what the champion's nights held out.",
			"track", "set"),
		worst:    m.Gauge("forgetting_nats", "How far the champion is below the best of its ancestors on the set of probes that has fallen most, in nats per token. Below 0: on no set.", "track"),
		alarms:   m.Gauge("forgetting_alarms", "Sets of probes that have fallen by more than update.forgetting.", "track"),
		backward: m.Gauge("backward_transfer_nats", "BWT of the champion's nights: mean change of the score of what a night learned since then, in nats per token. Below 0 is forgetting.", "track"),
	}
}

// refresh looks at tracks whose champions have changed.
func (f *forgetting) refresh(lines map[string]line) {
	for track := range f.seen {
		if _, ok := lines[track]; !ok {
			delete(f.seen, track)
			f.show(retention.Report{Track: track}) // of a track that is gone, nothing
		}
	}
	left := reportsAtOnce
	for _, track := range slices.Sorted(maps.Keys(lines)) {
		digest := lines[track].champion.Digest
		if seen, ok := f.seen[track]; ok && seen == digest {
			continue
		}
		if left--; left < 0 {
			return
		}
		f.seen[track] = digest
		report, err := retention.Read(f.registry, track)
		if err != nil {
			if !errors.Is(err, registry.ErrNotFound) {
				f.log.Warn("what a track has forgotten cannot be told", "track", track, "error", err)
			}
			continue
		}
		f.show(report)
	}
}

// show puts a report into the metrics and its alarms into the log.
func (f *forgetting) show(r retention.Report) {
	for _, g := range []*prometheus.GaugeVec{f.score, f.worst, f.alarms, f.backward} {
		g.DeletePartialMatch(prometheus.Labels{"track": r.Track})
	}
	for _, a := range r.Alarms {
		f.log.Warn("a champion has forgotten what an ancestor knew; nightshift night matrix shows it", "track", r.Track, "set", a.Set, "version", a.Version,
			"activation", a.Activation, "score", a.Now, "best", a.Best, "best_by", a.BestBy, "bound", a.Bound)
	}
	if len(r.Sets) == 0 {
		return
	}
	f.alarms.WithLabelValues(r.Track).Set(float64(len(r.Alarms)))
	sums, probes := map[string]float64{}, map[string]float64{}
	var falls []float64
	for _, s := range r.Sets {
		name := s.Name
		if name != nightrecord.AnchorSet && name != nightrecord.FileSet {
			name = "nights"
		}
		if s.Now != nil {
			sums[name], probes[name] = sums[name]+*s.Now*float64(s.Probes), probes[name]+float64(s.Probes)
		}
		if s.Fall != nil {
			falls = append(falls, *s.Fall)
		}
	}
	for name, n := range probes {
		f.score.WithLabelValues(r.Track, name).Set(sums[name] / n)
	}
	if len(falls) > 0 {
		f.worst.WithLabelValues(r.Track).Set(slices.Max(falls))
	}
	if r.Figures != nil && r.Figures.BWT != nil {
		f.backward.WithLabelValues(r.Track).Set(*r.Figures.BWT)
	}
}
