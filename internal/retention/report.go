package retention

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
)

// Bounds of a report.
const (
	minProbes = 3   // probes of a set that can alarm
	ancestors = 200 // versions back from the champion
)

// Report is what the versions of a track know of what the champion's ancestors learned.
type Report struct {
	Track string  `json:"track"`
	Bound float64 `json:"bound"` // nats per token that a set may fall from its best, 0 for any number
	Sets  []Set   `json:"sets"`  // the matrix' columns: those that hold for the champion, the oldest night first
	Rows  []Row   `json:"rows"`  // the matrix' rows: activations that changed the champion, the oldest first
	// R[i][j] is the mean log-probability of a token of set j's answers under the version of row i, in nats, higher is better; null
	// where no night has measured it.
	R       Matrix   `json:"r"`
	Figures *Figures `json:"figures"` // of the champion and its ancestors; null before the first night
	Alarms  []Alarm  `json:"alarms"`
}

// Set is a column.
type Set struct {
	Name   string   `json:"name"`   // nightrecord.AnchorSet, nightrecord.FileSet or a night
	Probes int      `json:"probes"` // that still hold
	Now    *float64 `json:"now"`    // the champion's score, null where it was not measured
	// Fall is how far that is below the best of the champion's ancestors on the same probes: below 0 where the champion is the
	// best, null where none can be compared.
	Fall *float64 `json:"fall"`
}

// Row is a row.
type Row struct {
	Activation int          `json:"activation"` // 0 before the first
	Version    registry.Ref `json:"-"`
	Name       string       `json:"version"`
}

// Figures are those of Metrics over the champion's nights; null where they need what no night has measured.
type Figures struct {
	ACC        *float64 `json:"acc"`
	BWT        *float64 `json:"bwt"`
	FWT        *float64 `json:"fwt"`
	Forgetting *float64 `json:"forgetting"`
	Learning   *float64 `json:"learning"`
}

// Alarm says that the champion knows less of a set than one of its ancestors did.
type Alarm struct {
	Set        string  `json:"set"`
	Probes     int     `json:"probes"` // that both were scored on
	Now        float64 `json:"now"`
	Best       float64 `json:"best"`
	BestBy     string  `json:"best_by"`    // version
	Version    string  `json:"version"`    // the champion
	Activation int     `json:"activation"` // since which it is
	Bound      float64 `json:"bound"`
}

// String is the alarm in a sentence.
func (a Alarm) String() string {
	return fmt.Sprintf("since activation %d %s scores %.3f on the probe set %s, %.3f nats per token below %s (%.3f, bound %g, %d probes)",
		a.Activation, a.Version, a.Now, a.Set, a.Best-a.Now, a.BestBy, a.Best, a.Bound, a.Probes)
}

// Read makes the report of a track. A track without nights has an empty one. Damaged activations are left out.
func Read(reg *registry.Registry, track string) (Report, error) {
	r := reader{registry: reg, scores: map[string]scores{}}
	report := Report{Track: track, Sets: []Set{}, Rows: []Row{}, R: Matrix{}, Alarms: []Alarm{}}
	list, err := reg.Activations(track)
	if err != nil && !errors.Is(err, registry.ErrCorrupt) {
		return report, err
	}
	rows := reigns(track, list)
	champion := rows[len(rows)-1]
	line, err := r.line(champion.Version.Digest)
	if err != nil {
		return report, fmt.Errorf("read what track %s has learned: %w", track, err)
	}
	for _, row := range rows {
		if _, err := r.night(row.Version.Digest); err != nil && !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrCorrupt) {
			return report, fmt.Errorf("read what track %s has learned: %w", track, err)
		}
	}
	live := r.live(line)
	if live == nil {
		return report, nil
	}
	report.Bound, report.Rows, report.R = live.bound, rows, NewMatrix(len(rows), len(live.sets))
	for j, set := range live.sets {
		for i, row := range rows {
			report.R[i][j], _ = r.scores[row.Version.Digest].mean(set, nil)
		}
		s := Set{Name: set.name, Probes: len(set.ids), Now: number(report.R[len(rows)-1][j])}
		if alarm, ok := r.fall(set, line); ok {
			s.Fall = number(alarm.Best - alarm.Now)
			if live.bound > 0 && alarm.Best-alarm.Now > live.bound && alarm.Probes >= minProbes {
				alarm.Version, alarm.Activation, alarm.Bound = champion.Name, champion.Activation, live.bound
				report.Alarms = append(report.Alarms, alarm)
			}
		}
		report.Sets = append(report.Sets, s)
	}
	for i := range report.Alarms {
		report.Alarms[i].BestBy = name(reg, track, report.Alarms[i].BestBy)
	}
	report.Figures, err = r.figures(live, line)
	return report, err
}

