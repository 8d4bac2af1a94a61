package nightrecord

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Plan says what the next night of a track would find if it were started at a time, without running it: the night's own selection,
// looked at and not written down. A night that is asked for later finds what was said since, too.
type Plan struct {
	Track     string    `json:"track"`
	Time      time.Time `json:"time"`
	Ready     bool      `json:"ready"` // it would train
	New       int       `json:"new"`   // examples that it would learn
	HeldOut   int       `json:"held_out"`
	HeldOutBy string    `json:"held_out_by,omitempty"` // ByPeople or ByQuestions
	Editors   int       `json:"by_editors"`            // of New, what editors say: it is learned whatever else is missing
	Needs     []Need    `json:"needs"`                 // of what others say
	// TooYoung is the feedback that has not the minimum age yet, or lies behind such, and Usable when the oldest of it has.
	TooYoung    int       `json:"too_young"`
	Usable      time.Time `json:"usable,omitzero"`
	Unconfirmed int       `json:"unconfirmed"` // examples that wait until more people say the same
	NotUsed     int       `json:"not_used"`    // feedback from which nothing can be learned
	Sentences   []string  `json:"sentences"`   // all of this for people
	Help        []string  `json:"help"`        // what would help
}

// Need is something that a night asks of what people say.
type Need struct {
	Name string  `json:"name"` // examples, people, largest_share, held_out_corrections or held_out
	Have float64 `json:"have"`
	Need float64 `json:"need"` // at least; of largest_share, at most
	Met  bool    `json:"met"`
	Text string  `json:"text"` // such as "12 of 20 examples"
}

// Unmet are the texts of the needs that are not met.
func (p Plan) Unmet() []string {
	var list []string
	for _, n := range p.Needs {
		if !n.Met {
			list = append(list, n.Text)
		}
	}
	return list
}

// Table writes a plan for people.
func (p Plan) Table(w io.Writer) error {
	state := "a night started now would be skipped"
	if p.Ready {
		state = "a night started now would train"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "track %s: %s\n", p.Track, state)
	for _, s := range p.Sentences {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	if len(p.Help) > 0 {
		b.WriteString("what helps:\n")
	}
	for _, s := range p.Help {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
