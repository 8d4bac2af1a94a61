package continual

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Use is what a fact is for. Facts of different uses are different ones.
type Use int

// The uses.
const (
	Form  Use = iota // shows the benchmark's model the form of a domain, before anything is measured
	Tune             // hyperparameters are chosen on these
	Final            // what is reported is measured on these
)

// Split is what a phrasing is for. Phrasings of different splits are different ones.
type Split int

// The splits.
const (
	Train Split = iota
	Validation
	Test
	splits
)

// Domain is one kind of text: subjects, each of which has every attribute, ways to ask, and a way to answer.
type Domain struct {
	Name string
	Says string // what it is, for people

	subjects   []string    // 24 of them
	attributes []attribute // 4 of them
	frames     [splits][]string
}

// attribute is what can be known of each subject.
type attribute struct {
	name   string
	values []string         // what it can be; more of them than facts of one use have it
	asks   [splits][]string // ways to ask; {s} is the subject
	answer string           // {s} and {v}, the value
}

// Fact is one thing to be known.
type Fact struct {
	Domain    string `json:"domain"`
	Subject   string `json:"subject"`
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
}

// Key names what a fact is about, whatever its value.
func (f Fact) Key() string { return f.Domain + "/" + f.Subject + "/" + f.Attribute }

// Item is one question with the one answer that is right.
type Item struct {
	Fact     Fact   `json:"fact"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// Domains returns the domains in their canonical order.
func Domains() []Domain { return []Domain{shop(), support(), railway(), settings(), ledger()} }

// Facts returns the facts of one use, with values that the seed draws. Half of all are for Form, a quarter each for Tune and
// Final; of every subject two are for Form and one each for the others, and every attribute has its share of each use. So
// all words have been seen before a fact of Final is learned, and no pair of subject and attribute has. Within one use,
// facts of one attribute have different values as long as there are enough.
func (d Domain) Facts(use Use, seed uint64) []Fact {
	var list []Fact
	for j, a := range d.attributes {
		r := d.random("values "+a.name, seed, int(use))
		var values []string
		for i, s := range d.subjects {
			if useOf(i, j) != use {
				continue
			}
			if len(values) == 0 {
				for _, at := range r.Perm(len(a.values)) {
					values = append(values, a.values[at])
				}
			}
			list = append(list, Fact{d.Name, s, a.name, values[0]})
			values = values[1:]
		}
	}
	return list
}

// useOf spreads the uses over the table of subjects and attributes like a Latin square.
func useOf(subject, attribute int) Use {
	return [...]Use{Form, Tune, Form, Final}[(subject+attribute)%4]
}

// Items returns per different questions about each fact, asked as in one split; fewer where there are not so many. Which
// ones, the seed draws. Every way to ask comes up before one comes up again.
func (d Domain) Items(facts []Fact, split Split, per int, seed uint64) []Item {
	var list []Item
	for _, f := range facts {
		a := d.attribute(f.Attribute)
		r := d.random("items "+f.Key(), seed, int(split))
		asks, frames := a.asks[split], d.frames[split]
		order, framing := r.Perm(len(asks)), r.Perm(len(frames))
		for n := range min(per, len(asks)*len(frames)) {
			ask := asks[order[n%len(asks)]]
			frame := frames[framing[(n%len(asks)+n/len(asks))%len(frames)]]
			list = append(list, Item{f, strings.Replace(frame, "{q}", fill(ask, f.Subject, ""), 1), fill(a.answer, f.Subject, f.Value)})
		}
	}
	return list
}

// Another returns a value that the fact's attribute can have and the fact has not.
func (d Domain) Another(f Fact, r *rand.Rand) string {
	values := d.attribute(f.Attribute).values
	for {
		if v := values[r.IntN(len(values))]; v != f.Value {
			return v
		}
	}
}

// attribute finds an attribute; facts have no others than those of their domain.
func (d Domain) attribute(name string) attribute {
	for _, a := range d.attributes {
		if a.name == name {
			return a
		}
	}
	panic(fmt.Sprintf("domain %s has no attribute %s", d.Name, name))
}

// fill puts a subject and a value into a form.
func fill(form, subject, value string) string {
	return strings.NewReplacer("{s}", subject, "{v}", value).Replace(form)
}

// random is a source of its own for each purpose.
func (d Domain) random(purpose string, seed uint64, variant int) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(fmt.Sprintf("%s\x00%s\x00%d", d.Name, purpose, variant)) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h)) //nolint:gosec // reproducible, not secret
}

// list splits a table cell at its bars.
func list(cell string) []string { return strings.Split(cell, "|") }

// named splits a table cell at its bars and puts an attribute's name in the place of every @.
func named(name, cell string) []string { return list(strings.ReplaceAll(cell, "@", name)) }
