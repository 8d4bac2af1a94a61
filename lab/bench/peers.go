package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Peer is another program and what it reached on some machine, with the limits of that machine. Benchmarks know nothing of it; the page
// compares their lines with it.
type Peer struct {
	Name      string       `json:"name"`
	Source    string       `json:"source"`         // the program's build, and the machine, in words
	Bandwidth float64      `json:"bandwidth_gb_s"` // of that machine, as Roofline measures it
	Matrix    float64      `json:"matrix_gflop_s"`
	Figures   []PeerFigure `json:"figures"`
}

// PeerFigure is a rate and the lines that it is compared with.
type PeerFigure struct {
	Bench           string             `json:"bench"`
	Case            string             `json:"case,omitempty"`
	Shape           string             `json:"shape"`
	Weights         string             `json:"weights"` // of ours
	Precision       string             `json:"precision"`
	At              map[string]float64 `json:"at"`    // figures of the line
	Limit           string             `json:"limit"` // memory or matrix: by which the rate is scaled
	TokensPerSecond float64            `json:"tokens_per_second"`
	AtLeast         float64            `json:"at_least,omitempty"` // the ratio that is asked for, 0 for none
}

// ReadPeers reads a list of peers.
func ReadPeers(r io.Reader) ([]Peer, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var list []Peer
	if err := decoder.Decode(&list); err != nil {
		return nil, err
	}
	for _, p := range list {
		if p.Name == "" || p.Source == "" || !(p.Bandwidth > 0) || !(p.Matrix > 0) {
			return nil, fmt.Errorf("peer %q: it needs a name, a source and the limits of its machine", p.Name)
		}
		for i, f := range p.Figures {
			if f.Bench == "" || f.Weights == "" || len(f.At) == 0 || !(f.TokensPerSecond > 0) {
				return nil, fmt.Errorf("peer %s: figure %d needs a benchmark, weights, what it is at, and tokens per second", p.Name, i+1)
			}
			if f.Limit != "memory" && f.Limit != "matrix" {
				return nil, fmt.Errorf("peer %s: figure %d is scaled by %q: use memory or matrix", p.Name, i+1, f.Limit)
			}
		}
	}
	return list, nil
}

// is says whether a line is about the same.
func (f PeerFigure) is(l Result) bool {
	if l.Bench != f.Bench || l.Case != f.Case || l.Shape != f.Shape || l.Weights != f.Weights {
		return false
	}
	for name, want := range f.At {
		if v, ok := l.Figure(name); !ok || v != want {
			return false
		}
	}
	return true
}

// ratio is a line's rate over the peer's, the latter scaled by what the line's limit is to that of the peer's machine.
func (p Peer) ratio(l Result, f PeerFigure) (float64, bool) {
	name, its := "bandwidth_gb_s", p.Bandwidth
	if f.Limit == "matrix" {
		name, its = "matrix_gflop_s", p.Matrix
	}
	rate, ok := l.Figure("tokens_per_second")
	ours, measured := l.Figure(name)
	return rate / (f.TokensPerSecond * ours / its), ok && measured && ours > 0
}

// figure is the name of the ratio to a peer among a line's figures, and asked that of what is asked of it.
func (p Peer) figure() string { return "over " + p.Name }
func (p Peer) asked() string  { return p.figure() + " at least" }

// compared are the lines with the ratios to the peers.
func compared(lines []Result, peers []Peer) []Result {
	list := slices.Clone(lines)
	for i, l := range list {
		for _, p := range peers {
			at := slices.IndexFunc(p.Figures, func(f PeerFigure) bool { return f.is(l) })
			if at < 0 {
				continue
			}
			if v, ok := p.ratio(l, p.Figures[at]); ok {
				list[i].Figures = append(slices.Clone(list[i].Figures), Number{p.figure(), v})
				if needed := p.Figures[at].AtLeast; needed > 0 {
					list[i].Figures = append(list[i].Figures, Number{p.asked(), needed})
				}
			}
		}
	}
	return list
}

// column is that of the ratios to a peer.
func (p Peer) column() column {
	return column{figure: p.figure(), title: "over " + p.Name + " (scaled)", atLeast: p.asked()}
}

// explain says how ratios are scaled.
func (p Peer) explain() string {
	return fmt.Sprintf(`"Over %s (scaled)" is the rate over what %s would reach here: its own rate, which was measured elsewhere, times what the limit
measured beside ours is to the limit of that machine (%s GB/s and %s GFLOP/s): the memory bandwidth where one sequence decodes, the
rate of float32 matrices for prompts and for 16 sequences. Instructions for products of bytes that only one of the machines has are not
scaled away. Behind ≥ or < stands what is asked of it. Its figures are those of
[peers.json](performance/peers.json): %s.
`, p.Name, p.Name, short(p.Bandwidth), short(p.Matrix), strings.TrimSuffix(p.Source, "."))
}
