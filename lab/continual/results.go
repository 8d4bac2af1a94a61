package continual

import (
	"math"
	"strings"
)

// ResultsFile is what Bench.Run writes for programs: Results as JSON.
const ResultsFile = "results.json"

// Results are a report's figures for programs; the matrices are in the records. Maps are by the Key of a method; figures have the names that FigureGap and the others have,
// in lower case with _ for spaces, and beside each one NAME_low and NAME_high, its 95 % interval. What could not be measured is left out.
type Results struct {
	Model   string                        `json:"model"` // digest of the recipe
	Budget  Budget                        `json:"budget"`
	Sizes   Sizes                         `json:"sizes"`
	Stream  *StreamOptions                `json:"stream_options,omitempty"`
	Tuned   bool                          `json:"tuned"`
	Orders  int                           `json:"orders"`
	Seeds   int                           `json:"seeds"`
	Methods map[string]Settings           `json:"methods"` // settings that were measured
	Advice  []string                      `json:"advice"`  // from Summary
	Gaps    map[string]map[string]float64 `json:"gaps"`    // joint − naive in exact answers at the end of the tasks, by domain
	// Tasks by exact answers, and the others: the stream, and both by log-probability in nats per token.
	Summary       map[string]map[string]float64 `json:"summary"`
	OnStream      map[string]map[string]float64 `json:"stream,omitempty"`
	LogProb       map[string]map[string]float64 `json:"log_prob"`
	StreamLogProb map[string]map[string]float64 `json:"stream_log_prob,omitempty"`
}

// Results sorts a report's figures for programs.
func (r Report) Results() Results {
	out := Results{Model: r.Model, Budget: r.Budget, Sizes: r.Sizes, Tuned: r.Tuned, Methods: map[string]Settings{}}
	keys := map[string]string{}
	for _, m := range Methods() {
		keys[m.Name] = m.Key
	}
	for _, record := range r.Records {
		out.Methods[keys[record.Method]] = record.Settings
	}
	for _, s := range r.Summaries {
		figures := map[string]map[string]float64{}
		for _, m := range s.Methods {
			figures[keys[m.Method]] = numbers(m.Figures)
		}
		switch {
		case s.Track == Tasks && s.Scale == ExactAnswers:
			out.Summary, out.Advice, out.Orders, out.Seeds = figures, Advise(s), s.Orders, s.Seeds
			out.Gaps = map[string]map[string]float64{}
			for _, g := range s.Gaps {
				out.Gaps[g.Name] = numbers([]Figure{{"gap", g.Interval}})
			}
		case s.Track == Tasks:
			out.LogProb = figures
		case s.Scale == ExactAnswers:
			stream := r.Stream
			out.OnStream, out.Stream = figures, &stream
		default:
			out.StreamLogProb = figures
		}
	}
	return out
}

// numbers writes figures with their intervals, to four digits after the point, without those that are not numbers.
func numbers(figures []Figure) map[string]float64 {
	out := map[string]float64{}
	for _, f := range figures {
		name := strings.ReplaceAll(strings.ToLower(f.Name), " ", "_")
		for suffix, v := range map[string]float64{"": f.Value, "_low": f.Low, "_high": f.High} {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				out[name+suffix] = math.Round(1e4*v) / 1e4
			}
		}
	}
	return out
}