// reigns are the activations that changed the champion, after the state before the first.
func reigns(track string, list []registry.Activation) []Row {
	base := registry.Ref{Track: track}
	rows := []Row{{Version: base, Name: base.String()}}
	for _, a := range list {
		if last := rows[len(rows)-1]; a.Digest != last.Version.Digest {
			rows = append(rows, Row{Activation: a.Sequence, Version: a.Champion(), Name: a.Champion().String()})
		}
	}
	return rows
}

// name is what people call a version of a track.
func name(reg *registry.Registry, track, digest string) string {
	if digest == "" {
		return registry.Ref{Track: track}.String()
	}
	refs, _ := reg.Versions(track) // a damaged record has no name
	for _, ref := range refs {
		if ref.Digest == digest {
			return ref.String()
		}
	}
	return digest
}

// set is a column with the probes that hold.
type set struct {
	name string
	ids  []string
}

// live is what holds for a champion: the probes of the newest night that led to it.
type live struct {
	bound float64
	sets  []set
}

// reader reads each night once.
type reader struct {
	registry *registry.Registry
	scores   map[string]scores // by digest: all that is known of a version
	nights   map[string]read   // by digest: the night that made it
}

// read is a night that was looked for.
type read struct {
	id      string
	origins []string
	scores  *nightrecord.Scores // nil where it left none
}

// scores are those of one version: set → probe.
type scores map[string]map[string]nightrecord.Probe

// mean is the mean log-probability of a token over the probes of a set that the version was scored on, and also is where that is
// not nil; NaN of none.
func (s scores) mean(of set, also scores) (value float64, probes int) {
	var sum, tokens float64
	for _, id := range of.ids {
		p, ok := s[of.name][id]
		if also != nil {
			_, there := also[of.name][id]
			ok = ok && there
		}
		if ok {
			sum, tokens, probes = sum+p.Candidate, tokens+float64(p.Tokens), probes+1
		}
	}
	if tokens == 0 {
		return math.NaN(), 0
	}
	return sum / tokens, probes
}

// line lists a version and those whose learning it has, the oldest first; the base model is the first.
func (r *reader) line(digest string) ([]string, error) {
	var line []string
	for todo := []string{digest}; len(todo) > 0 && len(line) < ancestors; todo = todo[1:] {
		if todo[0] == "" || slices.Contains(line, todo[0]) {
			continue
		}
		n, err := r.night(todo[0])
		if errors.Is(err, registry.ErrNotFound) && len(line) > 0 {
			continue // imported without what it came from
		}
		if err != nil {
			return nil, err
		}
		line, todo = append(line, todo[0]), append(todo, n.origins...)
	}
	line = append(line, "")
	slices.Reverse(line)
	return line, nil
}

// night reads the night that made a version, and takes in what it measured.
func (r *reader) night(digest string) (read, error) {
	if n, ok := r.nights[digest]; ok || digest == "" {
		return n, nil
	}
	m, err := r.registry.Version(digest)
	if err != nil {
		return read{}, err
	}
	n := read{id: m.Night, origins: m.Origins()}
	if m.Night != "" {
		data, err := r.registry.ReadNight(m.Night, nightrecord.ScoresFile)
		if err == nil {
			var s nightrecord.Scores
			if s, err = nightrecord.DecodeScores(data); err == nil {
				n.scores = r.take(m.Night, s)
			}
		}
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return read{}, err
		}
	}
	if r.nights == nil {
		r.nights = map[string]read{}
	}
	r.nights[digest] = n
	return n, nil
}

// take adds what a night measured to what is known of its champion and of its candidate.
func (r *reader) take(night string, s nightrecord.Scores) *nightrecord.Scores {
	for i, set := range s.Sets {
		if set.Name == "" {
			s.Sets[i].Name = night
		}
		for _, p := range set.Probes {
			r.put(s.Champion, s.Sets[i].Name, p, p.Champion)
			r.put(s.Candidate, s.Sets[i].Name, p, p.Candidate)
		}
	}
	return &s
}

func (r *reader) put(digest, set string, p nightrecord.Probe, score float64) {
	if r.scores[digest] == nil {
		r.scores[digest] = scores{}
	}
	if r.scores[digest][set] == nil {
		r.scores[digest][set] = map[string]nightrecord.Probe{}
	}
	p.Candidate = score
	r.scores[digest][set][p.ID] = p
}

// live are the sets of the newest night in a line that has scores, nil where none has; what they hold no more is left out.
func (r *reader) live(line []string) *live {
	for _, digest := range slices.Backward(line) {
		s := r.nights[digest].scores
		if s == nil {
			continue
		}
		l := &live{bound: s.Bound}
		for _, from := range s.Sets {
			at := slices.IndexFunc(l.sets, func(known set) bool { return known.name == from.Name })
			if at < 0 {
				at, l.sets = len(l.sets), append(l.sets, set{name: from.Name})
			}
			for _, p := range from.Probes {
				l.sets[at].ids = append(l.sets[at].ids, p.ID)
			}
		}
		l.sets = slices.DeleteFunc(l.sets, func(known set) bool { return len(known.ids) == 0 })
		slices.SortStableFunc(l.sets, func(a, b set) int { return r.age(a.name, line) - r.age(b.name, line) })
		return l
	}
	return nil
}

// age orders sets: files first, then the nights of a line.
func (r *reader) age(name string, line []string) int {
	return slices.IndexFunc(line, func(digest string) bool { return digest != "" && r.nights[digest].id == name })
}

// fall compares the last of a line with the best of those before it, each on the probes that both were scored on.
func (r *reader) fall(of set, line []string) (worst Alarm, ok bool) {
	now := r.scores[line[len(line)-1]]
	for _, digest := range line[:len(line)-1] {
		then, probes := r.scores[digest].mean(of, now)
		present, _ := now.mean(of, r.scores[digest])
		if probes > 0 && r.scores[digest] != nil && (!ok || then-present > worst.Best-worst.Now) {
			worst, ok = Alarm{Set: of.name, Probes: probes, Now: present, Best: then, BestBy: digest}, true
		}
	}
	return worst, ok
}

// figures are the metrics of a line: its nights are the tasks.
func (r *reader) figures(l *live, line []string) (*Figures, error) {
	var tasks []set
	var rows []string
	for i, digest := range line {
		at := slices.IndexFunc(l.sets, func(s set) bool { return digest != "" && s.name == r.nights[digest].id })
		if at < 0 {
			continue
		}
		if len(rows) == 0 {
			rows = append(rows, line[max(0, i-1)])
		}
		tasks, rows = append(tasks, l.sets[at]), append(rows, digest)
	}
	if len(tasks) == 0 {
		return nil, nil
	}
	rows[len(rows)-1] = line[len(line)-1] // whatever came after the last night belongs to it
	matrix := NewMatrix(len(rows), len(tasks))
	for i, digest := range rows {
		for j, task := range tasks {
			matrix[i][j], _ = r.scores[digest].mean(task, nil)
		}
	}
	m, err := Measure(matrix)
	if err != nil {
		return nil, err
	}
	return &Figures{ACC: number(m.ACC), BWT: number(m.BWT), FWT: number(m.FWT), Forgetting: number(m.Forgetting), Learning: number(m.Learning)}, nil
}

// number is nil for what is none.
func number(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
